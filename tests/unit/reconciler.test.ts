import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { noteStarted } from '../../src/allocation/account';
import type { Call } from '../../src/nakama/caller';
import type { HttpResponse } from '../../src/nakama/runtime';
import { fleetStatus } from '../../src/operations/status';
import { ensureReconciler } from '../../src/supervision/heartbeat';
import { loopReconciler, type ReconcilerState } from '../../src/supervision/reconciler';
import type { Instance } from '../../src/records';
import { configWith } from './support/config';
import { answer } from './support/gameye';
import { context, DATABASE_GONE, fakeNakama, goError, type FakeNakama } from './support/nakama';
import { isListing, listed, MINUTE, ModelSessions, NOW, store, type RecordLike } from './support/reconcile';
import { FLEET, instanceIn, putAllocation, rowsIn, seatOf } from './support/records';

let fake: FakeNakama;
let call: Call;
let api: ModelSessions;
let state: Partial<ReconcilerState> & { reconciler: true };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW });
  fake = fakeNakama();
  fake.nk.localcachePut('gameye_reconciler', '', 1e6);
  call = { ctx: context({ matchId: 'm1.n1', node: 'n1' }), logger: fake.logger, nk: fake.nk, config: configWith() };
  api = new ModelSessions();
  state = { reconciler: true };
  fake.http = (request) => api.handle(request);
});
afterEach(() => void vi.useRealTimers());

const wait = (ms: number): void => void vi.setSystemTime(Date.now() + ms);

/** Ticks for so long, once in `step` milliseconds. */
function pass(ms: number, step = 1000): void {
  for (let left = ms; left > 0; left -= step) {
    wait(step);
    const next = loopReconciler(call, JSON.parse(JSON.stringify(state)) as typeof state);
    if (!next) throw new Error('the reconciler ended');
    state = next;
  }
}

/** A session that runs and has its record, with a player in it. */
function both(id: string, more: RecordLike = {}): void {
  api.run(id);
  store(fake, id, more);
}

const instance = (id: string): Instance | undefined => instanceIn(fake, id);
const asked = (what: string): number =>
  fake.requests.filter(({ method, url }) => `${method} ${url}`.replace('http://gameye.test', '').startsWith(what))
    .length;
const left = (since: number): RecordLike => ({ players: 0, visited: true, emptySince: since });
const warnings = (): string[] => fake.log.filter(({ level }) => level === 'warn').map(({ message }) => message);
/** What was written of a record, in any column. */
const written = (): unknown => fake.query('SELECT xmin::text, id FROM gameye_instance ORDER BY id');

