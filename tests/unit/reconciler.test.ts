import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newAllocation } from '../../src/allocation/allocation';
import { newInstance, type Instance } from '../../src/instances/instance';
import type { Seats } from '../../src/instances/seats';
import type { Call } from '../../src/nakama/caller';
import type { HttpResponse } from '../../src/nakama/runtime';
import { ensureReconciler, loopReconciler, type ReconcilerState } from '../../src/supervision/reconciler';
import { configWith } from './support/config';
import { answer } from './support/gameye';
import { ALLOCATIONS, INSTANCES } from './support/life';
import { context, fakeNakama, goError, OWNER, type FakeNakama, type HttpRequest } from './support/nakama';

const T0 = 1_700_000_000_000;
const MINUTE = 60_000;
const config = configWith();

interface ModelSession {
  status: string;
  players: string[];
  owner: string;
}

let fake: FakeNakama;
let call: Call;
let sessions: Map<string, ModelSession>;
/** What is done to one request instead of answering it rightly. */
let lie: ((request: HttpRequest) => HttpResponse | undefined) | undefined;
let state: Partial<ReconcilerState> & { reconciler: true };

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(T0);
  fake = fakeNakama();
  fake.nk.localcachePut('gameye_reconciler', '', 1e6);
  call = { ctx: context({ matchId: 'm1.n1', node: 'n1' }), logger: fake.logger, nk: fake.nk, config };
  sessions = new Map();
  lie = undefined;
  state = { reconciler: true };
  fake.http = (request) => lie?.(request) ?? handle(request);
});
afterEach(() => void vi.useRealTimers());

function describeSession(id: string, { status, players, owner }: ModelSession): object {
  const labels = { tags: JSON.stringify({ nakama_fleet: 'default', nakama_owner: owner }) };
  const where = { host: '1.2.3.4', port: { '7777/udp': 1 }, location: 'eu', image: 'my-game' };
  return { id, status, ...where, created: T0, labels, players: { joined: players, joinedCount: players.length } };
}

function handle({ method, url }: HttpRequest): HttpResponse {
  const [path = ''] = url.replace('http://gameye.test/session', '').split('?');
  if (path === '') {
    const entries = [...sessions].map(([id, one]) => ({
      ...describeSession(id, one),
      playerCount: one.players.length,
    }));
    return answer(200, { sessions: entries });
  }
  const id = path.slice(1);
  const session = sessions.get(id);
  if (!session) return answer(404, { message: 'no such session' });
  if (method === 'delete') sessions.delete(id);
  return method === 'delete' ? { code: 204, headers: {}, body: '' } : answer(200, describeSession(id, session));
}

function run(id: string, more: Partial<ModelSession> = {}): void {
  sessions.set(id, { status: 'running', players: [], owner: OWNER, ...more });
}

function store(id: string, seats: Seats = { u1: { state: 'joined' } }, more: Partial<Instance> = {}): void {
  const session = { id, region: 'eu', maxPlayers: 4, metadata: {}, startedAtMs: T0 - 5 * MINUTE, ttlMs: 60 * MINUTE };
  const made = newInstance(config, session, { host: '1.2.3.4', ports: { '7777/udp': 1 } }, seats)!;
  fake.put(INSTANCES, id, { ...made, ...more });
}

/** Ticks once a second for so long, as Nakama does. */
function pass(ms: number): void {
  for (let left = ms; left > 0; left -= 1000) {
    vi.advanceTimersByTime(1000);
    const next = loopReconciler(call, JSON.parse(JSON.stringify(state)) as typeof state);
    if (!next) throw new Error('the reconciler ended');
    state = next;
  }
}

const instance = (id: string): Instance | undefined => fake.stored(INSTANCES, id) as Instance | undefined;
const asked = (what: string): number =>
  fake.requests.filter(({ method, url }) => `${method} ${url}`.replace('http://gameye.test', '').startsWith(what))
    .length;
const emptySince = (since: number) => ({
  player_count: 0,
  open_seats: 4,
  seats: {},
  empty_since_ms: since,
  visited: true as const,
});

