import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newAllocation } from '../../src/allocation/create';
import type { Config } from '../../src/config';
import { markReady } from '../../src/database/allocations';
import { leaveSeats } from '../../src/database/seats';
import { compareSessions } from '../../src/database/reconcile';
import { changeOrders } from '../../src/allocation/orders';
import { cancelPending } from '../../src/allocation/pending';
import { fleetStatus } from '../../src/operations/status';
import { keepWarm } from '../../src/supervision/warm';
import type { Call } from '../../src/nakama/caller';
import type { AllocationRequest } from '../../src/records';
import { loopAllocator, type AllocatorState } from '../../src/worker/allocator';
import { loopSupervisor } from '../../src/worker/supervisor';
import { configWith } from './support/config';
import { CALM, ModelGameye, type Turn } from './support/gameye';
import { context, fakeNakama, goError, type FakeNakama } from './support/nakama';
import { FLEET } from './support/records';

const MINUTE = 60_000;
const NOON = Date.parse('2026-01-05T12:00:00Z');
/** Who ordered it, which these tests are not about. */
const NOTED = { fleet: FLEET, change: 'version', node: 'n1', client_ip: '', meant: {} };
const MODES = { duel: { max_players: 2, warm: 3, regions: ['eu', 'us'] } };

let fake: FakeNakama;
let api: ModelGameye;
let turn: Turn;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOON });
  fake = fakeNakama();
  turn = CALM;
  api = new ModelGameye({ now: Date.now, pass: wait }, () => ({ ...turn, ms: 0 }));
  api.capacity = 100;
  fake.http = (request) => api.handle(request);
});
afterEach(() => void vi.useRealTimers());

function wait(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}
const withModes = (modes: object, more: { [variable: string]: string } = {}): Config =>
  configWith({ GAMEYE_MODES: JSON.stringify(modes), GAMEYE_NAKAMA_URL: 'http://nakama:7350', ...more });
const callOf = (config: Config, on = fake): Call => ({
  ctx: context({ matchId: 'm1.n1' }),
  ...{ logger: on.logger, nk: on.nk, config },
});

/** Runs the workers that were started meanwhile to their end. */
function work(call: Call, on = fake): void {
  const matches = on.events.flatMap((event) =>
    event.kind === 'match' ? [event.params as { allocation: string }] : [],
  );
  on.events.length = 0;
  for (const params of matches) {
    let state: AllocatorState | undefined = { wake_at_ms: 0, ...params };
    for (let ticks = 0; state && ticks < 2000; ticks++) {
      wait(Math.max(20, state.wake_at_ms - Date.now()));
      state = loopAllocator(call, JSON.parse(JSON.stringify(state)) as AllocatorState);
    }
  }
}

/** A tick of the supervisor, ten seconds after the last one, and what it started. */
function supervise(call: Call, on = fake): void {
  on.nk.localcachePut('gameye_supervisor', 'm1.n1');
  loopSupervisor(call, { supervisor: true });
  work(call, on);
}

/** A pass of the buffer, and what it started. */
function pass(call: Call): void {
  keepWarm(call);
  work(call);
}

/** A matched group, to its end: where it plays. */
function match(call: Call, more: Partial<AllocationRequest> = {}): { id: string; posts: number } {
  const user_ids = [`u${Math.random()}`, `u${Math.random()}`];
  const posts = api.asked.size;
  const request = { user_ids, max_players: 2, latencies: [], metadata: {}, mode: 'duel', ...more };
  const allocation = JSON.stringify(newAllocation(call, request));
  fake.events.push({ kind: 'match', module: 'm', params: { allocation } });
  work(call);
  const [row] = fake.query<{ session_id: string }>('SELECT session_id FROM gameye_seat WHERE user_id = $1', [
    user_ids[0],
  ]);
  return { id: row?.session_id ?? '', posts: api.asked.size - posts };
}

