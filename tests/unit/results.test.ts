import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { arrive } from '../../src/database/reports';
import { cleanResults, forgetResults, listResults } from '../../src/database/results';
import { leaveSeats, takeSeats } from '../../src/database/seats';
import { configure, type Extension, type ServerResult, type SessionEnd } from '../../src/extension/extension';
import { remove } from '../../src/fleet/remove';
import type { Call } from '../../src/nakama/caller';
import { answerRpc, serverOf } from '../../src/rpc/callers';
import { results } from '../../src/servers/results';
import { ensureFollowUp, loopFollowUp } from '../../src/supervision/follow-up';
import { serverToken } from '../../src/credentials/server-token';
import { configWith, FIVE } from './support/config';
import { answer } from './support/gameye';
import { context, DATABASE_GONE, fakeNakama, goError, type FakeNakama } from './support/nakama';
import { FLEET, putInstance } from './support/records';
import { refusal } from './support/refusal';

const T0 = 1_700_000_000_000;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const A = '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6';
const B = '00000000-0000-4000-8000-000000000001';
const ctx = context({ env: FIVE });
const config = configWith();

let fake: FakeNakama;
let call: Call;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: T0 });
  fake = fakeNakama();
  fake.http = ({ method }) => (method === 'get' ? answer(404, {}) : answer(204, {}));
  call = { ctx, logger: fake.logger, nk: fake.nk, config };
});
afterEach(() => {
  vi.useRealTimers();
  configure({});
});

const wait = (ms: number): void => void vi.setSystemTime(Date.now() + ms);
const rpc = (id: string, payload: object, as = ctx): Record<string, unknown> =>
  JSON.parse(answerRpc(id, as, fake.logger, fake.nk, JSON.stringify(payload))) as Record<string, unknown>;
const say = (result: object, more: object = {}): Record<string, unknown> =>
  rpc('gameye_server_result', { id: 's1', result, ...more });
const list = (more: object = {}): { results: { id: string }[]; cursor: string } => rpc('gameye_results', more) as never;
const ids = (): string[] => list().results.map(({ id }) => id);
const rows = (): object[] => fake.query('SELECT id, callback, attempts FROM gameye_result ORDER BY id');

/** The context of the program in the container of a session. */
function server(sessionId: string): typeof ctx {
  const token = serverToken(fake.nk, config, sessionId, 'a1', Date.now());
  const { userId, vars } = JSON.parse(token) as { userId: string; vars: Record<string, string> };
  return context({ env: FIVE, userId, vars });
}

/** A module that hears everything; answers what it was told. */
function module(more: Partial<Extension> = {}): { results: ServerResult[]; ends: SessionEnd[] } {
  const heard = { results: [] as ServerResult[], ends: [] as SessionEnd[] };
  configure({
    onResult: (_ctx, _logger, _nk, result) => void heard.results.push(result),
    onEnded: (_ctx, _logger, _nk, end) => void heard.ends.push(end),
    ...more,
  });
  return heard;
}

/** What the supervisor and the worker that it starts do. */
function followUp(): void {
  const before = fake.events.filter(({ kind }) => kind === 'match').length;
  ensureFollowUp(call);
  if (fake.events.filter(({ kind }) => kind === 'match').length > before) loopFollowUp(call, { follow_up: true });
}

