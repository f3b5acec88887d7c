import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { claimEnd, endSilent, hearServer } from '../../src/database/liveness';
import { arrive } from '../../src/database/reports';
import { takeSeats } from '../../src/database/seats';
import { drain } from '../../src/operations/drain';
import { configure, type SessionEnd } from '../../src/extension/extension';
import { remove } from '../../src/fleet/remove';
import { shortestSilence } from '../../src/mode-config';
import type { Call } from '../../src/nakama/caller';
import { standing } from '../../src/players/standing';
import { answerRpc } from '../../src/rpc/callers';
import { hear } from '../../src/servers/liveness';
import { loopFollowUp } from '../../src/supervision/follow-up';
import { loopSupervisor, type SupervisorState } from '../../src/worker/supervisor';
import { configWith, FIVE } from './support/config';
import { answer } from './support/gameye';
import { context, fakeNakama, type FakeNakama } from './support/nakama';
import { FLEET, instanceIn, putAllocation, putInstance, seatOf } from './support/records';
import { refusal } from './support/refusal';

const T0 = 1_700_000_000_000;
const TIMEOUT = 40_000;
const variables = { ...FIVE, GAMEYE_SERVER_TIMEOUT: '40s', GAMEYE_NAKAMA_URL: 'https://nakama.example' };
const config = configWith(variables);
const ctx = context({ env: variables });

let fake: FakeNakama;
let call: Call;
let state: SupervisorState;
let gameye: () => ReturnType<FakeNakama['http']>;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: T0 });
  fake = fakeNakama();
  gameye = () => answer(204, {});
  fake.http = () => gameye();
  call = { ctx, logger: fake.logger, nk: fake.nk, config };
  state = { supervisor: true };
});
afterEach(() => {
  vi.useRealTimers();
  configure({});
});

const wait = (ms: number): void => void vi.setSystemTime(Date.now() + ms);
/** The program in the container, by another server with the http_key. */
const rpc = (id: string, payload: object = {}): unknown =>
  JSON.parse(answerRpc(id, ctx, fake.logger, fake.nk, JSON.stringify({ id: 's1', ...payload })));
/** What a supervisor and its worker do in so many milliseconds. */
function supervise(ms: number): void {
  for (const until = Date.now() + ms; Date.now() <= until; wait(1000)) {
    const before = fake.events.length;
    state = loopSupervisor({ ...call, ctx: context({ env: variables, matchId: 'another match' }) }, state) ?? state;
    const started = fake.events.slice(before).some((event) => event.kind === 'match' && 'follow_up' in event.params);
    if (started) loopFollowUp(call, { follow_up: true });
  }
}
const stops = (): number => fake.requests.filter(({ method }) => method === 'delete').length;
const writes = (): number =>
  fake.events.filter((e) => e.kind === 'sql' && e.statement.includes('SET silent_at')).length;