const warmRows = (): { id: string; region: string; status: string; version: string }[] =>
  fake.query('SELECT id, region, status, version FROM gameye_instance WHERE warm IS NOT NULL ORDER BY create_time, id');
const ready = (region = 'eu'): number =>
  warmRows().filter((row) => row.region === region && row.status === 'running').length;
const started = (): number => api.asked.size;

describe('the buffer of warm sessions', () => {
  it('starts as many sessions for nobody as a mode wants in each of its regions, and no more', () => {
    const call = callOf(withModes(MODES));
    pass(call);
    expect([ready('eu'), ready('us'), started()]).toEqual([3, 3, 6]);
    for (let i = 0; i < 3; i++) pass(call);
    expect(started()).toBe(6);
  });

  it('gives a session to a match at once, alone and with room for nobody else, and starts another', () => {
    const call = callOf(withModes(MODES));
    pass(call);
    const played = match(call);
    expect(played.posts).toBe(0);
    expect(
      fake.query('SELECT warm, pool, region, player_count FROM gameye_instance WHERE id = $1', [played.id]),
    ).toEqual([{ warm: null, pool: null, region: 'eu', player_count: 2 }]);
    expect(ready()).toBe(2);
    pass(call);
    expect([ready(), started()]).toEqual([3, 7]);
    expect(match(call).id).not.toBe(played.id);
  });

  it('is searched in the order of the regions of the group', () => {
    const call = callOf(withModes(MODES));
    pass(call);
    const { id } = match(call, { regions: ['us', 'eu'] });
    expect(fake.query('SELECT region FROM gameye_instance WHERE id = $1', [id])).toEqual([{ region: 'us' }]);
  });

  it('leads to an ordinary start when it is empty', () => {
    const call = callOf(withModes(MODES));
    expect(match(call).posts).toBe(1);
    expect(match(call, { mode: 'duel', regions: ['asia'] }).posts).toBe(1);
  });

  it.each<[string, Partial<AllocationRequest>]>([
    ['metadata', { metadata: { map: 'docks' } }],
    ['environment', { metadata: { 'gameye.env': { A: '1' } } }],
    ['settings', { settings: { args: ['--map'] } }],
    ['version', { version: '9.9' }],
    ['number of seats', { max_players: 4 }],
    ['mode', { mode: '' }],
  ])('is not used for a match with its own %s', (_what, more) => {
    const call = callOf(withModes(MODES));
    pass(call);
    expect(match(call, more).posts).toBe(1);
    expect(ready()).toBe(3);
  });

  it('is part of the pool with backfill: the first group takes a session, the second is seated there', () => {
    const call = callOf(withModes({ duel: { ...MODES.duel, max_players: 4, backfill: true } }));
    pass(call);
    const first = match(call, { max_players: 4 });
    const second = match(call, { max_players: 4 });
    expect([first.posts, second.posts, second.id === first.id]).toEqual([0, 0, true]);
    expect(ready()).toBe(2);
  });

  it('also serves a match of such a mode that wants to be alone', () => {
    const call = callOf(withModes({ duel: { ...MODES.duel, max_players: 4, backfill: true } }));
    pass(call);
    const alone = match(call, { max_players: 4, backfill: false });
    expect(alone.posts).toBe(0);
    expect(match(call, { max_players: 4 }).id).not.toBe(alone.id);
  });

  it('closes sessions beyond the wanted number when that falls, and lets the reconciler stop them', () => {
    const call = callOf(withModes(MODES));
    pass(call);
    const { id } = match(call);
    pass(callOf(withModes({ duel: { ...MODES.duel, warm: 1 } })));
    expect([ready('eu'), ready('us')]).toEqual([1, 1]);
    const { stops } = compareSessions(fake.nk, {
      ...{ fleet: FLEET, owner: 'o', listing: undefined, strays: {}, grace_ms: MINUTE, horizon_ms: 1000, most: 100 },
    });
    expect(stops.map(({ reason }) => reason)).toEqual(['drained', 'drained', 'drained']);
    expect(stops.map((one) => one.id)).not.toContain(id);
  });

  it('closes all sessions of a mode that is gone, at the latest after ten seconds', () => {
    const call = callOf(withModes(MODES));
    pass(call);
    supervise(callOf(withModes({})));
    expect([ready('eu'), ready('us')]).toEqual([0, 0]);
  });

  it('follows the time of day', () => {
    const warm = [{ from: '12:00', to: '13:00', sessions: 2 }];
    const call = callOf(withModes({ duel: { ...MODES.duel, warm } }));
    pass(call);
    expect(ready()).toBe(2);
    vi.setSystemTime(NOON + 60 * MINUTE);
    pass(call);
    expect(ready()).toBe(0);
  });

  it('is replaced when another version comes into force, and gives the old one to nobody', () => {
    const config = withModes(MODES, { GAMEYE_API_IMAGE_VERSION: '1.0' });
    const call = callOf(config);
    pass(call);
    const duel = { image: 'my-game', version: '2.0', set_at: '' };
    changeOrders(fake.nk, config, NOTED, ({ regions }) => ({ regions, versions: { duel } }));
    expect(match(call).posts).toBe(1);
    pass(call);
    expect([ready(), new Set(warmRows().map((one) => `${one.version} ${one.status}`))]).toEqual([
      3,
      new Set(['1.0 draining', '2.0 running']),
    ]);
    expect(match(call).posts).toBe(0);
  });

  it('replaces a session before it is too old to be given away, and has the same number all the time', () => {
    const call = callOf(withModes({ duel: { ...MODES.duel, ttl: '30m' } }));
    pass(call);
    const first = warmRows().map(({ id }) => id);
    wait(24 * MINUTE);
    pass(call);
    expect(ready()).toBe(6);
    pass(call);
    expect([ready(), started()]).toEqual([3, 12]);
    expect(first).not.toContain(match(call).id);
    wait(MINUTE);
    pass(call);
    expect(ready()).toBe(3);
  });

  it('gives nobody a session that ends soon, also when no successor could be started', () => {
    const call = callOf(withModes(MODES));
    pass(call);
    wait(26 * MINUTE);
    expect(match(call).posts).toBe(1);
  });

  it('stays within the limits of sessions', () => {
    const limited = callOf(withModes({ duel: { ...MODES.duel, max_sessions: 4 } }));
    pass(limited);
    expect(started()).toBe(4);
    pass(limited);
    expect(started()).toBe(4);
    expect(match(limited).posts).toBe(0);
    pass(limited);
    expect(started()).toBe(4);
  });

  it('asks for no session for half a minute after a start that failed, and then asks again', () => {
    const call = callOf(withModes({ duel: { ...MODES.duel, regions: ['eu'] } }));
    turn = { ...CALM, fault: 'unauthorized' };
    pass(call);
    expect(started()).toBe(3);
    for (let i = 0; i < 20; i++, wait(1000)) pass(call);
    expect(started()).toBe(3);
    turn = CALM;
    wait(31_000);
    supervise(call);
    supervise(call);
    expect(ready()).toBe(3);
  });

  it('starts nothing more while an answer is lost, until it is known what runs', () => {
    const call = callOf(withModes({ duel: { ...MODES.duel, regions: ['eu'] } }));
    turn = { ...CALM, fault: 'reply-lost' };
    keepWarm(call);
    pass(call);
    turn = CALM;
    for (let i = 0; i < 40; i++, wait(3000)) supervise(call);
    expect([ready(), api.running().length]).toEqual([3, 3]);
  });

  it('is filled once when its node dies in between', () => {
    const call = callOf(withModes({ duel: { ...MODES.duel, regions: ['eu'] } }));
    keepWarm(call);
    fake.events.length = 0; // With all of its workers.
    const other = fakeNakama(fake);
    other.http = (request) => api.handle(request);
    const beside = callOf(call.config, other);
    for (let i = 0; i < 30; i++, wait(1000)) supervise(beside, other);
    expect([ready(), started()]).toEqual([3, 3]);
  });

  it('is kept by one node at a time', () => {
    const call = callOf(withModes(MODES));
    keepWarm(call);
    const other = fakeNakama(fake);
    const before = other.events.length;
    keepWarm(callOf(call.config, other));
    expect(other.events.slice(before)).toHaveLength(1);
  });

  it('keeps its sessions from being stopped as empty, also when their game servers report', () => {
    const call = callOf(withModes(MODES));
    pass(call);
    wait(10 * MINUTE);
    const { stops } = compareSessions(fake.nk, {
      ...{ fleet: FLEET, owner: 'o', listing: undefined, strays: {}, grace_ms: 1, horizon_ms: 1000, most: 100 },
    });
    expect(stops).toEqual([]);
  });

  it('does not count a session any more whose players went away: it ends like any other', () => {
    const call = callOf(withModes(MODES));
    pass(call);
    const { id } = match(call);
    const players = fake.query<{ user_id: string }>('SELECT user_id FROM gameye_seat WHERE session_id = $1', [id]);
    leaveSeats(
      fake.nk,
      FLEET,
      id,
      players.map((one) => one.user_id),
    );
    expect(warmRows().map((one) => one.id)).not.toContain(id);
    expect(match(call).id).not.toBe(id);
  });

  it('gives nobody a session whose game server is not ready, where that is waited for', () => {
    const call = callOf(withModes({ duel: { ...MODES.duel, regions: ['eu'], warm: 1, ready: 'server' } }));
    keepWarm(call);
    const [first] = fake.events.flatMap((event) => (event.kind === 'match' ? [event.params as object] : []));
    let state: AllocatorState | undefined = { wake_at_ms: 0, ...(first as { allocation: string }) };
    const ticks = (count: number): void => {
      for (let i = 0; state && i < count; i++, wait(300)) state = loopAllocator(call, state);
    };
    ticks(5);
    expect(warmRows().map(({ status }) => status)).toEqual(['starting']);
    keepWarm(call);
    expect(fake.events.filter((event) => event.kind === 'match')).toHaveLength(1);
    markReady(fake.nk, FLEET, warmRows()[0]!.id);
    ticks(5);
    expect([ready(), match(call).posts]).toEqual([1, 0]);
  });

  it('replaces a session that was cancelled while it started', () => {
    const call = callOf(withModes({ duel: { ...MODES.duel, regions: ['eu'] } }));
    keepWarm(call);
    const [one] = fake.query<{ id: string }>('SELECT id FROM gameye_allocation LIMIT 1');
    cancelPending(call, one!.id);
    work(call);
    expect(ready()).toBe(2);
    wait(31_000);
    supervise(call);
    supervise(call);
    expect(ready()).toBe(3);
  });

  it('goes on when no worker can be started: a supervisor finds the allocation', () => {
    const call = callOf(withModes({ duel: { ...MODES.duel, regions: ['eu'] } }));
    fake.before = (event) => {
      if (event.kind === 'match') throw goError('no match');
    };
    keepWarm(call);
    fake.before = () => undefined;
    fake.events.length = 0;
    wait(6000);
    supervise(call);
    expect([ready(), started()]).toEqual([3, 3]);
  });

  it('never puts a secret into a statement', () => {
    keepWarm(callOf(withModes(MODES)));
    const values = JSON.stringify(fake.events.flatMap((event) => (event.kind === 'sql' ? [event.values] : [])));
    expect(values).not.toContain('tok-3f9c1d');
  });

  it('shows in gameye_status how many sessions are wanted and there, by mode and region', () => {
    const call = callOf(withModes(MODES));
    pass(call);
    match(call);
    expect(fleetStatus(call, 100).warm).toEqual([
      { mode: 'duel', region: 'eu', wanted: 3, ready: 2, starting: 0 },
      { mode: 'duel', region: 'us', wanted: 3, ready: 3, starting: 0 },
    ]);
  });
});
