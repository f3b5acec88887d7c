import { nextStep, type Allocation } from '../allocation/allocation';
import { regionOf } from '../allocation/launch';
import { ALLOCATIONS } from '../allocation/store';
import { SECOND } from '../config';
import type { FailureKind } from '../gameye/failure';
import type { Instance } from '../instances/instance';
import { INSTANCES } from '../instances/store';
import type { Call } from '../nakama/caller';
import { visitRows } from '../nakama/pages';
import { MODULE_VERSION } from './module-version';
import { readMemory } from '../supervision/lease';
import { RECONCILE_JOB, type ReconcileMemory } from '../supervision/reconciler';
import { readVersion, type VersionOverride } from './version';

/** Sessions of one region, version and status. */
export interface Group {
  region: string;
  version: string;
  status: string;
  sessions: number;
  players: number;
  open_seats: number;
}

/** One allocation that is not finished: how far it is, what is done next and when. */
export interface Queued {
  allocation: string;
  session_id: string;
  state: string;
  region: string;
  players: number;
  /** POSTs sent so far. */
  attempts: number;
  age_ms: number;
  /** Until its next step; 0: it is being done. */
  next_try_in_ms: number;
  /** Until its players are told a reason; negative when that has passed and only what may run is looked for. */
  deadline_in_ms: number;
  /** Its players were told how it ended. */
  told: boolean;
  /** Given up, and perhaps still to be stopped. */
  ids_to_stop: number;
  /** What it met last. */
  failure?: FailureKind;
  operation?: string;
  status?: number;
  message?: string;
}

export interface Status {
  module: { version: string; node: string; nakama: string };
  /** What new sessions are started with. Version empty: Gameye's tag with the highest priority. */
  in_force: { fleet: string; image: string; version: string; regions: string[]; version_set?: VersionOverride };
  instances: { sessions: number; players: number; open_seats: number; groups: Group[]; truncated: boolean };
  allocations: {
    open: number;
    by_state: { [state: string]: number };
    oldest_age_ms: number;
    queue: Queued[];
    truncated: boolean;
  };
  /** The last comparison of records and sessions, on whatever node; missing before the first. */
  reconcile?: ReconcileMemory['last'];
}

/** Reading ends here; the answer then says that it is `truncated`. Nakama cuts it off after 10 s. */
const READ_MS = 3 * SECOND;
const MOST_QUEUED = 100;

/**
 * The fleet as the records show it: at most `limit` instances and as many allocations are read. Groups come with the most
 * sessions first, the queue with the oldest allocation first, at most 100.
 */
export function fleetStatus(call: Call, limit: number, now: number): Status {
  const { nk, config, ctx } = call;
  const { version, override } = readVersion(nk, config);
  const { image, regions, fleet } = config;
  const last = readMemory<ReconcileMemory>(nk, RECONCILE_JOB)?.last;
  return {
    module: { version: MODULE_VERSION, node: ctx.node, nakama: ctx.version },
    in_force: { fleet, image, version, regions, ...(override ? { version_set: override } : {}) },
    instances: instances(call, limit, now),
    allocations: allocations(call, limit, now),
    ...(last ? { reconcile: last } : {}),
  };
}

function instances({ nk }: Call, limit: number, now: number): Status['instances'] {
  const total = { sessions: 0, players: 0, open_seats: 0 };
  const groups: { [key: string]: Group } = {};
  const complete = visitRows<Instance>(nk, INSTANCES, now + READ_MS, (instance) => {
    if (total.sessions === limit) return false;
    const { region, version, status, player_count, open_seats } = instance;
    const group = (groups[`${region}\n${version}\n${status}`] ??= {
      region,
      version,
      status,
      sessions: 0,
      players: 0,
      open_seats: 0,
    });
    for (const sum of [total, group]) {
      sum.sessions++;
      sum.players += player_count;
      sum.open_seats += open_seats;
    }
    return true;
  });
  const sorted = Object.values(groups).sort((a, b) => b.sessions - a.sessions || (a.region < b.region ? -1 : 1));
  return { ...total, groups: sorted, truncated: !complete };
}

function allocations({ nk }: Call, limit: number, now: number): Status['allocations'] {
  const by_state: { [state: string]: number } = {};
  const queue: Queued[] = [];
  let [read, open, oldest] = [0, 0, now];
  const complete = visitRows<Allocation>(nk, ALLOCATIONS, now + 2 * READ_MS, (a) => {
    if (read++ === limit) return false;
    if (!isOpen(a)) return true;
    open++;
    by_state[a.state] = (by_state[a.state] ?? 0) + 1;
    oldest = Math.min(oldest, a.created_at_ms);
    queue.push(queued(a, now));
    return true;
  });
  queue.sort((a, b) => b.age_ms - a.age_ms);
  const shown = queue.slice(0, MOST_QUEUED);
  return { open, by_state, oldest_age_ms: now - oldest, queue: shown, truncated: !complete };
}

/** Something is still to be done. An announced allocation can stay only to lead from one id to another. */
function isOpen(a: Allocation): boolean {
  return a.state !== 'announced' || a.abandoned.length > 0;
}

function queued(a: Allocation, now: number): Queued {
  const { last_failure: failure } = a;
  const step = nextStep(a, now);
  return {
    allocation: a.id,
    session_id: a.session_id,
    state: a.state,
    region: regionOf(a),
    players: a.request.user_ids.length,
    attempts: a.attempts,
    age_ms: now - a.created_at_ms,
    next_try_in_ms: step.do === 'wait' ? step.untilMs - now : 0,
    deadline_in_ms: a.deadline_ms - now,
    told: a.told,
    ids_to_stop: a.abandoned.length,
    ...(failure && { failure: failure.kind, operation: failure.operation, message: failure.message }),
    ...(failure?.status === undefined ? {} : { status: failure.status }),
  };
}
