import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newAllocation } from '../../src/allocation/create';
import { get } from '../../src/fleet/get';
import { remove } from '../../src/fleet/remove';
import { join } from '../../src/fleet/join';
import { leave } from '../../src/fleet/seats';
import { update } from '../../src/fleet/update';
import type { Call } from '../../src/nakama/caller';
import { startSolo } from '../../src/players/solo';
import { cancelStart, leaveAll, standing } from '../../src/players/standing';
import { playersArrived, serverIsReady } from '../../src/servers/reports';
import { loopReconciler, type ReconcilerState } from '../../src/supervision/reconciler';
import { loopAllocator, type AllocatorState } from '../../src/worker/allocator';
import { loopSupervisor, type SupervisorState } from '../../src/worker/supervisor';
import { configWith } from './support/config';
import { answer } from './support/gameye';
import { context, fakeNakama, OWNER, type FakeNakama } from './support/nakama';
import { labels, MINUTE, ModelSessions, NOW, store } from './support/reconcile';
import { FLEET, putAllocation, putInstance } from './support/records';
import { refusal } from './support/refusal';

/*
 * A copy of the database of the fleet `default`, used as the fleet `staging` with the same API token. The owner's id was
 * copied as well.
 */

let fake: FakeNakama;
let call: Call;
let api: ModelSessions;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW });
  fake = fakeNakama();
  fake.nk.localcachePut('gameye_reconciler', '', 1e6);
  fake.nk.localcachePut('gameye_supervisor', '', 1e6);
  const config = configWith({ GAMEYE_FLEET: 'staging', GAMEYE_MAX_SESSIONS: '3' });
  call = { ctx: context({ matchId: 'm1.n1' }), logger: fake.logger, nk: fake.nk, config };
  api = new ModelSessions();
  fake.http = (request) => api.handle(request);

  putInstance(fake, { id: 'played', max_players: 4 }, { ann: 'joined', ben: NOW - 1, cid: NOW + 90_000 });
  store(fake, 'empty', { players: 0, visited: true, emptySince: NOW - 60 * MINUTE });
  store(fake, 'draining', { players: 0, status: 'draining' });
  store(fake, 'expired', { expiresAt: NOW - 60 * MINUTE });
  store(fake, 'lost', { status: 'lost', missed: 3 });
  putAllocation(fake, { user_ids: ['dora'] }, { attempts: 1, in_doubt: true, session_id: 'starting' }, 'a-starting');
  putAllocation(
    fake,
    {},
    { state: 'failed', reason: 'error', told: true, abandoned: [{ session_id: 'given-up', since_ms: NOW }] },
    'a-failed',
  );
  putAllocation(fake, {}, { state: 'over' }, 'a-over');
  fake.query(
    `UPDATE gameye_allocation SET lease_until = now() - interval '1 hour', keep_until = now() - interval '1 hour'`,
  );
  for (const id of ['played', 'empty', 'draining', 'expired', 'starting', 'given-up']) api.run(id);
  // Started in production after the copy was made.
  api.run('later');
  api.run('later-played', { players: ['eve'] });
});
afterEach(() => void vi.useRealTimers());

const rows = (): unknown => [
  fake.query('SELECT xmin::text, * FROM gameye_instance WHERE fleet = $1 ORDER BY id', [FLEET]),
  fake.query('SELECT xmin::text, * FROM gameye_allocation WHERE fleet = $1 ORDER BY id', [FLEET]),
  fake.query('SELECT xmin::text, * FROM gameye_seat ORDER BY user_id'),
];
const production = ['played', 'empty', 'draining', 'expired', 'lost', 'starting', 'given-up', 'later', 'later-played'];
/** Requests that would change something of production's sessions at Gameye. */
const meddling = (): unknown[] =>
  fake.requests
    .filter(({ method }) => method !== 'get')
    .filter(({ url, body }) =>
      production.some((id) => url.endsWith(`/${id}`) || JSON.stringify(body ?? {}).includes(`"${id}"`)),
    )
    .map(({ method, url, body }) => [method, url, body]);

