import { describe, expect, it } from 'vitest';
import { groupBy, notEnded, overlaps, runningAt, type LedgerEntry } from '../../dev/gameye/ledger.ts';
import { ledgerEntry } from '../helpers/ledger-entry.ts';
import { call, isAlive, run, script, simulate, until } from './helpers.ts';

function entry(id: string, times: Partial<LedgerEntry>, labels: Record<string, string> = { match: 'm' }): LedgerEntry {
  return ledgerEntry(id, { labels, ...times });
}

const ids = (entries: LedgerEntry[]): string[] => entries.map(({ id }) => id);

describe('the simulator’s ledger tells', () => {
  const neverRan = entry('never', { endedAtMs: 5, ended: 'stop' });
  const early = entry('early', { runningAtMs: 10, endedAtMs: 20, ended: 'exit' });
  const late = entry('late', { runningAtMs: 20 }, { match: 'other' });
  const entries = [neverRan, early, late];

  it('which sessions ran at an instant: from their first millisecond on, and no longer in their last', () => {
    expect([9, 10, 19, 20].map((atMs) => ids(runningAt(entries, atMs)))).toEqual([[], ['early'], ['early'], ['late']]);
  });

  it('which sessions have not ended', () => {
    expect(ids(notEnded(entries))).toEqual(['late']);
  });

  it('which sessions belong together', () => {
    const groups = groupBy(entries, ({ labels }) => labels['match']);
    expect([...groups].map(([key, group]) => [key, ids(group)])).toEqual([
      ['m', ['never', 'early']],
      ['other', ['late']],
    ]);
    expect(groupBy(entries, () => undefined).size).toBe(0);
  });

  it.each([
    ['run at the same time', { runningAtMs: 10 }, { runningAtMs: 15 }, true],
    ['begin in the same millisecond', { runningAtMs: 10 }, { runningAtMs: 10 }, true],
    ['follow each other', { runningAtMs: 10, endedAtMs: 20 }, { runningAtMs: 20 }, false],
    ['follow each other, listed the other way round', { runningAtMs: 20 }, { runningAtMs: 10, endedAtMs: 20 }, false],
    [
      'run while the first was told to stop',
      { runningAtMs: 10, stopRequestedAtMs: 12, endedAtMs: 30 },
      { runningAtMs: 15 },
      false,
    ],
    ['run when one was never running', { endedAtMs: 30 }, { runningAtMs: 15 }, false],
  ])('whether sessions overlap that %s', (_what, a, b, expected) => {
    const pair = [entry('a', a), entry('b', b)];
    expect(overlaps(pair, ({ labels }) => labels['match'])).toHaveLength(expected ? 1 : 0);
    expect(overlaps(pair, ({ id }) => id)).toEqual([]);
  });
});

it('the simulator’s ledger says of each session who asked for what, when it ran, and when and how it ended', async () => {
  const simulator = await simulate({ startMs: 30 });
  const before = Date.now();
  await run(simulator, { image: 'unknown' });
  const request = {
    id: 'one',
    labels: { map: 'dust' },
    env: { SECRET: 'value', NAKAMA_MATCH_USER_IDS: 'ann,bob' },
    external_id: 'e',
  };
  const { json } = await run(simulator, request);
  await call(simulator, 'DELETE', '/session/one');
  const entry = simulator.ledger.get('one')!;
  await until('it has ended', () => entry.endedAtMs);
  expect(simulator.ledger.entries).toEqual([
    {
      id: 'one',
      region: 'eu-central-1',
      image: 'sleeper',
      tag: '1.0.0',
      labels: { map: 'dust' },
      externalId: 'e',
      tokenName: 'token-1',
      requestOrdinal: 2,
      warm: false,
      host: '127.0.0.1',
      envKeys: ['SECRET', 'NAKAMA_MATCH_USER_IDS'],
      matchUserIds: ['ann', 'bob'],
      ports: json.ports,
      pid: expect.any(Number),
      players: [],
      peakPlayers: 0,
      restarts: 0,
      ended: 'stop',
      exitCode: 143,
      requestedAtMs: expect.any(Number),
      runningAtMs: expect.any(Number),
      stopRequestedAtMs: expect.any(Number),
      endedAtMs: expect.any(Number),
    },
  ]);
  const { requestedAtMs, runningAtMs, stopRequestedAtMs, endedAtMs } = entry;
  const times = [before, requestedAtMs, runningAtMs! - 29, stopRequestedAtMs! - 29, endedAtMs! - 29, Date.now()];
  expect([...times].sort((a, b) => a - b)).toEqual(times);
  expect(JSON.stringify(entry)).not.toContain('value');
});

it('the simulator’s ledger agrees with the processes of many sessions that end in every way', async () => {
  const dying = script('setTimeout(() => process.exit(1), 30)');
  const simulator = await simulate({
    images: { sleeper: { command: ['sleep', '1000'], ports: [] }, dying: { ...dying, ports: [] } },
    ttlScale: 0.005,
  });
  const ways = ['stop', 'killed', 'ttl', 'exit', 'running'] as const;
  const expected: Record<string, number> = { stop: 0, killed: 0, ttl: 0, exit: 0, running: 0 };
  await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      const way = ways[i % ways.length]!;
      expected[way]!++;
      const { json } = await run(simulator, {
        image: way === 'exit' ? 'dying' : 'sleeper',
        labels: { way },
        ...(way === 'ttl' ? { ttl: '1m' } : {}),
      });
      if (way === 'stop') await call(simulator, 'DELETE', `/session/${json.id}`);
      if (way === 'killed') process.kill(simulator.ledger.get(json.id)!.pid!, 'SIGKILL');
    }),
  );
  const { entries } = simulator.ledger;
  await until('all but the running ones have ended', () => notEnded([...entries]).length === expected['running']);
  for (const { labels, ended, pid } of entries) {
    expect(ended ?? 'running').toBe(labels['way']);
    expect(isAlive(pid!)).toBe(labels['way'] === 'running');
  }
  const { json } = await call(simulator, 'GET', '/_sim/ledger');
  expect(json.entries).toEqual(JSON.parse(JSON.stringify(entries)));
});