describe('the result of a game server', () => {
  it('is kept with who was there, those included who have left, until somebody has fetched it', () => {
    putInstance(fake, { max_players: 3 }, { [A]: T0 + MINUTE, [B]: T0 + MINUTE, u3: T0 + MINUTE });
    arrive(fake.nk, FLEET, 's1', [A, B]);
    leaveSeats(fake.nk, FLEET, 's1', [A]);
    expect(say({ winner: B })).toEqual({ id: 's1', stored: true });
    expect(list()).toMatchObject({
      results: [
        {
          ...{ id: 's1', session_id: 's1', round: null, result: { winner: B }, user_ids: [B, A] },
          instance: { id: 's1', region: 'eu', seats: { [B]: { state: 'joined' } } },
          create_time: '2023-11-14T22:13:20.000Z',
        },
      ],
      cursor: '',
    });
    expect(list({ forget: ['s1', 'none'] })).toEqual({ results: [], cursor: '' });
    expect(list({ forget: ['s1'] })).toEqual({ results: [], cursor: '' });
  });

  it('is kept once a round: the same again changes nothing, another one is refused', () => {
    putInstance(fake);
    expect(say({ score: [1, 2] }, { round: '1' })).toEqual({ id: 's1/1', stored: true });
    expect(say({ score: [1, 2] }, { round: '1' })).toEqual({ id: 's1/1', stored: false });
    expect(say({ score: [1, 2] }, { round: '2' })).toEqual({ id: 's1/2', stored: true });
    expect(refusal(() => say({ score: [2, 1] }, { round: '1' })).code).toBe(10);
    // Also one that somebody has fetched and forgotten.
    list({ forget: ['s1/1'] });
    cleanResults(fake.nk, FLEET);
    expect(say({ score: [1, 2] }, { round: '1' })).toEqual({ id: 's1/1', stored: false });
    expect(ids()).toEqual(['s1/2']);
  });

  it.each([
    ['too large', { result: { text: 'x'.repeat(16_001) } }, 3],
    ['no object', { result: [1] }, 3],
    ['missing', {}, 3],
    ['of a round without a name', { result: {}, round: '' }, 3],
    ['of a round with too long a name', { result: {}, round: 'x'.repeat(65) }, 3],
    ['of a session that nobody knows', { id: 's2', result: {} }, 5],
  ])('is refused when it is %s', (_what, payload, code) => {
    putInstance(fake);
    expect(refusal(() => rpc('gameye_server_result', { id: 's1', ...payload })).code).toBe(code);
    expect(rows()).toEqual([]);
  });

  it('is refused after the end of its session, and once a hundred are there', () => {
    putInstance(fake);
    for (let i = 0; i < 100; i++) say({}, { round: String(i) });
    expect(refusal(() => say({}, { round: 'one more' })).code).toBe(8);
    expect(say({}, { round: '99' })).toEqual({ id: 's1/99', stored: false });
    remove(call, 's1', 'server');
    expect(refusal(() => say({}, { round: 'late' })).code).toBe(5);
    // An answer that was lost, and the session ended meanwhile.
    expect(say({}, { round: '99' })).toEqual({ id: 's1/99', stored: false });
  });

  it('is taken from its own game server only', () => {
    putInstance(fake);
    putInstance(fake, { id: 's2' });
    expect(rpc('gameye_server_result', { result: {} }, server('s1'))).toEqual({ id: 's1', stored: true });
    const other = (): unknown =>
      rpc('gameye_server_result', { id: 's1', result: { won: true }, round: '1' }, server('s2'));
    expect(refusal(other).code).toBe(7);
    const player = context({ env: FIVE, userId: A, vars: { gameye_session_id: 's1' } });
    expect(refusal(() => rpc('gameye_server_result', { result: {} }, player)).code).toBe(7);
    expect(refusal(() => rpc('gameye_results', {}, server('s1'))).code).toBe(7);
    expect([serverOf(server('s1'), fake.nk), serverOf(player, fake.nk), serverOf(ctx, fake.nk)]).toEqual([
      's1',
      undefined,
      undefined,
    ]);
  });

  it('comes in pages, oldest first, of a fleet or of one session', () => {
    putInstance(fake);
    putInstance(fake, { id: 's2' });
    for (const [id, round] of [
      ['s1', '1'],
      ['s2', '1'],
      ['s1', '2'],
    ] as const) {
      rpc('gameye_server_result', { id, result: {}, round });
      wait(1);
    }
    const first = list({ limit: 2 });
    expect(first.results.map(({ id }) => id)).toEqual(['s1/1', 's2/1']);
    expect(list({ limit: 2, cursor: first.cursor }).results.map(({ id }) => id)).toEqual(['s1/2']);
    expect(list({ session_id: 's2' }).results.map(({ id }) => id)).toEqual(['s2/1']);
    expect(refusal(() => list({ cursor: 'mine' })).code).toBe(3);
    expect(refusal(() => list({ forget: [1] })).code).toBe(3);
    expect(listResults(fake.nk, 'ranked', undefined, undefined, 10).results).toEqual([]);
    forgetResults(fake.nk, 'ranked', ['s1/1']);
    expect(results(call, { session: undefined, limit: 9, cursor: '', forget: [] }).results).toHaveLength(3);
  });

  it('is deleted a week later, and when it was fetched once its session is over', () => {
    putInstance(fake);
    say({}, { round: '1' });
    list({ forget: ['s1/1'] });
    expect(cleanResults(fake.nk, FLEET)).toBe(0);
    say({}, { round: '2' });
    remove(call, 's1');
    expect(cleanResults(fake.nk, FLEET)).toBe(1);
    wait(7 * DAY - 1);
    expect([ids(), cleanResults(fake.nk, FLEET)]).toEqual([['s1/2'], 0]);
    wait(1);
    expect([ids(), cleanResults(fake.nk, FLEET), rows()]).toEqual([[], 1, []]);
  });
});