/** Supervisor and reconciler of this node, for so many minutes. */
function supervise(minutes: number): void {
  let supervisor: SupervisorState | undefined = { supervisor: true };
  let reconciler: ReconcilerState | undefined = { reconciler: true } as ReconcilerState;
  for (let second = 0; second < minutes * 60; second += 5) {
    vi.setSystemTime(Date.now() + 5000);
    const asOther = { ...call, ctx: context({ matchId: 'm2.n1' }) };
    supervisor = supervisor && loopSupervisor(asOther, supervisor);
    reconciler = reconciler && loopReconciler({ ...call, ctx: context({ matchId: 'm3.n1' }) }, reconciler);
    if (!supervisor || !reconciler) throw new Error('one of them ended');
  }
}

/** A matched group, as its worker carries it out; answers the session that it got. */
function match(user_ids: string[]): string {
  const a = newAllocation(call, { user_ids, max_players: 4, latencies: [], metadata: {} });
  fake.http = (request) => {
    const { id } = (request.body ?? {}) as { id?: string };
    if (request.method !== 'post') return request.method === 'get' ? api.handle(request) : answer(200, {});
    api.run(id!, labels({ nakama_fleet: 'staging', nakama_owner: OWNER }));
    return answer(201, { id, host: '1.2.3.4', ports: [{ type: 'udp', container: 7777, host: 9 }] });
  };
  let state: AllocatorState | undefined = { allocation: JSON.stringify(a), wake_at_ms: 0 };
  for (let tick = 0; state && tick < 100; tick++) {
    vi.setSystemTime(Math.max(Date.now() + 17, state.wake_at_ms));
    state = loopAllocator(call, state);
  }
  return String(fake.sent().at(-1)?.content['session_id']);
}

describe('in a copied database with another name of the fleet', () => {
  it('supervision touches neither a row of the original nor a session', () => {
    const before = rows();
    supervise(30);
    expect(rows()).toEqual(before);
    expect(meddling()).toEqual([]);
    expect([...api.running.keys()]).toHaveLength(8);
    expect(fake.events.filter(({ kind }) => kind === 'match')).toEqual([]);
  });

  it('players who play in the original have no seat, and start and leave what they like without a change in the original', () => {
    for (const user of ['ann', 'ben', 'cid', 'dora']) expect(standing(call, user)).toEqual({ state: 'none' });
    expect(leaveAll(call, 'ann')).toBe(false);
    expect(startSolo(call, 'cid')).toEqual({ status: 'starting' });
    expect(match(['ann', 'ben', 'dora'])).toMatch(/^[0-9a-f-]{36}$/);
    expect(standing(call, 'ann')).toMatchObject({ state: 'ready' });
    expect(leaveAll(call, 'ann')).toBe(true);
    cancelStart(call, 'cid');
    expect(meddling()).toEqual([]);
    expect([...api.running.keys()]).toHaveLength(9);
  });

  it('no session of the original is found, joined, reported of, adopted or stopped', () => {
    const before = rows();
    for (const id of production) {
      for (const act of [
        () => get(call, id),
        () => join(call, id, ['fay']),
        () => leave(call, id, ['ann']),
        () => update(call, id, 1, {}),
        () => playersArrived(call, id, ['ann']),
        () => serverIsReady(call, id),
      ]) {
        expect(refusal(act).code).toBe(5);
      }
      if (api.running.has(id)) expect(refusal(() => remove(call, id)).code).toBe(5);
      else expect(remove(call, id)).toEqual({});
    }
    expect(rows()).toEqual(before);
    expect(meddling()).toEqual([]);
  });
});

describe('a session of another deployment with the same name of the fleet', () => {
  it('is neither adopted nor stopped by its id', () => {
    api.run('theirs', { tags: { nakama_fleet: 'staging', nakama_owner: 'somebody-else' }, players: ['eve'] });
    expect(refusal(() => get(call, 'theirs')).code).toBe(5);
    expect(refusal(() => remove(call, 'theirs')).code).toBe(5);
    expect(api.running.has('theirs')).toBe(true);
  });
});
