import { describe, expect, it } from 'vitest';
import { initialize, matchmakerMatched } from '../../src/library';
import type { Initializer, MatchmakerResult } from '../../src/nakama/runtime';
import type { Allocation } from '../../src/allocation/allocation';
import { needsWorker } from '../../src/supervision/resume';
import { FIVE, TOKEN } from './support/config';
import { context, fakeNakama, goError } from './support/nakama';

const env = { ...FIVE, GAMEYE_MATCH_PROPERTY: 'mode=ranked', GAMEYE_REGIONS: 'eu' };
const ctx = context({ env, executionMode: 'matchmaker' });
const entry = (userId: string, properties: { [name: string]: unknown } = {}): MatchmakerResult => ({
  presence: { userId, sessionId: 's', username: 'n', node: 'n1' },
  properties: { mode: 'ranked', ...properties } as { [name: string]: string },
});

describe('the matchmaker hook', () => {
  it('hands the group to an allocator and does nothing else: no network, no storage', () => {
    const fake = fakeNakama();
    const before = Date.now();
    const pings = { 'ping_us-east-1': 10, 'ping_eu-central-1': 90 };
    expect(matchmakerMatched(ctx, fake.logger, fake.nk, [entry('a', pings), entry('b', pings)])).toBeUndefined();
    expect(fake.events).toHaveLength(1);
    const [event] = fake.events;
    if (event?.kind !== 'match') throw new Error('no match was created');
    expect(event.module).toBe('gameye_allocator');
    expect(event.params['version']).toBe('*');
    const allocation = JSON.parse(event.params['allocation'] as string) as Allocation;
    expect(allocation).toMatchObject({
      state: 'starting',
      attempts: 0,
      regions: ['us-east-1', 'eu-central-1'],
      told: false,
    });
    expect(allocation.request).toMatchObject({ user_ids: ['a', 'b'], max_players: 2, metadata: {} });
    expect(allocation.id).toBe(allocation.session_id);
    expect(allocation.deadline_ms - before).toBeGreaterThanOrEqual(60_000);
    expect(JSON.stringify(event)).not.toContain(TOKEN);
  });
  it('leaves a group alone that is not ours', () => {
    const fake = fakeNakama();
    matchmakerMatched(ctx, fake.logger, fake.nk, [entry('a'), entry('b', { mode: 'casual' })]);
    expect(fake.events).toEqual([]);
  });
  it('stores the group for any node when its own shuts down, and tells the players nothing yet', () => {
    const fake = fakeNakama();
    fake.before = (event) => {
      if (event.kind === 'match') throw goError('error creating match: shutdown in progress');
    };
    matchmakerMatched(ctx, fake.logger, fake.nk, [entry('a'), entry('b')]);
    expect(fake.sent()).toEqual([]);
    const [row = ''] = fake.rows();
    const allocation = fake.stored('_gameye_allocations', row.split('/')[1] ?? '') as Allocation;
    expect(allocation).toMatchObject({ state: 'queued', attempts: 0, told: false, request: { user_ids: ['a', 'b'] } });
    expect(needsWorker(allocation, Date.now() + 6000)).toBe(true);
    expect(fake.log).toMatchObject([{ level: 'warn', fields: { allocation: allocation.id } }]);
  });
  const nowhere: [string, (kind: string) => void][] = [
    [
      'the server shuts down and its database is gone',
      (kind) => {
        if (kind === 'match') throw goError('error creating match: shutdown in progress');
        if (kind === 'write') throw goError('failed to write storage objects: sql: database is closed');
      },
    ],
    [
      'no node can start one',
      (kind) => {
        if (kind === 'match') throw goError('error creating match: not found');
      },
    ],
  ];
  it.each(nowhere)('tells the players when %s, and does not throw', (_situation, fail) => {
    const fake = fakeNakama();
    fake.before = (event) => fail(event.kind);
    matchmakerMatched(ctx, fake.logger, fake.nk, [entry('a'), entry('b')]);
    expect(fake.sent()).toMatchObject([
      { userId: 'a', code: 7301, content: { reason: 'unavailable' } },
      { userId: 'b', code: 7301 },
    ]);
    expect(fake.rows()).toEqual([]);
    expect(fake.log.at(-1)).toMatchObject({ level: 'error', fields: { error: expect.any(String) } });
  });
});

describe('the start of the module', () => {
  it('registers the index, warns of unknown variables, and says what it does without its token', () => {
    const fake = fakeNakama();
    const registered: unknown[][] = [];
    const initializer = { registerStorageIndex: (...args: unknown[]) => void registered.push(args) };
    initialize(ctx, fake.logger, fake.nk, initializer as unknown as Initializer);
    expect(registered).toHaveLength(1);
    expect(fake.log).toMatchObject([
      { level: 'warn', fields: { variable: 'GAMEYE_REGIONS' } },
      { level: 'info', message: 'Gameye: fleet manager ready.', fields: { image: 'my-game', fleet: 'default' } },
    ]);
    expect(JSON.stringify(fake.log)).not.toContain(TOKEN);
  });
});
