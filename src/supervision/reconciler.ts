import { ownerId, OWNER_LABEL } from '../allocation/owner';
import type { Allocation } from '../allocation/allocation';
import { ALLOCATIONS } from '../allocation/store';
import { SECOND } from '../config';
import { listSessions } from '../gameye/session-api';
import type { Instance } from '../instances/instance';
import { INSTANCES } from '../instances/store';
import type { Call } from '../nakama/caller';
import { isClockWrong } from '../nakama/clock';
import { errorText, withFields } from '../nakama/log';
import { count, time } from '../nakama/metrics';
import { visitRows } from '../nakama/pages';
import type { Nakama } from '../nakama/runtime';
import { apply, closeTogether, repairTogether } from './apply';
import { beat, ensureRuns, type Lifelong } from './heartbeat';
import { claim, LEASE_MS, renew, type Sighting } from './lease';
import { byUrgency, compare, type Plan, type Strays, type Task } from './reconcile';
import type { Unchanged } from './unchanged';

/**
 * Keeps records and sessions the same, on one node at a time: a match of its own, because it waits for the network. Every node
 * has one, and that with the lease works.
 */
export interface ReconcilerState {
  reconciler: true;
  /** Nothing to do before this. Missing at the first tick, like the rest. */
  wake_at_ms: number;
  next_pass_at_ms: number;
  /** When the lease is looked at, or renewed. */
  lease_at_ms: number;
  /** It had the lease when it last looked. */
  holds: boolean;
  seen?: Sighting;
  /** The tasks that are left of the last plan, as JSON: nothing that Nakama has to copy at every tick. */
  tasks: string;
  trusted: boolean;
  /** Lists of this account showed sessions that we know. */
  known: boolean;
  /** The plan held only a part: make the next one when it is done. */
  more: boolean;
}

export const RECONCILE_JOB = 'reconcile';

/** What one reconciler leaves to the next, and operators see. */
export interface ReconcileMemory {
  strays: Strays;
  /** A hash of the account whose lists showed sessions that we know. With another, an empty list says nothing. */
  account?: string;
  last?: {
    at_ms: number;
    took_ms: number;
    node: string;
    records: number;
    sessions: number;
    strays: number;
    tasks: number;
    distrust?: Plan['distrust'];
  };
}

const RECONCILER: Lifelong = { heartbeat: 'gameye_reconciler', seconds: 60, params: { reconciler: 'yes' } };

const LEASE_LOOK_MS = 5 * SECOND;
const LEASE_RENEW_MS = LEASE_MS / 3;
const LIST_TIMEOUT_MS = 10 * SECOND;
const READ_MS = 8 * SECOND;
/** A tick ends after this and the request that it is in, so that the lease is renewed in time. */
const TICK_MS = 4 * SECOND;
/** After a list that could not be used, and for a task that did not succeed. */
const RETRY_MS = 15 * SECOND;
/** Repairs in one transaction. */
const BATCH = 100;

/** Of this VM's match, which has it to itself. Not in its state, which Nakama copies at every tick. */
let unchanged = new Map<string, Unchanged>();

/** What a reconciler knows that has no lease. */
function newReconciler(): ReconcilerState {
  const never = { wake_at_ms: 0, next_pass_at_ms: 0, lease_at_ms: 0 };
  return { reconciler: true, ...never, holds: false, tasks: '[]', trusted: true, known: false, more: false };
}

/** Starts this node's reconciler when there is none. Never throws. */
export function ensureReconciler(nk: Nakama): void {
  ensureRuns(nk, RECONCILER);
}

/** One tick, once a second. Undefined: another match does it on this node. Never throws. */
export function loopReconciler(call: Call, before: Partial<ReconcilerState>): ReconcilerState | undefined {
  const state = { ...newReconciler(), ...before };
  if (before.tasks === undefined) unchanged = new Map();
  if (!beat(call, RECONCILER)) return undefined;
  const now = Date.now();
  if (now < state.wake_at_ms) return state;
  try {
    return tick(call, state, now);
  } catch (error) {
    withFields(call.logger, { error: errorText(error) }).error(
      'Gameye: reconciling failed, probably because of the database. It is tried again.',
    );
    // What was planned may be half done: it is planned anew.
    return { ...newReconciler(), lease_at_ms: now + LEASE_LOOK_MS, wake_at_ms: now + LEASE_LOOK_MS };
  }
}

