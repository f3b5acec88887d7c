import type { Allocation } from '../allocation/allocation';
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

/** What an allocation that is not finished met last. */
export interface OpenFailure {
  allocation: string;
  session_id: string;
  state: string;
  region: string;
  attempts: number;
  failure: FailureKind;
  operation: string;
  status?: number;
  message: string;
  age_ms: number;
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
    failures: OpenFailure[];
    truncated: boolean;
  };
  /** The last comparison of records and sessions, on whatever node; missing before the first. */
  reconcile?: ReconcileMemory['last'];
}

/** Reading ends here; the answer then says that it is `truncated`. Nakama cuts it off after 10 s. */
const READ_MS = 3 * SECOND;
const MOST_FAILURES = 20;

/**
 * The fleet as the records show it: at most `limit` instances and as many allocations are read. Groups come with the most
 * sessions first, failures with the youngest allocation first.
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
  const failures: OpenFailure[] = [];
  let [read, open, oldest] = [0, 0, now];
  const complete = visitRows<Allocation>(nk, ALLOCATIONS, now + 2 * READ_MS, (a) => {
    if (read++ === limit) return false;
    if (!isOpen(a)) return true;
    open++;
    by_state[a.state] = (by_state[a.state] ?? 0) + 1;
    oldest = Math.min(oldest, a.created_at_ms);
    const failure = openFailure(a, now);
    if (failure) failures.push(failure);
    return true;
  });
  failures.sort((a, b) => a.age_ms - b.age_ms);
  const shown = failures.slice(0, MOST_FAILURES);
  return { open, by_state, oldest_age_ms: now - oldest, failures: shown, truncated: !complete };
}

/** Something is still to be done. An announced allocation can stay only to lead from one id to another. */
function isOpen(a: Allocation): boolean {
  return a.state !== 'announced' || a.abandoned.length > 0;
}

function openFailure(a: Allocation, now: number): OpenFailure | undefined {
  const failure = a.last_failure;
  if (!failure) return undefined;
  return {
    allocation: a.id,
    session_id: a.session_id,
    state: a.state,
    region: regionOf(a),
    attempts: a.attempts,
    failure: failure.kind,
    operation: failure.operation,
    ...(failure.status === undefined ? {} : { status: failure.status }),
    message: failure.message,
    age_ms: now - a.created_at_ms,
  };
}
