import { vi } from 'vitest';
import { fromRow, newAllocation } from '../../../src/allocation/allocation';
import { decided } from '../../../src/allocation/pool';
import type { Config } from '../../../src/config';
import { claimDue, markReady } from '../../../src/database/allocations';
import { arrive } from '../../../src/database/reports';
import { leaveSeats } from '../../../src/database/seats';
import { withdraw } from '../../../src/database/standing';
import type { Call } from '../../../src/nakama/caller';
import type { AllocationRequest } from '../../../src/records';
import { loopAllocator, type AllocatorState } from '../../../src/worker/allocator';
import { CALM, ModelGameye, answer, type Turn } from './gameye';
import type { Blow } from './life';
import { context, fakeNakama, goError, OWNER, type Event, type FakeNakama } from './nakama';
import { FLEET, putInstance, type InstanceLike } from './records';

/** What somebody else does between two calls of a worker. */
export type Act = 'none' | 'switch' | 'cancel' | 'again' | 'leave' | 'arrive' | 'ready' | 'end';

export interface CrowdPlan {
  config: Config;
  /** Sizes of the groups, in the order in which they are matched, and how long after the one before. */
  groups: { size: number; afterMs: number; request?: Partial<AllocationRequest> }[];
  /** Sessions that run before anybody comes, each with so many of its seats taken; `gone` only in our records. */
  running?: { taken: number; gone?: boolean; change?: Partial<InstanceLike> }[];
  turns?: Turn[];
  /** One for each call of a worker, in order; then no more happens. */
  blows?: Blow[];
  acts?: Act[];
}

export interface Crowd {
  fake: FakeNakama;
  api: ModelGameye;
  /** By player: what they were told, in order. */
  told: Map<string, { code: number; sessionId: unknown; reason: unknown }[]>;
  /** Players by group, in the order in which the groups were matched; who is matched again makes a group of one. */
  users: string[][];
  /** Who waited and went away. */
  cancelled: Set<string>;
  /** Who was matched a second time, whatever they had. */
  again: Set<string>;
  /** Who left a session that they had been told of. */
  left: Set<string>;
  /** Ids of the sessions that ran before. */
  before: string[];
  /** Instances that had more players than seats, at any moment. */
  oversold: string[];
  ended: boolean;
  crashes: number;
}

export const MAX_PLAYERS = 8;

/** A lease and a pass of the supervisor. */
const RESUMED_AFTER_MS = 31_000;

interface Worker {
  match: string;
  dead: boolean;
  state: AllocatorState | undefined;
  wakeAtMs: number;
}

/**
 * Lives through many allocations at once, each with its worker; at any call of one, another may go on, players cancel, leave
 * or are matched again, game servers report. After a crash a supervisor claims what is due. Time is the model's, the
 * database's clock included.
 */
export function liveTogether(plan: CrowdPlan): Crowd {
  let now = 1_700_000_000_000;
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => now);
  try {
    return lived(plan, { now: () => now, set: (at) => void (now = at) });
  } finally {
    clock.mockRestore();
  }
}