describe('onResult', () => {
  it('hears of each result once, with who was there and the session as it was', () => {
    const heard = module();
    putInstance(fake, {}, { [A]: T0 + MINUTE });
    arrive(fake.nk, FLEET, 's1', [A]);
    say({ winner: A }, { round: '1' });
    say({ winner: A }, { round: '1' });
    leaveSeats(fake.nk, FLEET, 's1', [A]);
    followUp();
    followUp();
    expect(heard.results).toEqual([
      {
        ...{ id: 's1/1', session_id: 's1', round: '1', result: { winner: A }, user_ids: [A] },
        instance: expect.objectContaining({ id: 's1', metadata: { map: 'dust' }, player_count: 1 }),
      },
    ]);
    expect(list().results).toMatchObject([{ id: 's1/1', callback: 'done' }]);
  });

  it('is called again with the same id when the process died in the call, by another node', () => {
    const heard = module({
      onResult: (_ctx, _logger, _nk, { id }) => {
        heard.results.push({ id } as ServerResult);
        // Nothing is stored after this.
        if (heard.results.length === 1)
          fake.before = () => {
            throw goError(DATABASE_GONE);
          };
      },
    });
    putInstance(fake);
    say({});
    followUp();
    fake.before = () => undefined;
    const other = { ...call, nk: fakeNakama(fake).nk };
    ensureFollowUp(other);
    loopFollowUp(other, { follow_up: true });
    expect(heard.results).toHaveLength(1);
    wait(MINUTE);
    loopFollowUp(other, { follow_up: true });
    loopFollowUp(other, { follow_up: true });
    expect(heard.results.map(({ id }) => id)).toEqual(['s1', 's1']);
    expect(rows()).toEqual([{ id: 's1', callback: 'done', attempts: 2 }]);
  });

  it('is called five times when it throws, each time later, and then given up', () => {
    let calls = 0;
    module({
      onResult: () => {
        calls++;
        throw new Error('the module is broken');
      },
    });
    putInstance(fake);
    say({});
    const seen = [5, 20, 80, 320, 9999].map((seconds) => {
      loopFollowUp(call, { follow_up: true });
      loopFollowUp(call, { follow_up: true });
      wait(seconds * 1000);
      return calls;
    });
    loopFollowUp(call, { follow_up: true });
    expect([seen, calls]).toEqual([[1, 2, 3, 4, 5], 5]);
    expect(list().results).toMatchObject([{ callback: 'failed' }]);
    expect(fake.log.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
      ...Array.from({ length: 4 }, () => 'Gameye: a callback failed; it is called again.'),
      'Gameye: a callback failed and is given up.',
    ]);
    expect(fake.log.at(-1)?.fields).toMatchObject({ result: 's1', callback: 'onResult', call: '5' });
  });

  it('is given up when each of its calls ended its process', () => {
    module({
      onResult: () => {
        throw new Error('never called here');
      },
    });
    putInstance(fake);
    say({});
    fake.query(`UPDATE gameye_result SET attempts = 5`);
    loopFollowUp(call, { follow_up: true });
    expect(rows()).toEqual([{ id: 's1', callback: 'failed', attempts: 6 }]);
    expect(fake.log.map(({ message }) => message)).toEqual([
      'Gameye: a callback was given up, because none of its calls came to an end.',
    ]);
  });

  it('may not be async, which the log says', () => {
    let calls = 0;
    module({ onResult: (async () => void (await Promise.resolve(calls++))) as unknown as () => void });
    putInstance(fake);
    say({});
    followUp();
    wait(10 * MINUTE);
    followUp();
    expect([calls, rows()]).toEqual([1, [{ id: 's1', callback: 'failed', attempts: 1 }]]);
    expect(fake.log).toMatchObject([{ level: 'error', fields: { problem: expect.stringContaining('async') } }]);
  });

  it('has nothing to do without one: the result is kept, and no worker is started', () => {
    putInstance(fake);
    say({});
    followUp();
    expect(list().results).toMatchObject([{ id: 's1' }]);
    expect(list().results[0]).not.toHaveProperty('callback');
    expect(fake.events.filter(({ kind }) => kind === 'match')).toEqual([]);
  });
});

