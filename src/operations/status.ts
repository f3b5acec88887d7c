import { askedFor, fromRow, nextStep } from '../allocation/allocation';
import { regionOf } from '../allocation/launch';
import { readOrders, type Orders } from '../allocation/orders';
import { versionInForce } from '../allocation/version';
import { hasWarm, warmPlan, type WarmKind } from '../allocation/warm';
import type { AllocationRow } from '../database/allocation-row';
import { databaseNow } from '../database/clock';
import { readControl } from '../database/control';
import { groupInstances, queuedAllocations, type Group } from '../database/operators';
import { countWarm } from '../database/warm';
import type { FailureKind } from '../gameye/failure';
import { modeConfig } from '../mode-config';
import type { Call } from '../nakama/caller';
import { MODULE_VERSION } from './module-version';

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

interface InForce {
  image: string;
  version: string;
  regions: string[];
}

export interface Status {
  module: { version: string; node: string; nakama: string };
  /** What new sessions are started with. Version empty: Gameye's tag with the highest priority. */
  in_force: InForce & {
    fleet: string;
    /** The modes of GAMEYE_MODES, each with its own. */
    modes?: { [mode: string]: InForce };
    /** What operators ordered, as gameye_set_version and gameye_set_region keep it. */
    ordered: Pick<Orders, 'versions' | 'regions'>;
  };
  instances: { sessions: number; players: number; open_seats: number; groups: Group[]; truncated: boolean };
  allocations: {
    open: number;
    by_state: { [state: string]: number };
    oldest_age_ms: number;
    queue: Queued[];
    truncated: boolean;
  };
  /** Sessions that are kept started and empty; missing without any. */
  warm?: Warm[];
  /** The last comparison of records and sessions, on whatever node; missing before the first. */
  reconcile?: Reconciled;
}

/** The warm sessions of a mode in one region. */
export interface Warm {
  mode: string;
  region: string;
  wanted: number;
  ready: number;
  starting: number;
}

/** The job whose memory says how the last comparison of a fleet's records and sessions went. */
export function reconcileJob(fleet: string): string {
  return `reconcile:${fleet}`;
}

/** What the last comparison found. */
export interface Reconciled {
  at_ms: number;
  took_ms: number;
  node: string;
  records: number;
  sessions: number;
  strays: number;
  tasks: number;
  /** Why the list of sessions was not used. */
  distrust?: string;
}

const MOST_QUEUED = 100;

/**
 * The fleet as the records show it: at most `limit` instances and as many allocations are counted, and the answer says when
 * there are more. Groups come with the most sessions first, the queue with the oldest allocation first, at most 100.
 */
export function fleetStatus(call: Call, limit: number): Status {
  const { nk, config, ctx } = call;
  const orders = readOrders(nk, config);
  const { fleet } = config;
  const inForce = (mode: string): InForce => {
    const { image, regions, ...rest } = modeConfig(config, mode);
    return { image, version: versionInForce(orders, { image, regions, ...rest }), regions };
  };
  const modes = Object.keys(config.modes).map((mode): [string, InForce] => [mode, inForce(mode)]);
  const last = readControl<{ last?: Reconciled }>(nk, reconcileJob(fleet))?.last;
  return {
    module: { version: MODULE_VERSION, node: ctx.node, nakama: ctx.version },
    in_force: {
      fleet,
      ...inForce(''),
      ...(modes.length > 0 ? { modes: Object.fromEntries(modes) } : {}),
      ordered: { versions: orders.versions, regions: orders.regions },
    },
    instances: instances(call, limit),
    allocations: allocations(call, limit),
    ...(hasWarm(config) ? { warm: warm(call) } : {}),
    ...(last ? { reconcile: last } : {}),
  };
}

function instances({ nk, config }: Call, limit: number): Status['instances'] {
  const { groups, truncated } = groupInstances(nk, config.fleet, limit);
  const sum = (what: 'sessions' | 'players' | 'open_seats'): number =>
    groups.reduce((total, group) => total + group[what], 0);
  return { sessions: sum('sessions'), players: sum('players'), open_seats: sum('open_seats'), groups, truncated };
}

function allocations({ nk, config }: Call, limit: number): Status['allocations'] {
  const { oldest_ms, oldest, ...counted } = queuedAllocations(nk, config.fleet, limit, MOST_QUEUED);
  const now = databaseNow();
  const queue = oldest.map((row) => queued(row, now));
  return { ...counted, oldest_age_ms: oldest_ms === null ? 0 : now - oldest_ms, queue };
}

function warm(call: Call): Warm[] {
  const plan = warmPlan(call);
  return countWarm(call.nk, call.config.fleet, plan).map(({ ready, starting }, i) => {
    const { config, region, wanted } = plan[i] as WarmKind;
    return { mode: config.mode, region, wanted, ready, starting };
  });
}

function queued(row: AllocationRow, now: number): Queued {
  const a = fromRow(row);
  const { last_failure: failure } = a;
  const step = nextStep(a, now);
  return {
    allocation: a.id,
    session_id: a.session_id,
    state: a.cancelled && a.state !== 'failed' ? 'cancelled' : a.state,
    region: regionOf(a),
    players: askedFor(a).length,
    attempts: a.attempts,
    age_ms: now - a.created_at_ms,
    next_try_in_ms: step.do === 'wait' ? step.untilMs - now : 0,
    deadline_in_ms: a.deadline_ms - now,
    told: a.state === 'announced' || ('told' in a && a.told !== undefined && a.told !== false),
    ids_to_stop: a.abandoned.length,
    ...(failure && { failure: failure.kind, operation: failure.operation, message: failure.message }),
    ...(failure?.status === undefined ? {} : { status: failure.status }),
  };
}
