import { vi } from 'vitest';
import { newAllocation, type Allocation } from '../../../src/allocation/allocation';
import { loopAllocator, type AllocatorState } from '../../../src/worker/allocator';
import { isAnnouncing } from '../../../src/allocation/host';
import { locateInstance, markReady } from '../../../src/allocation/locate';
import { poolOf, seekingSeats } from '../../../src/backfill/pool';
import type { AllocationRequest } from '../../../src/allocation/request';
import type { Config } from '../../../src/config';
import { newInstance, type Instance } from '../../../src/instances/instance';
import { take } from '../../../src/instances/seats';
import type { Call } from '../../../src/nakama/caller';
import { cancelStart } from '../../../src/players/standing';
import { needsWorker } from '../../../src/supervision/resume';
import { CALM, ModelGameye, answer, type Turn } from './gameye';
import { ALLOCATIONS, INSTANCES, type Blow } from './life';
import { context, fakeNakama, goError, type Event, type FakeNakama } from './nakama';

/** What somebody else does between two calls of a worker. */
export type Act = 'none' | 'switch' | 'cancel' | 'ready' | 'report' | 'end';

export interface CrowdPlan {
  config: Config;
  /** Sizes of the groups, in the order in which they are matched, and how long after the one before. */
  groups: { size: number; afterMs: number; request?: Partial<AllocationRequest> }[];
  /** Sessions that run before anybody comes, each with so many of its seats taken; `gone` only in our records. */
  running?: { taken: number; gone?: boolean; change?: Partial<Instance> }[];
  turns?: Turn[];
  /** One for each call of a worker, in order; then no more happens. */
  blows?: Blow[];
  acts?: Act[];
  /** Nothing is found in this node's index, as when another node stored it. */
  blind?: boolean;
}

export interface Crowd {
  fake: FakeNakama;
  api: ModelGameye;
  /** By player: what they were told, in order. */
  told: Map<string, { code: number; sessionId: unknown; reason: unknown }[]>;
  users: string[][];
  cancelled: Set<string>;
  /** Players whose group was stored at some moment. */
  stored: Set<string>;
  /** Ids of the sessions that ran before. */
  before: string[];
  instances: () => Instance[];
  /** Instances that had more players than seats, at any moment. */
  oversold: string[];
  ended: boolean;
  crashes: number;
}

export const MAX_PLAYERS = 8;

interface Worker {
  id: string;
  match: string;
  dead: boolean;
  state: AllocatorState | undefined;
  wakeAtMs: number;
}

/**
 * Lives through many allocations at once, each with its worker; at any call of one, another may go on, players cancel, game
 * servers report. After a crash a supervisor starts another worker with the stored row. Time is the model's.
 */