function tick(call: Call, state: ReconcilerState, now: number): ReconcilerState {
  const isDue = now >= state.next_pass_at_ms && !isBehind(call, state, now);
  if (state.holds && !isDue && now < state.lease_at_ms) return work(call, state, now);
  const later = now + LEASE_LOOK_MS;
  if (isClockWrong(call)) return { ...newReconciler(), lease_at_ms: later, wake_at_ms: later };
  // Taken, or renewed in time. Who loses it forgets the plan.
  const claimed = claim<ReconcileMemory>(call.nk, RECONCILE_JOB, holder(call), { strays: {} }, state.seen, now);
  if (!claimed.held) {
    return { ...newReconciler(), seen: claimed.seen, lease_at_ms: later, wake_at_ms: later };
  }
  const held: ReconcilerState = { ...state, holds: true, lease_at_ms: now + LEASE_RENEW_MS };
  return isDue ? pass(call, held, claimed, now) : work(call, held, now);
}

/** What was planned comes first, within reason: a plan that takes long is not thrown away for the next one. */
function isBehind({ config }: Call, state: ReconcilerState, now: number): boolean {
  if (!state.holds || now > state.next_pass_at_ms + 2 * config.reconcileIntervalMs) return false;
  return (JSON.parse(state.tasks) as Task[]).some((task) => task.at_ms <= now && task.do !== 'confirm');
}

/** Compares everything and plans what has to be done until the next pass. */
function pass(
  call: Call,
  state: ReconcilerState,
  lease: { version: string; memory: ReconcileMemory },
  now: number,
): ReconcilerState {
  const { nk, config, ctx } = call;
  const account = accountHash(call);
  const isKnown = lease.memory.account === account;
  const plan = makePlan(call, lease.memory.strays, isKnown, now);
  const last = {
    at_ms: now,
    took_ms: Date.now() - now,
    node: ctx.node,
    records: plan.records,
    sessions: plan.sessions,
    strays: Object.keys(plan.strays).length,
    tasks: plan.tasks.length,
    ...(plan.distrust === undefined ? {} : { distrust: plan.distrust }),
  };
  logPass(call, last);
  const known = isKnown || plan.showsAny ? { account } : {};
  const memory: ReconcileMemory = { strays: plan.strays, ...known, last };
  const version = renew(nk, RECONCILE_JOB, holder(call), memory, lease.version, Date.now());
  if (version === 'conflict') return newReconciler();
  const retry = plan.distrust === 'failed' || plan.distrust === 'records_unread';
  const wait = retry ? Math.min(RETRY_MS, config.reconcileIntervalMs) : config.reconcileIntervalMs;
  return {
    ...state,
    lease_at_ms: Date.now() + LEASE_RENEW_MS,
    // From its end: a pass that takes as long as the interval must leave time for what it planned.
    next_pass_at_ms: Date.now() + wait,
    wake_at_ms: 0,
    tasks: JSON.stringify(plan.tasks),
    trusted: plan.distrust === undefined,
    known: isKnown,
    more: plan.more,
  };
}

/** The list first, then the allocations, then the instances: whatever moves on meanwhile is in one that is read later. */
function makePlan(call: Call, strays: Strays, isKnownAccount: boolean, now: number): Plan {
  const { nk, config } = call;
  const owner = ownerId(nk);
  const listed = listSessions(nk, config, { name: OWNER_LABEL, value: owner }, LIST_TIMEOUT_MS);
  if (listed.kind !== 'done') {
    const { kind: failure, message, status, identifier } = listed.failure;
    withFields(call.logger, { failure, message, status, identifier }).warn(
      'Gameye: the sessions could not be listed; nothing is concluded from that.',
    );
  }
  const deadline = Date.now() + READ_MS;
  const open = openSessions(nk, deadline);
  const listing = listed.kind === 'done' ? listed.value : undefined;
  const comparison = compare(config, owner, listing, unchanged, isKnownAccount, now, now + config.reconcileIntervalMs);
  const complete = visitRows<Instance>(nk, INSTANCES, deadline, (instance, id, version) => {
    comparison.visit(id, version, instance);
    return true;
  });
  const plan = comparison.finish(complete ? open : undefined, strays);
  unchanged = plan.unchanged;
  return plan;
}