describe('the reconciler', () => {
  it('writes no record, and asks for nothing but the list, when nothing changed', () => {
    for (const id of ['a', 'b', 'c']) both(id);
    const before = written();
    pass(10 * MINUTE);
    expect(asked('get /session?filter%5Bnakama_owner%5D=owner-1')).toBe(5);
    expect(fake.requests).toHaveLength(5);
    expect(written()).toEqual(before);
  });

  it('puts no secret of a container, and not the API token, into a statement, however they are listed', () => {
    both('a');
    const env = { SEAT_SECRET: 'seat-secret-1', NAKAMA_SERVER_TOKEN: 'server-token-1' };
    const forms = [JSON.stringify(env), env, [env], null];
    api.lie = (request) => {
      if (!isListing(request)) return undefined;
      const [entry] = api.entries();
      const more = { note: call.config.apiToken, env: forms.shift() };
      return answer(200, { sessions: [{ ...entry, labels: { ...(entry?.['labels'] as object), ...more } }] });
    };
    pass(8 * MINUTE);
    expect(forms).toEqual([]);
    const bound = JSON.stringify(fake.events.flatMap((event) => (event.kind === 'sql' ? event.values : [])));
    expect(bound).toContain('sessions');
    for (const secret of [...Object.values(env), call.config.apiToken]) expect(bound).not.toContain(secret);
    expect(fleetStatus(call, 10).reconcile).not.toHaveProperty('distrust');
  });

  it('shows operators what it found', () => {
    for (const id of ['a', 'b']) both(id);
    api.run('stray');
    pass(2000);
    const { reconcile } = fleetStatus(call, 10);
    expect(reconcile).toMatchObject({ at_ms: NOW + 1000, node: 'n1', records: 2, sessions: 3, strays: 1, tasks: 1 });
    expect(reconcile).not.toHaveProperty('distrust');
  });

  it('stops a session that all have left, once the grace is over, and forgets it', () => {
    both('a');
    both('b', left(NOW));
    pass(59_000);
    expect(api.running.has('b')).toBe(true);
    pass(3000);
    expect([...api.running.keys()]).toEqual(['a']);
    expect(instance('b')).toBeUndefined();
    const fields = { session: 'b', region: 'eu', reason: 'empty' };
    expect(fake.log).toContainEqual({ level: 'info', message: 'Gameye: a session was stopped.', fields });
  });

  it('leaves a session alone that somebody joined before its end came', () => {
    both('b', left(NOW));
    pass(10_000);
    fake.query(`UPDATE gameye_instance SET joined = 1, player_count = 1, open_seats = 3, empty_since = NULL`);
    pass(5 * MINUTE);
    expect(asked('delete')).toBe(0);
    expect(instance('b')?.status).toBe('running');
  });

  it('closes a session before it stops that, so that nobody gets a seat in it', () => {
    for (const id of ['b', 'c']) both(id, left(NOW - 5 * MINUTE));
    const statuses: unknown[] = [];
    api.lie = ({ method }) => {
      if (method === 'delete') statuses.push(instance('b')?.status, instance('c')?.status);
      return undefined;
    };
    pass(5000);
    expect(statuses.slice(0, 2)).toEqual(['draining', 'draining']);
    expect(rowsIn(fake, 'instance')).toBe(0);
  });

  it('stops a session at last when the answer to the stop was lost', () => {
    both('b', left(NOW - 5 * MINUTE));
    let lost = 0;
    api.lie = ({ method }) => {
      if (method !== 'delete' || lost++ > 0) return undefined;
      api.running.delete('b');
      throw goError('HTTP request error: Delete "http://gameye.test/session/b": EOF');
    };
    pass(30_000);
    expect(asked('delete')).toBe(2);
    expect(instance('b')).toBeUndefined();
  });

  it('removes the record of an ended session when the API says so of that session alone, and frees its players', () => {
    both('a');
    store(fake, 'b');
    fake.query(`INSERT INTO gameye_seat (user_id, state, session_id) VALUES ('u1', 'joined', 'b')`);
    pass(5000);
    expect(asked('get /session/b')).toBe(1);
    expect(instance('b')).toBeUndefined();
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'left', session_id: '' });
  });

  it('stops a stray after the grace, counted from when it was first seen', () => {
    both('a');
    api.run('stray');
    pass(55_000);
    expect(api.running.has('stray')).toBe(true);
    pass(10_000);
    expect([...api.running.keys()]).toEqual(['a']);
  });

  it('remembers a stray when another node goes on', () => {
    both('a');
    api.run('stray');
    pass(30_000);
    state = { reconciler: true };
    call = { ...call, ctx: context({ matchId: 'm2.n2', node: 'n2' }) };
    fake.nk.localcachePut('gameye_reconciler', 'm2.n2', 1e6);
    wait(25_000);
    pass(15_000);
    expect(api.running.has('stray')).toBe(false);
  });

  it('gives a session with players its record back', () => {
    api.run('a', { players: ['u1', 'u2'] });
    pass(5000);
    expect(instance('a')).toMatchObject({ player_count: 2, seats: { u1: { state: 'joined' } }, region: 'eu' });
  });

  it('leaves alone what is being started, given up, of another fleet or of another deployment', () => {
    putAllocation(fake, {}, { session_id: 'second', abandoned: [{ session_id: 'old', since_ms: NOW }] }, 'first');
    for (const id of ['first', 'second', 'old']) api.run(id);
    api.run('theirs', { tags: { nakama_fleet: FLEET, nakama_owner: 'somebody else' } });
    api.run('ranked', { tags: { nakama_fleet: 'ranked', nakama_owner: 'owner-1' } });
    pass(10 * MINUTE);
    expect(asked('delete')).toBe(0);
    expect(api.running.size).toBe(5);
  });

  it('leaves a stray alone that turns out to be of another fleet, whatever its labels say beside', () => {
    api.run('ranked', { tags: { nakama_fleet: 'ranked', nakama_owner: 'owner-1', map: 'default' } });
    pass(10 * MINUTE);
    expect(asked('get /session/ranked')).toBeGreaterThan(0);
    expect(asked('delete')).toBe(0);
  });

  it('leaves a stray alone that became an allocation’s before its end came', () => {
    api.run('stray');
    pass(30_000);
    putAllocation(fake, {}, { session_id: 'stray' }, 'first');
    pass(5 * MINUTE);
    expect(asked('delete')).toBe(0);
  });

  it('repairs many records in one statement', () => {
    for (let i = 0; i < 120; i++) {
      api.run(`s${i}`, { status: 'restarting' });
      store(fake, `s${i}`);
    }
    pass(3000);
    const updates = fake.events.filter(
      (event) => event.kind === 'sql' && event.statement.includes('UPDATE gameye_instance'),
    );
    expect(updates).toHaveLength(1);
    expect(instance('s119')?.status).toBe('restarting');
    expect(fake.requests).toHaveLength(1);
  });

  it('finishes what is beyond one plan without waiting for the next interval', () => {
    for (let i = 0; i < 600; i++) {
      api.run(`s${i}`, { status: 'restarting' });
      store(fake, `s${i}`);
    }
    pass(10_000);
    expect(fake.query(`SELECT count(*) AS n FROM gameye_instance WHERE status = 'restarting'`)).toEqual([{ n: 600 }]);
  });
});