export function liveTogether(plan: CrowdPlan): Crowd {
  let now = 1_700_000_000_000;
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => now);
  const fake = fakeNakama();
  fake.nk.localcachePut('gameye_version', '');
  fake.nk.localcachePut('gameye_owner', 'owner');
  const turns = (plan.turns ?? []).slice();
  const blows = (plan.blows ?? []).slice();
  const acts = (plan.acts ?? []).slice();
  const { config } = plan;
  const api = new ModelGameye({ now: () => now, pass: (ms) => void (now += ms) }, () => turns.shift() ?? CALM);
  api.capacity = 1000;
  const stack: { worker: Worker; blow: Blow }[] = [];
  let aside = false;
  const call = (match: string): Call => ({
    ctx: context({ matchId: `${match}.n1` }),
    logger: fake.logger,
    nk: fake.nk,
    config,
  });
  const instances = (): Instance[] =>
    fake.rows().flatMap((row) => {
      const [collection = '', key = ''] = row.split('/');
      return collection === INSTANCES ? [fake.stored(collection, key) as Instance] : [];
    });

  fake.http = (request) => {
    const { session } = (request.body ?? {}) as { session?: string };
    const runs = api.running().some(({ id }) => id === session);
    if (request.method === 'put' && !runs) return answer(404, { message: 'no such session' });
    return api.handle(request);
  };
  fake.indexAnswer = ([, query]) => {
    const wanted = (pattern: RegExp): string => pattern.exec(String(query))?.[1] ?? '';
    const objects = instances()
      .filter(() => plan.blind !== true)
      .filter((one) => one.pool === wanted(/pool:(\S+)/) && one.open_seats >= Number(wanted(/open_seats:>=(\d+)/)))
      .filter((one) => new RegExp(`^(${wanted(/region:\/(\S+)\//)})$`).test(one.region) && one.status === 'running')
      .flatMap(({ id }) => aloud(() => fake.nk.storageRead([{ collection: INSTANCES, key: id, userId: '' }])));
    objects.forEach((one) => (one.userId = '00000000-0000-0000-0000-000000000000'));
    return { objects: objects.slice(0, 5), cursor: null };
  };

  fake.nk.sqlQuery = (_query, parameters) => void (now += 1000 * Number(parameters?.[1]));

  /** With the server undisturbed. */
  function aloud<T>(act: () => T): T {
    const was = aside;
    aside = true;
    try {
      return act();
    } finally {
      aside = was;
    }
  }

  const users: string[][] = [];
  const workers: Worker[] = [];
  const crowd: Crowd = {
    ...{ fake, api, users, instances, told: new Map(), cancelled: new Set(), stored: new Set() },
    ...{ before: [], oversold: [], ended: false, crashes: 0 },
  };
  const requestOf = (userIds: string[], more: Partial<AllocationRequest> = {}): AllocationRequest => ({
    ...{ user_ids: userIds, max_players: MAX_PLAYERS, latencies: [], metadata: {} },
    ...more,
  });

  for (const [i, { taken, gone, change }] of (plan.running ?? []).entries()) {
    const id = `running-${i}`;
    const session = { id, region: config.regions[0] ?? '', maxPlayers: MAX_PLAYERS, metadata: {}, startedAtMs: now };
    const seated = Array.from({ length: taken }, (_, seat) => `early-${i}-${seat}`);
    const where = { host: '10.0.0.1', ports: { '7777/udp': 23456 } };
    const instance = newInstance(config, session, where, take({}, seated, undefined)) as Instance;
    fake.put(INSTANCES, id, { ...instance, pool: poolOf(fake.nk, config, requestOf([])), ...change });
    if (!gone) {
      api.sessions.set(id, { id, region: session.region, labels: { nakama_fleet: 'default' }, startedAtMs: now });
    }
    crowd.before.push(id);
  }
  let startAtMs = now;
  for (const [i, { size, afterMs, request }] of plan.groups.entries()) {
    const group = Array.from({ length: size }, (_, seat) => `u${i}-${seat}`);
    users.push(group);
    startAtMs += afterMs;
    const id = `id-${i}`;
    const asked = newAllocation(id, requestOf(group, request), config.regions, `m${i}`, 60_000, startAtMs);
    const state = { allocation: JSON.stringify(seekingSeats(config, asked)), version: '*', wake_at_ms: 0 };
    workers.push({ id, match: `m${i}`, dead: false, state, wakeAtMs: startAtMs });
  }

  function tick(worker: Worker): void {
    const { state } = worker;
    if (!state) return;
    now = Math.max(now, worker.wakeAtMs);
    stack.push({ worker, blow: 'none' });
    worker.state = loopAllocator(call(worker.match), JSON.parse(JSON.stringify(state)) as AllocatorState);
    stack.pop();
    worker.wakeAtMs = Math.max(now + 17, worker.state?.wake_at_ms ?? 0);
    if (worker.state && !worker.dead) return;
    const left = fake.stored(ALLOCATIONS, worker.id) as Allocation | undefined;
    if (!worker.dead && (!left || !needsWorker(left, Infinity))) return;
    // Its lease runs out, then a supervisor finds the row.
    if (worker.dead) crowd.crashes++;
    worker.dead = false;
    worker.match = `${worker.match}'`;
    worker.wakeAtMs = now + 31_000;
    worker.state = left && { allocation: '', version: '', wake_at_ms: 0 };
  }

  /** A worker that takes over begins with what is stored then. */
  function resume(worker: Worker): void {
    if (worker.state?.allocation !== '' || worker.wakeAtMs > now) return;
    const row = aloud(() => fake.nk.storageRead([{ collection: ALLOCATIONS, key: worker.id, userId: '' }])[0]);
    worker.state = row && {
      ...{ allocation: JSON.stringify(row.value), version: row.version, wake_at_ms: 0, claim: 'yes' },
    };
  }

  const isRunning = (worker: Worker): boolean => stack.some((one) => one.worker === worker);

  function perform(act: Act): void {
    const due = workers.filter((one) => one.state && !isRunning(one) && one.wakeAtMs <= now);
    // Who is interrupted here goes on only when the other is done, which must not wait for that.
    const isWaitedFor = stack.some(({ worker }) => {
      const a = fake.stored(ALLOCATIONS, worker.id) as Allocation | undefined;
      return a !== undefined && isAnnouncing(a, now);
    });
    if (act === 'switch' && due[0] && stack.length < 4 && !isWaitedFor) {
      resume(due[0]);
      tick(due[0]);
      return;
    }
    aloud(() => {
      const at = now;
      const other = call('other');
      const [host] = api.running().filter(({ id }) => id.startsWith('id-'));
      const waiting = users.flat().filter((user) => !crowd.told.has(user) && !crowd.cancelled.has(user));
      const [player] = waiting.slice(-1);
      if (act === 'ready' && host) markReady(other, host.id, host.id);
      if (act === 'report' && host) locateInstance(other, host.id);
      if (act === 'cancel' && player && cancelStart(other, player) === 'cancelled') crowd.cancelled.add(player);
      if (act === 'end' && host) host.endedAtMs = now;
      now = at;
    });
  }

  fake.before = (event: Event) => {
    if (aside) return;
    const top = stack[stack.length - 1];
    if (!top) return;
    if (top.worker.dead) throw goError('context canceled');
    perform(acts.shift() ?? 'none');
    if (top.worker.dead) throw goError('context canceled');
    top.blow = blows.shift() ?? 'none';
    if (top.blow.endsWith('before')) strike(top, event);
  };
  fake.after = (event: Event) => {
    note(event);
    const top = stack[stack.length - 1];
    if (!aside && top?.blow.endsWith('after')) strike(top, event);
  };
  function strike(top: { worker: Worker; blow: Blow }, event: Event): void {
    const { blow } = top;
    top.blow = 'none';
    if (blow.startsWith('crash')) {
      top.worker.dead = true;
      throw goError('context canceled');
    }
    if (event.kind !== 'http' && event.kind !== 'match') throw goError('pq: the database system is shutting down');
  }
  function note(event: Event): void {
    if (event.kind === 'notify') {
      for (const { userId, code, content } of event.notifications) {
        const before = crowd.told.get(userId) ?? [];
        crowd.told.set(userId, [...before, { code, sessionId: content['session_id'], reason: content['reason'] }]);
      }
    }
    if (event.kind !== 'write') return;
    for (const one of instances()) {
      if (Object.keys(one.seats).length > one.max_players) crowd.oversold.push(one.id);
    }
    for (const row of event.keys.filter((key) => key.startsWith(`${ALLOCATIONS}/`))) {
      const a = fake.stored(ALLOCATIONS, row.slice(ALLOCATIONS.length + 1)) as Allocation | undefined;
      for (const user of a?.request.user_ids ?? []) crowd.stored.add(user);
    }
  }

  for (let i = 0; i < 20_000; i++) {
    const next = workers.filter((one) => one.state).sort((a, b) => a.wakeAtMs - b.wakeAtMs)[0];
    if (!next) break;
    now = Math.max(now, next.wakeAtMs);
    resume(next);
    tick(next);
    // Game servers say that they are ready in the end.
    if (config.ready === 'server' && i % 20 === 19) {
      aloud(() => api.running().forEach(({ id }) => markReady(call('other'), id, id)));
    }
  }
  crowd.ended = workers.every((one) => !one.state);
  api.settleAll();
  clock.mockRestore();
  return crowd;
}