describe('the reconciler', () => {
  it('writes no record, and asks for nothing but the list, when nothing changed', () => {
    for (const id of ['a', 'b', 'c']) {
      run(id);
      store(id);
    }
    pass(10 * MINUTE);
    expect(asked('get /session?filter%5Bnakama_owner%5D=owner-1')).toBe(5);
    expect(fake.requests).toHaveLength(5);
    const written = fake.events.flatMap((event) => (event.kind === 'write' ? event.keys : []));
    expect(new Set(written)).toEqual(new Set(['_gameye_control/reconcile']));
  });

  it('stops a session that all have left, once the grace is over, and forgets it', () => {
    run('a');
    run('b');
    store('a');
    store('b', {}, emptySince(T0));
    pass(59_000);
    expect(sessions.has('b')).toBe(true);
    pass(3000);
    expect([...sessions.keys()]).toEqual(['a']);
    expect(instance('b')).toBeUndefined();
    expect(fake.log).toContainEqual(
      expect.objectContaining({
        message: 'Gameye: a session was stopped.',
        fields: { session: 'b', region: 'eu', reason: 'empty' },
      }),
    );
  });

  it('leaves a session alone that somebody joined before its end came', () => {
    run('b');
    store('b', {}, emptySince(T0));
    pass(10_000);
    store('b', { u9: { state: 'joined' } });
    pass(5 * MINUTE);
    expect(asked('delete')).toBe(0);
    expect(instance('b')?.status).toBe('running');
  });

  it('closes the door before it stops a session, so that nobody gets a seat in it', () => {
    run('b');
    store('b', {}, emptySince(T0 - 5 * MINUTE));
    let status = '';
    lie = ({ method }) => {
      if (method === 'delete') status = instance('b')?.status ?? 'none';
      return undefined;
    };
    pass(5000);
    expect(status).toBe('draining');
    expect(instance('b')).toBeUndefined();
  });

  it('stops it at last when the answer to the stop was lost', () => {
    run('b');
    store('b', {}, emptySince(T0 - 5 * MINUTE));
    let lost = 0;
    lie = ({ method, url }) => {
      if (method !== 'delete' || lost++ > 0) return undefined;
      sessions.delete(url.slice(-1));
      throw goError('HTTP request error: Delete "http://gameye.test/session/b": EOF');
    };
    pass(30_000);
    expect(asked('delete')).toBe(2);
    expect(instance('b')).toBeUndefined();
  });

  it('removes the record of a session that ended, when the API says so of it alone', () => {
    run('a');
    store('a');
    store('b');
    pass(5000);
    expect(asked('get /session/b')).toBe(1);
    expect(instance('b')).toBeUndefined();
  });

  it('stops a stray after the grace, counted from when it was first seen', () => {
    run('a');
    store('a');
    run('stray');
    pass(55_000);
    expect(sessions.has('stray')).toBe(true);
    pass(10_000);
    expect([...sessions.keys()]).toEqual(['a']);
  });

  it('remembers a stray when another node goes on', () => {
    run('a');
    store('a');
    run('stray');
    pass(30_000);
    state = { reconciler: true };
    call = { ...call, ctx: context({ matchId: 'm2.n2', node: 'n2' }) };
    fake.nk.localcachePut('gameye_reconciler', 'm2.n2', 1e6);
    vi.advanceTimersByTime(25_000);
    pass(15_000);
    expect(sessions.has('stray')).toBe(false);
  });

  it('gives a session with players its record back', () => {
    run('a', { players: ['u1', 'u2'] });
    pass(5000);
    expect(instance('a')).toMatchObject({ player_count: 2, seats: { u1: { state: 'joined' } }, region: 'eu' });
  });

  it('leaves alone what is being started, given up, or of another deployment', () => {
    const allocation = newAllocation(
      'first',
      { user_ids: [], max_players: 1, latencies: [], metadata: {} },
      ['eu'],
      'm',
      1,
      T0,
    );
    const abandoned = [{ session_id: 'old', since_ms: T0 }];
    fake.put(ALLOCATIONS, 'first', { ...allocation, session_id: 'second', abandoned });
    for (const id of ['first', 'second', 'old']) run(id);
    run('theirs', { owner: 'somebody else' });
    pass(10 * MINUTE);
    expect(asked('delete')).toBe(0);
    expect(sessions.size).toBe(4);
  });

  it('repairs many records in one transaction', () => {
    for (let i = 0; i < 120; i++) {
      run(`s${i}`, { status: 'restarting' });
      store(`s${i}`);
    }
    pass(3000);
    const writes = fake.events.filter((event) => event.kind === 'write' && event.keys[0]?.startsWith(INSTANCES));
    expect(writes).toHaveLength(2);
    expect(instance('s119')?.status).toBe('restarting');
  });
});