describe('a wrong list of the Session API', () => {
  const fill = (count: number): void => Array.from({ length: count }, (_, i) => `s${i}`).forEach((id) => both(id));

  it.each<[string, () => HttpResponse]>([
    ['fails', () => answer(500, {})],
    ['is a page of a login', () => ({ code: 200, headers: {}, body: '<html>' })],
    ['is cut off', () => ({ code: 200, headers: {}, body: '{"sessions":[{"id":"s1","stat' })],
    ['is empty', () => ({ code: 200, headers: {}, body: '' })],
    ['has no sessions', () => answer(200, { items: [] })],
    ['is forbidden', () => answer(403, {})],
  ])('%s: no record changes, and it is asked for again soon', (_how, reply) => {
    fill(5);
    const before = written();
    api.lie = (request) => (isListing(request) ? reply() : undefined);
    pass(30_000);
    expect(written()).toEqual(before);
    expect(asked('get /session?')).toBeGreaterThanOrEqual(2);
    expect(warnings()).not.toEqual([]);
    expect(fleetStatus(call, 10).reconcile).toMatchObject({ distrust: 'failed' });
    api.lie = undefined;
    api.running.delete('s0');
    pass(20_000);
    expect(instance('s0')).toBeUndefined();
  });

  it('is one that the database does not compare: what is due is stopped all the same', () => {
    fill(2);
    both('idle', left(NOW - 5 * MINUTE));
    fake.before = (event) => {
      if (event.kind === 'sql' && event.values.some((value) => String(value).startsWith('{"sessions"'))) {
        throw goError('failed to exec db query: canceling statement due to statement timeout (SQLSTATE 57014)');
      }
    };
    pass(5000);
    expect([...api.running.keys()]).toEqual(['s0', 's1']);
    expect(fleetStatus(call, 10).reconcile).toMatchObject({ distrust: 'records_unread', records: 3 });
  });

  it('has values that are nested too deeply: the next list is compared all the same', () => {
    fill(2);
    const nested = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    api.lie = (request) => {
      if (!isListing(request)) return undefined;
      const body = JSON.stringify({ sessions: [...api.entries(), { ...listed('odd'), more: 'X' }] });
      return { code: 200, headers: {}, body: body.replace('"X"', nested) };
    };
    api.running.delete('s0');
    pass(5000);
    expect(fleetStatus(call, 10).reconcile).toMatchObject({ distrust: 'failed' });
    pass(15_000);
    expect(fleetStatus(call, 10).reconcile).toMatchObject({ sessions: 2, strays: 1 });
    expect(instance('s0')).toBeUndefined();
  });

  it('is empty, as with the token of another account: no record goes, but nobody is sent there', () => {
    fill(5);
    api.running.clear();
    pass(30 * MINUTE);
    expect(rowsIn(fake, 'instance')).toBe(5);
    expect(instance('s0')?.status).toBe('lost');
    for (let i = 0; i < 5; i++) api.run(`s${i}`);
    pass(3 * MINUTE);
    expect(instance('s0')?.status).toBe('running');
  });

  it('is empty with a token that is of another account since the last list: no record goes', () => {
    fill(3);
    pass(5000);
    call = { ...call, config: configWith({ GAMEYE_API_TOKEN: 'another' }) };
    api.running.clear();
    pass(30 * MINUTE);
    expect(rowsIn(fake, 'instance')).toBe(3);
  });

  it('is empty, and each session is over: the records go with the end of their ttl', () => {
    for (let i = 0; i < 5; i++) store(fake, `s${i}`, { expiresAt: NOW + 30 * MINUTE });
    pass(30 * MINUTE);
    expect(rowsIn(fake, 'instance')).toBe(5);
    pass(5 * MINUTE);
    expect(rowsIn(fake, 'instance')).toBe(0);
  });

  it('is empty, of an account that has shown our sessions: the records go when none is found alone twice', () => {
    fill(3);
    pass(5000);
    api.running.clear();
    pass(2 * MINUTE);
    expect(instance('s0')?.status).toBe('lost');
    pass(2 * MINUTE);
    expect(rowsIn(fake, 'instance')).toBe(0);
  });

  it('is empty, and its account has started sessions of ours: they go as well, although no list ever showed them', () => {
    noteStarted(fake.nk);
    store(fake, 'a');
    pass(5000);
    expect(instance('a')?.status).toBe('lost');
    pass(2 * MINUTE);
    expect(instance('a')).toBeUndefined();
  });

  it('is empty while one session is not found for a moment: it takes two looks in a row', () => {
    noteStarted(fake.nk);
    fill(1);
    let denied = 0;
    api.lie = (request) => {
      if (isListing(request)) return answer(200, { sessions: [] });
      return denied++ % 2 === 0 ? answer(404, {}) : undefined;
    };
    pass(20 * MINUTE);
    expect(denied).toBeGreaterThan(4);
    expect(rowsIn(fake, 'instance')).toBe(1);
  });

  it('is stale: one session that runs all the same makes the rest of it worthless', () => {
    fill(12);
    api.run('stray');
    api.lie = (request) => {
      if (!isListing(request)) return undefined;
      const entries = api.entries().filter(({ id }) => id !== 's3');
      return answer(200, { sessions: entries.map((one) => ({ ...one, status: 'restarting' })) });
    };
    pass(5000);
    expect(instance('s3')?.status).toBe('running');
    expect(fake.log).toContainEqual(expect.objectContaining({ level: 'warn', fields: { session: 's3' } }));
    expect(asked('delete')).toBe(0);
  });

  it('is older than a session: the list is believed although that session runs', () => {
    fill(12);
    both('young', { createdAt: NOW - 1000 });
    store(fake, 'gone');
    api.lie = (request) => {
      if (!isListing(request)) return undefined;
      return answer(200, { sessions: api.entries().filter(({ id }) => id !== 'young') });
    };
    pass(30_000);
    expect(asked('get /session/young')).toBe(1);
    expect(instance('gone')).toBeUndefined();
    expect(warnings()).toEqual([]);
  });

  it('shows a session that the API does not know by itself: that is not stopped again and again', () => {
    fill(1);
    api.lie = (request) => {
      const ghost = listed('ghost');
      return isListing(request) ? answer(200, { sessions: [...api.entries(), ghost, ghost] }) : undefined;
    };
    pass(10 * MINUTE);
    expect(asked('delete')).toBe(0);
  });
});