describe('a game server that has reported and falls silent', () => {
  const live = (): void => {
    putInstance(fake, { pool: 'p', max_players: 4 }, { u1: 'joined', u2: T0 + 10 * TIMEOUT });
    rpc('gameye_server_heartbeat');
  };
  const takes = (): string => takeSeats(fake.nk, FLEET, 's1', ['u3'], 10 * TIMEOUT).kind;

  it('gets no players any more, is stopped a time-out later, and its players are told', () => {
    const ends: SessionEnd[] = [];
    configure({ onEnded: (_ctx, _logger, _nk, end) => void ends.push(end) });
    live();
    wait(TIMEOUT - 1);
    expect([instanceIn(fake)?.open, takes()]).toEqual([true, 'taken']);
    wait(1);
    expect([instanceIn(fake)?.open, takes()]).toEqual([false, 'closed']);
    // Players stay: it may come back.
    expect(standing(call, 'u1')).toMatchObject({ state: 'ready' });
    supervise(TIMEOUT - 1000);
    expect([stops(), fake.sent()]).toEqual([0, []]);
    supervise(10_000);
    expect(stops()).toBe(1);
    expect(fake.sent().map(({ userId, subject, content }) => [userId, subject, content])).toEqual(
      ['u1', 'u2', 'u3'].map((userId) => [userId, 'gameye_failed', { reason: 'unavailable' }]),
    );
    expect(standing(call, 'u1')).toEqual({ state: 'failed', reason: 'unavailable' });
    expect(instanceIn(fake)).toBeUndefined();
    supervise(2000);
    expect(ends).toMatchObject([{ id: 's1#end', reason: 'silent' }]);
    expect(fake.log.map(({ message }) => message)).toEqual(
      expect.arrayContaining(['Gameye: a game server is silent; its session is stopped.']),
    );
  });

  it.each<[string, () => unknown]>([
    ['a heartbeat', () => rpc('gameye_server_heartbeat')],
    ['players who came', () => rpc('gameye_server_join', { user_ids: ['5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6'] })],
    ['players who left', () => rpc('gameye_server_leave', { user_ids: ['5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6'] })],
    ['a count', () => rpc('update_instance_info', { player_count: 1 })],
    ['a result', () => rpc('gameye_server_result', { result: {} })],
    ['that it closes its session', () => rpc('gameye_server_backfill', { open: false })],
    ['that it is ready', () => rpc('gameye_server_ready')],
  ])('goes on when it reports again in time: %s', (_what, report) => {
    live();
    wait(2 * TIMEOUT - 1);
    report();
    wait(TIMEOUT - 1001);
    supervise(0);
    expect([takes(), stops(), instanceIn(fake)?.status]).toEqual(['taken', 0, 'running']);
  });

  it('is left alone where no time-out is set, and when it never reported', () => {
    putInstance(fake, {}, { u1: 'joined' });
    wait(100 * TIMEOUT);
    supervise(5000);
    expect([stops(), takes()]).toEqual([0, 'taken']);
    hearServer(fake.nk, FLEET, 's1', { ofMode: { other: 1 }, others: null });
    wait(100 * TIMEOUT);
    supervise(5000);
    expect(stops()).toBe(0);
  });

  it('is not stopped by a report that is refused, nor kept alive by one', () => {
    live();
    wait(TIMEOUT);
    expect(refusal(() => rpc('update_instance_info', { player_count: 9999 })).code).toBe(3);
    expect(takes()).toBe('closed');
  });

  it('is not stopped while its session is still being started, nor in another fleet', () => {
    putInstance(fake, { status: 'starting' });
    putInstance(fake, { id: 's2' });
    fake.query(`UPDATE gameye_instance SET fleet = 'ranked' WHERE id = 's2'`);
    fake.query(`UPDATE gameye_instance SET silent_at = now(), dead_at = now()`);
    wait(1);
    expect(endSilent(fake.nk, FLEET)).toEqual([]);
  });

  it('is stopped later when the Session API does not answer, and its players are told once', () => {
    live();
    wait(2 * TIMEOUT);
    gameye = () => answer(503, {});
    supervise(5000);
    expect([stops(), fake.sent().length, instanceIn(fake)?.status]).toEqual([1, 2, 'draining']);
    gameye = () => answer(204, {});
    supervise(25_000);
    expect([stops(), fake.sent().length, instanceIn(fake)]).toEqual([2, 2, undefined]);
  });

  it('may be silent for as long as its mode says', () => {
    const own = { ...call, config: configWith({ ...variables, GAMEYE_MODES: '{"duel": {"server_timeout": "10s"}}' }) };
    putInstance(fake);
    putInstance(fake, { id: 's2' });
    fake.query(`UPDATE gameye_instance SET mode = 'duel' WHERE id = 's2'`);
    hear(own, 's1');
    hear(own, 's2');
    const takesIn = (id: string): string => takeSeats(fake.nk, FLEET, id, ['u3'], TIMEOUT).kind;
    wait(10_000);
    expect([takesIn('s2'), takesIn('s1')]).toEqual(['closed', 'taken']);
    wait(10_000);
    expect(endSilent(fake.nk, FLEET).map(({ id }) => id)).toEqual(['s2']);
    // Reports are stored as often as the mode with the shortest time needs it.
    const { shortest, without } = { shortest: shortestSilence(own.config), without: shortestSilence(configWith()) };
    expect([shortest, without]).toEqual([10_000, undefined]);
  });

  it('is stopped by one node only', () => {
    live();
    wait(2 * TIMEOUT);
    const other = fakeNakama(fake).nk;
    expect([endSilent(fake.nk, FLEET).length, endSilent(other, FLEET).length]).toEqual([1, 0]);
    expect([claimEnd(fake.nk, FLEET, 1000)?.id, claimEnd(other, FLEET, 1000)]).toEqual(['s1', undefined]);
  });
});