describe('a list that is wrong', () => {
  const fill = (count: number): void => {
    for (let i = 0; i < count; i++) {
      run(`s${i}`);
      store(`s${i}`);
    }
  };
  const listing = ({ method, url }: HttpRequest): boolean => method === 'get' && url.includes('/session?');

  it.each<[string, () => HttpResponse]>([
    ['fails', () => answer(500, {})],
    ['is a page of a login', () => ({ code: 200, headers: {}, body: '<html>' })],
    ['is cut off', () => ({ code: 200, headers: {}, body: '{"sessions":[{"id":"s1","stat' })],
    ['is forbidden', () => answer(403, {})],
  ])('%s: no record changes, and it is asked for again soon', (_how, reply) => {
    fill(5);
    lie = (request) => (listing(request) ? reply() : undefined);
    pass(30_000);
    expect(fake.rows().filter((row) => row.startsWith(INSTANCES))).toHaveLength(5);
    expect(asked('get /session?')).toBeGreaterThanOrEqual(2);
    expect(fake.log).toContainEqual(expect.objectContaining({ level: 'warn' }));
    lie = undefined;
    sessions.delete('s0');
    pass(20_000);
    expect(instance('s0')).toBeUndefined();
  });

  it('is empty, as with the token of another account: no record goes, but nobody is sent there', () => {
    fill(5);
    sessions.clear();
    pass(30 * MINUTE);
    expect(fake.rows().filter((row) => row.startsWith(INSTANCES))).toHaveLength(5);
    expect(instance('s0')?.status).toBe('lost');
    for (let i = 0; i < 5; i++) run(`s${i}`);
    pass(3 * MINUTE);
    expect(instance('s0')?.status).toBe('running');
  });

  it('is empty, and each session is over: the records go with the end of their ttl', () => {
    fill(5);
    sessions.clear();
    pass(60 * MINUTE);
    expect(fake.rows().filter((row) => row.startsWith(INSTANCES))).toEqual([]);
  });

  it('is empty, of an account that has shown our sessions: the records go when none is found alone twice', () => {
    fill(3);
    pass(5000);
    sessions.clear();
    pass(2 * MINUTE);
    expect(instance('s0')?.status).toBe('lost');
    pass(2 * MINUTE);
    expect(fake.rows().filter((row) => row.startsWith(INSTANCES))).toEqual([]);
  });

  it('is stale: one session that runs all the same makes the rest of it worthless', () => {
    fill(12);
    run('stray');
    lie = (request) => {
      if (!listing(request)) return undefined;
      const entries = [...sessions].filter(([id]) => id !== 's3');
      return answer(200, {
        sessions: entries.map(([id, one]) => describeSession(id, { ...one, status: 'restarting' })),
      });
    };
    pass(5000);
    expect(instance('s3')?.status).toBe('running');
    expect(fake.log).toContainEqual(expect.objectContaining({ level: 'warn', fields: { session: 's3' } }));
    expect(asked('delete')).toBe(0);
  });

  it('shows a session that is not there alone: it is not stopped again and again', () => {
    fill(1);
    lie = (request) => {
      const entry = describeSession('ghost', { status: 'running', players: [], owner: OWNER });
      const real = [...sessions].map(([id, one]) => describeSession(id, one));
      return listing(request) ? answer(200, { sessions: [...real, entry, entry] }) : undefined;
    };
    pass(10 * MINUTE);
    expect(asked('delete')).toBe(0);
  });
});

describe('one reconciler over all nodes', () => {
  const other = (): Call => ({ ...call, ctx: context({ matchId: 'm2.n2', node: 'n2' }) });
  /** Another node has a localcache of its own. */
  const tickOther = (before: Partial<ReconcilerState>): Partial<ReconcilerState> => {
    const cache = new Map<string, unknown>([['gameye_owner', OWNER]]);
    const nk = { ...fake.nk, localcacheGet: (key: string) => cache.get(key), localcachePut: () => undefined };
    return loopReconciler({ ...other(), nk: nk as Call['nk'] }, { reconciler: true, ...before })!;
  };

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

  it('is taken over when it does not renew its lease', () => {
    pass(2000);
    let waiting: Partial<ReconcilerState> = {};
    for (let i = 0; i < 40 && !waiting.holds; i++) {
      vi.advanceTimersByTime(1000);
      waiting = tickOther(waiting);
    }
    expect(waiting.holds).toBe(true);
    pass(15_000);
    expect(state.holds).toBe(false);
  });

  it('is taken over although the clock of its node was an hour ahead', () => {
    vi.setSystemTime(T0 + 60 * MINUTE);
    pass(2000);
    vi.setSystemTime(T0);
    let waiting: Partial<ReconcilerState> = {};
    for (let i = 0; i < 60 && !waiting.holds; i++) {
      vi.advanceTimersByTime(1000);
      waiting = tickOther(waiting);
    }
    expect(waiting.holds).toBe(true);
  });

  it('is started once on a node, and ends when another one is there', () => {
    fake.nk.localcachePut('gameye_reconciler', 'm9.n1', 60);
    expect(loopReconciler(call, { reconciler: true })).toBeUndefined();
    ensureReconciler(fake.nk);
    expect(fake.events.filter((event) => event.kind === 'match')).toEqual([]);
    vi.advanceTimersByTime(61_000);
    ensureReconciler(fake.nk);
    ensureReconciler(fake.nk);
    expect(fake.events.filter((event) => event.kind === 'match')).toHaveLength(1);
  });

  it('survives a database that fails, and goes on when it is back', () => {
    run('a');
    store('a');
    pass(2000);
    sessions.clear();
    run('c');
    store('c');
    fake.before = (event) => {
      if (event.kind !== 'http') throw goError('pq: the database system is shutting down');
    };
    pass(3 * MINUTE);
    expect(fake.log).toContainEqual(expect.objectContaining({ level: 'error' }));
    fake.before = () => undefined;
    pass(MINUTE);
    expect(instance('a')).toBeUndefined();
  });
});