describe('one reconciler over all nodes', () => {
  /** A reconciler of another node, which has a localcache of its own. */
  const other = (): Call => {
    const cache = new Map<string, string>([['gameye_owner', 'owner-1']]);
    const nk = { ...fake.nk, localcacheGet: (key: string) => cache.get(key), localcachePut: () => undefined };
    return { ...call, ctx: context({ matchId: 'm2.n2', node: 'n2' }), nk };
  };
  const tickOther = (before: Partial<ReconcilerState>, there = other()): Partial<ReconcilerState> =>
    loopReconciler(there, { reconciler: true, ...before })!;

  it('works while the others wait', () => {
    pass(2000);
    const before = fake.requests.length;
    let waiting: Partial<ReconcilerState> = {};
    for (let i = 0; i < 200; i++) {
      pass(1000);
      waiting = tickOther(waiting);
    }
    expect(waiting.holds).toBe(false);
    expect(fake.requests.length - before).toBe(1);
  });

  it('works for its own fleet only', () => {
    pass(2000);
    const ranked = { ...other(), config: configWith({ GAMEYE_FLEET: 'ranked' }) };
    expect(tickOther({}, ranked).holds).toBe(true);
    pass(10_000);
    expect(state.holds).toBe(true);
  });

  it('is taken over when it does not renew its lease', () => {
    pass(2000);
    let waiting: Partial<ReconcilerState> = {};
    for (let i = 0; i < 40 && !waiting.holds; i++) {
      wait(1000);
      waiting = tickOther(waiting);
    }
    expect(waiting.holds).toBe(true);
    pass(15_000);
    expect(state.holds).toBe(false);
  });

  it('throws its plan away when another has taken over while it waited for the list', () => {
    store(fake, 'gone');
    api.run('a');
    api.lie = (request) => {
      if (isListing(request)) {
        api.lie = undefined;
        wait(30_000);
        tickOther({});
      }
      return undefined;
    };
    pass(1000);
    expect(state).toMatchObject({ holds: false, tasks: '[]' });
  });

  it('is taken over although the clock of its node was an hour ahead', () => {
    fake.clock = () => Date.now() - 60 * MINUTE;
    vi.setSystemTime(NOW + 60 * MINUTE);
    pass(2000);
    expect(state.holds).toBe(true);
    fake.clock = () => Date.now();
    vi.setSystemTime(NOW + 2000);
    let waiting: Partial<ReconcilerState> = {};
    for (let i = 0; i < 30 && !waiting.holds; i++) {
      wait(1000);
      waiting = tickOther(waiting);
    }
    expect(waiting.holds).toBe(true);
  });

  it('goes on when the clock of its node is put back by an hour', () => {
    both('a');
    pass(2000);
    fake.clock = () => Date.now() + 60 * MINUTE;
    vi.setSystemTime(Date.now() - 60 * MINUTE);
    api.running.delete('a');
    both('b');
    pass(5 * MINUTE);
    expect(rowsIn(fake, 'instance')).toBe(1);
  });

  it('is started once on a node, and ends when another one is there', () => {
    fake.nk.localcachePut('gameye_reconciler', 'm9.n1', 60);
    expect(loopReconciler(call, { reconciler: true })).toBeUndefined();
    ensureReconciler(fake.nk);
    const matches = (): unknown[] => fake.events.filter((event) => event.kind === 'match');
    expect(matches()).toEqual([]);
    wait(61_000);
    ensureReconciler(fake.nk);
    ensureReconciler(fake.nk);
    expect(matches()).toHaveLength(1);
  });

  it('is not replaced while it waits for one answer after the other', () => {
    for (let i = 0; i < 3; i++) both(`s${i}`, left(NOW - 5 * MINUTE));
    api.lie = () => {
      ensureReconciler(fake.nk);
      wait(9000);
      return undefined;
    };
    fake.nk.localcachePut('gameye_reconciler', 'm1.n1', 15);
    pass(60_000);
    expect(fake.events.filter((event) => event.kind === 'match')).toEqual([]);
    expect(rowsIn(fake, 'instance')).toBe(0);
  });

  it('survives a database that fails, and goes on when it is back', () => {
    both('a');
    pass(2000);
    api.running.clear();
    both('c');
    fake.before = (event) => {
      if (event.kind === 'sql') throw goError(DATABASE_GONE);
    };
    pass(3 * MINUTE);
    expect(fake.log).toContainEqual(expect.objectContaining({ level: 'error' }));
    fake.before = () => undefined;
    pass(MINUTE);
    expect(instance('a')).toBeUndefined();
  });
});