function lived(plan: CrowdPlan, time: { now: () => number; set: (at: number) => void }): Crowd {
  const fake = fakeNakama();
  fake.nk.localcachePut('gameye_version', '{}');
  fake.nk.localcachePut('gameye_owner', OWNER);
  const turns = (plan.turns ?? []).slice();
  const blows = (plan.blows ?? []).slice();
  const acts = (plan.acts ?? []).slice();
  const { config } = plan;
  const api = new ModelGameye({ now: time.now, pass: (ms) => time.set(time.now() + ms) }, () => turns.shift() ?? CALM);
  api.capacity = 1000;
  const stack: { worker: Worker; blow: Blow }[] = [];
  let aside = false;
  let matches = 0;
  const call = (match: string): Call => ({
    ctx: context({ matchId: `${match}.n1` }),
    logger: fake.logger,
    nk: fake.nk,
    config,
  });
  fake.http = (request) => {
    const { session } = (request.body ?? {}) as { session?: string };
    const runs = api.running().some(({ id }) => id === session);
    if (request.method === 'put' && !runs) return answer(404, { message: 'no such session' });
    return api.handle(request);
  };

  /** With the server undisturbed, at the same time as the worker's call. */
  function undisturbed<T>(act: () => T): T {
    const was = aside;
    const at = time.now();
    aside = true;
    try {
      return act();
    } finally {
      aside = was;
      time.set(at);
    }
  }

  const workers: Worker[] = [];
  const crowd: Crowd = {
    ...{ fake, api, users: [], told: new Map(), cancelled: new Set(), again: new Set(), left: new Set() },
    ...{ before: [], oversold: [], ended: false, crashes: 0 },
  };
  const match = (group: string[], atMs: number, more: Partial<AllocationRequest> = {}): void => {
    const request = { user_ids: group, max_players: MAX_PLAYERS, latencies: [], metadata: {}, ...more };
    const first = newAllocation(`id-${crowd.users.length}`, request, config.regions, config.createTimeoutMs, atMs);
    const asked = config.backfill ? { ...first, next: 'seek' } : first;
    const state = { allocation: JSON.stringify(asked), wake_at_ms: 0 };
    crowd.users.push(group);
    workers.push({ match: `m${++matches}`, dead: false, state, wakeAtMs: atMs });
  };

  for (const [i, { taken, gone, change }] of (plan.running ?? []).entries()) {
    const id = `running-${i}`;
    const region = config.regions[0] ?? '';
    const request = { user_ids: [], max_players: MAX_PLAYERS, latencies: [], metadata: {} };
    const pool = undisturbed(() => decided(fake.nk, config, newAllocation(id, request, [region], 1, time.now())).pool);
    const seated = Array.from({ length: taken }, (_, seat) => [`early-${i}-${seat}`, 'joined' as const]);
    const like = { id, region, max_players: MAX_PLAYERS, metadata: {}, ...(pool === undefined ? {} : { pool }) };
    putInstance(fake, { ...like, ...change }, Object.fromEntries(seated));
    if (!gone) api.sessions.set(id, { id, region, labels: { nakama_fleet: FLEET }, startedAtMs: time.now() });
    crowd.before.push(id);
  }
  let startAtMs = time.now();
  for (const [i, { size, afterMs, request }] of plan.groups.entries()) {
    startAtMs += afterMs;
    match(
      Array.from({ length: size }, (_, seat) => `u${i}-${seat}`),
      startAtMs,
      request,
    );
  }

  /** When a supervisor looks for allocations without a worker; undefined while nobody has died. */
  let supervisorAtMs: number | undefined;

  function tick(worker: Worker): void {
    const { state } = worker;
    if (!state) return;
    time.set(Math.max(time.now(), worker.wakeAtMs));
    stack.push({ worker, blow: 'none' });
    worker.state = loopAllocator(call(worker.match), JSON.parse(JSON.stringify(state)) as AllocatorState);
    stack.pop();
    worker.wakeAtMs = Math.max(time.now() + 17, worker.state?.wake_at_ms ?? 0);
    if (!worker.dead) return;
    crowd.crashes++;
    worker.state = undefined;
    supervisorAtMs ??= time.now() + RESUMED_AFTER_MS;
  }

  /** A worker for every allocation whose lease ran out. */
  function supervise(): void {
    supervisorAtMs = undefined;
    const due = undisturbed(() => claimDue(fake.nk, FLEET, { holder: 'supervisor', ms: 20_000 }, 100));
    for (const row of due) {
      const state = { allocation: JSON.stringify(fromRow(row)), wake_at_ms: 0, from: 'supervisor' };
      workers.push({ match: `m${++matches}`, dead: false, state, wakeAtMs: time.now() });
    }
  }

  function perform(act: Act): void {
    if (act === 'switch') {
      const isRunning = (worker: Worker): boolean => stack.some((one) => one.worker === worker);
      const due = workers.find((one) => one.state && !isRunning(one) && one.wakeAtMs <= time.now());
      if (due && stack.length < 4) tick(due);
      return;
    }
    undisturbed(() => {
      const [host] = api.running().filter(({ id }) => !crowd.before.includes(id));
      const players = crowd.users.flat();
      const waiting = players.filter((user) => !crowd.told.has(user) && !crowd.cancelled.has(user)).pop();
      const [known] = [...crowd.told].find(([user]) => !crowd.left.has(user)) ?? [];
      const where = known === undefined ? undefined : crowd.told.get(known)?.at(-1)?.sessionId;
      switch (act) {
        case 'ready':
          if (host) markReady(fake.nk, FLEET, host.id);
          break;
        case 'cancel':
          if (waiting !== undefined && withdraw(fake.nk, FLEET, waiting).withdrawn) crowd.cancelled.add(waiting);
          break;
        case 'leave':
          if (known !== undefined && typeof where === 'string' && leaveSeats(fake.nk, where, [known]).length > 0) {
            crowd.left.add(known);
          }
          break;
        case 'arrive':
          if (known !== undefined && typeof where === 'string') arrive(fake.nk, FLEET, where, [known]);
          break;
        case 'again': {
          const [player] = players.filter((user) => !crowd.again.has(user));
          if (player === undefined || crowd.again.size >= 3) break;
          crowd.again.add(player);
          match([player], time.now());
          break;
        }
        case 'none':
          break;
        case 'end':
          if (host) host.endedAtMs = time.now();
          break;
      }
    });
  }

  fake.before = (event: Event) => {
    const top = stack[stack.length - 1];
    if (aside || !top) return;
    if (top.worker.dead) throw goError('context canceled');
    perform(acts.shift() ?? 'none');
    top.blow = blows.shift() ?? 'none';
    if (top.blow.endsWith('before')) strike(top, event);
  };
  fake.after = (event: Event) => {
    if (event.kind === 'notify') note(event);
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
    // A notification that is not persistent does not touch the database.
    const database = event.kind === 'notify' ? event.notifications.some((one) => one.persistent) : event.kind === 'sql';
    if (database) throw goError('pq: the database system is shutting down');
  }
  function note(event: Extract<Event, { kind: 'notify' }>): void {
    for (const { userId, code, content } of event.notifications) {
      const heard = crowd.told.get(userId) ?? [];
      crowd.told.set(userId, [...heard, { code, sessionId: content['session_id'], reason: content['reason'] }]);
    }
    const full = fake.query<{ id: string }>(
      `SELECT i.id FROM gameye_instance i WHERE i.max_players <
         (SELECT count(*) FROM gameye_seat s WHERE s.session_id = i.id AND s.state IN ('reserved', 'joined'))`,
    );
    crowd.oversold.push(...full.map(({ id }) => id));
  }

  const isOver = (): boolean => fake.query(`SELECT 1 FROM gameye_allocation WHERE state <> 'over'`).length === 0;
  for (let i = 0; i < 5_000; i++) {
    const next = workers.filter((one) => one.state).sort((a, b) => a.wakeAtMs - b.wakeAtMs)[0];
    if (supervisorAtMs !== undefined && (!next || supervisorAtMs <= time.now())) {
      time.set(Math.max(time.now(), supervisorAtMs));
      supervise();
      continue;
    }
    if (!next) {
      crowd.ended = isOver();
      if (crowd.ended) break;
      // A worker gave its row up, or somebody else's lease has to run out first.
      supervisorAtMs = time.now() + RESUMED_AFTER_MS;
      continue;
    }
    tick(next);
    // Game servers say that they are ready in the end.
    if (config.ready === 'server' && i % 5 === 4) {
      undisturbed(() => api.running().forEach(({ id }) => markReady(fake.nk, FLEET, id)));
    }
  }
  api.settleAll();
  aside = true; // Whatever a test looks at afterwards.
  return crowd;
}