describe('a heartbeat', () => {
  it('is stored four times within the time-out at most, however many there are', () => {
    putInstance(fake);
    for (let ms = 0; ms < TIMEOUT; ms += 500) {
      rpc('gameye_server_heartbeat');
      wait(500);
    }
    expect(writes()).toBe(4);
  });
  it('is taken from a session that is being started, and refused with code 5 from one that nobody knows', () => {
    expect(refusal(() => rpc('gameye_server_heartbeat')).code).toBe(5);
    putAllocation(fake, {}, { state: 'starting' }, 's1');
    expect(rpc('gameye_server_heartbeat')).toEqual({});
    // The first one that its record can keep is kept.
    putInstance(fake);
    rpc('gameye_server_heartbeat');
    wait(TIMEOUT);
    expect(instanceIn(fake)?.status).toBe('running');
    expect(takeSeats(fake.nk, FLEET, 's1', ['u1'], TIMEOUT).kind).toBe('closed');
  });
});

describe('a session whose game server says that it ends', () => {
  const end = (): object => remove(call, 's1', 'server');

  it('is over for its players and for onEnded at once, and is stopped later when the Session API did not answer', () => {
    const ends: SessionEnd[] = [];
    configure({ onEnded: (_ctx, _logger, _nk, one) => void ends.push(one) });
    putInstance(fake, { max_players: 3 }, { u1: 'joined' });
    arrive(fake.nk, FLEET, 's1', ['u2']);
    gameye = () => answer(503, {});
    expect(refusal(end).code).toBe(14);
    expect(standing(call, 'u1')).toEqual({ state: 'none' });
    expect(takeSeats(fake.nk, FLEET, 's1', ['u3'], null).kind).toBe('closed');
    // An operator who opens all sessions again does not mean this one.
    drain(call, {}, true);
    // It can still be read, and report.
    expect(instanceIn(fake)).toMatchObject({ status: 'draining', player_count: 2 });
    expect(rpc('gameye_server_result', { result: { late: true } })).toEqual({ id: 's1', stored: true });
    supervise(15_000);
    expect([stops(), ends]).toEqual([1, []]);
    gameye = () => answer(204, {});
    supervise(8000);
    expect(ends).toMatchObject([{ reason: 'server', user_ids: ['u1', 'u2'], results: [{ id: 's1' }] }]);
    expect([seatOf(fake, 'u1')?.['state'], fake.sent()]).toEqual(['left', []]);
  });

  it('of which nobody was told yet is cancelled, and onEnded hears nothing', () => {
    const ends: SessionEnd[] = [];
    configure({ onEnded: (_ctx, _logger, _nk, one) => void ends.push(one) });
    putInstance(fake, { status: 'starting' });
    end();
    supervise(2000);
    expect([instanceIn(fake), ends]).toEqual([undefined, []]);
  });

  it('is over for the reason that its game server gave, whoever notices', () => {
    const ends: SessionEnd[] = [];
    configure({ onEnded: (_ctx, _logger, _nk, one) => void ends.push(one) });
    putInstance(fake);
    gameye = () => answer(503, {});
    refusal(end);
    gameye = () => answer(204, {});
    remove(call, 's1', 'deleted');
    supervise(2000);
    expect(ends).toMatchObject([{ reason: 'server' }]);
  });
});