/** Every session id that an open allocation may have started, or still looks after. */
function openSessions(nk: Nakama, deadline: number): Set<string> | undefined {
  const open = new Set<string>();
  const complete = visitRows<Allocation>(nk, ALLOCATIONS, deadline, (allocation, key) => {
    open.add(key);
    open.add(allocation.session_id);
    for (const { session_id } of allocation.abandoned) open.add(session_id);
    return true;
  });
  return complete ? open : undefined;
}

/** Does what is due, for as long as a tick may take. */
function work(call: Call, state: ReconcilerState, now: number): ReconcilerState {
  const owner = ownerId(call.nk);
  const deadline = now + TICK_MS;
  let left = (JSON.parse(state.tasks) as Task[]).sort(byUrgency);
  let trusted = state.trusted;
  const closed = new Set<string>();
  while (Date.now() < deadline) {
    const first = left.find((task) => task.at_ms <= Date.now());
    if (!first) break;
    if (first.do === 'repair') {
      const together = left.filter(isRepair).slice(0, BATCH);
      if (together.length > 1 && repairTogether(call, together)) {
        left = left.filter((task) => !(isRepair(task) && together.includes(task)));
        continue;
      }
    }
    if (first.do === 'stop' && !closed.has(first.id)) {
      const stops = left.filter((task) => task.do === 'stop' && task.at_ms <= Date.now()).slice(0, BATCH);
      closeTogether(
        call,
        stops.map(({ id }) => id),
      );
      for (const { id } of stops) closed.add(id);
    }
    left = left.filter((task) => task !== first);
    const applied = apply(call, owner, first, { trusted, known: state.known });
    if (applied === 'again') left.push({ ...first, at_ms: Date.now() + RETRY_MS });
    if (applied === 'alive') {
      // The list was wrong about one, so it may be about all.
      withFields(call.logger, { session: first.id }).warn(
        'Gameye: a running session is missing in the list of sessions; nothing more is concluded from that list.',
      );
      trusted = false;
      left = left.filter((task) => task.do === 'stop');
    }
  }
  const isDone = left.length === 0;
  const next_pass_at_ms = isDone && state.more ? 0 : state.next_pass_at_ms;
  const due = Math.min(next_pass_at_ms, state.lease_at_ms, ...left.map((task) => task.at_ms));
  return {
    ...state,
    tasks: JSON.stringify(left),
    trusted,
    next_pass_at_ms,
    more: state.more && !isDone,
    wake_at_ms: due,
  };
}

function isRepair(task: Task): task is Extract<Task, { do: 'repair' }> {
  return task.do === 'repair';
}

function logPass(call: Call, last: NonNullable<ReconcileMemory['last']>): void {
  const outcome = last.distrust ?? 'ok';
  time(call.nk, 'gameye_reconcile', { outcome }, last.took_ms);
  count(call.nk, 'gameye_reconciled', { change: 'strays_seen' }, last.strays);
  const logger = withFields(call.logger, {
    outcome,
    records: last.records,
    sessions: last.sessions,
    strays: last.strays,
    tasks: last.tasks,
    took_ms: last.took_ms,
  });
  if (last.distrust === undefined || last.distrust === 'failed') {
    logger.debug('Gameye: records and sessions were compared.');
  } else {
    logger.warn('Gameye: the list of sessions looks wrong and is not used. It is asked for again at the next pass.');
  }
}

function holder({ ctx }: Call): string {
  return ctx.matchId ?? ctx.node;
}

/** Which account asks, without telling its token. */
function accountHash({ nk, config }: Call): string {
  return nk.base16Encode(nk.hmacSha256Hash(config.apiUrl, config.apiToken)).toLowerCase().slice(0, 16);
}