describe('onEnded', () => {
  it('hears once that a session is over, why, who was there and what its results were, after onResult', () => {
    const order: string[] = [];
    const heard = module({ onResult: (_ctx, _logger, _nk, { id }) => void order.push(id) });
    putInstance(fake, {}, { [A]: T0 + MINUTE, [B]: T0 + MINUTE });
    arrive(fake.nk, FLEET, 's1', [A]);
    say({ winner: A }, { round: '1' });
    list({ forget: ['s1/1'] });
    wait(5);
    remove(call, 's1', 'server');
    remove(call, 's1', 'server');
    cleanResults(fake.nk, FLEET);
    followUp();
    followUp();
    expect(order).toEqual(['s1/1']);
    expect(heard.ends).toEqual([
      {
        ...{ id: 's1#end', session_id: 's1', reason: 'server', user_ids: [A] },
        results: [{ id: 's1/1', round: '1', result: { winner: A } }],
        instance: expect.objectContaining({ id: 's1', seats: expect.objectContaining({ [A]: { state: 'joined' } }) }),
      },
    ]);
  });

  it.each<[string, string, () => void]>([
    ['somebody deleted it', 'deleted', () => void rpc('fleet_delete', { id: 's1' })],
    ['its game server said so', 'server', () => void rpc('delete_instance_info', { id: 's1' })],
    [
      'Gameye has ended it',
      'gone',
      () => {
        fake.http = () => answer(200, { id: 's1', status: 'exited', host: '', ports: {} });
        expect(refusal(() => rpc('fleet_get', { id: 's1' })).code).toBe(5);
      },
    ],
  ])('tells that %s', (_what, reason, act) => {
    const heard = module();
    putInstance(fake);
    act();
    followUp();
    expect(heard.ends).toMatchObject([{ id: 's1#end', reason, user_ids: [], results: [] }]);
  });

  it('hears that its time was over when Gameye ended it then', () => {
    const heard = module();
    putInstance(fake);
    fake.query(`UPDATE gameye_instance SET expires_at = now()`);
    fake.http = () => answer(200, { id: 's1', status: 'exited', host: '', ports: {} });
    refusal(() => rpc('fleet_get', { id: 's1' }));
    followUp();
    expect(heard.ends).toMatchObject([{ reason: 'expired' }]);
  });

  it('hears nothing of a session to which nobody was sent', () => {
    const heard = module();
    putInstance(fake, { status: 'starting' });
    remove(call, 's1');
    followUp();
    expect([heard.ends, rows()]).toEqual([[], []]);
  });

  it('comes also when onResult was given up', () => {
    const heard = module({
      onResult: () => {
        throw new Error('broken');
      },
    });
    putInstance(fake);
    say({});
    remove(call, 's1');
    fake.query(`UPDATE gameye_result SET attempts = 5 WHERE kind = 'result'`);
    followUp();
    expect(heard.ends).toMatchObject([{ results: [{ id: 's1' }] }]);
  });
});

it('a player whose seat was renewed counts as there once the game server has named them', () => {
  putInstance(fake, { max_players: 2 });
  takeSeats(fake.nk, FLEET, 's1', [A], MINUTE);
  say({}, { round: '1' });
  arrive(fake.nk, FLEET, 's1', [A]);
  arrive(fake.nk, FLEET, 's1', [A]);
  say({}, { round: '2' });
  expect(list().results).toMatchObject([{ user_ids: [] }, { user_ids: [A] }]);
});
