import { hasStarted } from '../allocation/account';
import { OWNER_LABEL } from '../allocation/launch';
import { holder } from '../allocation/ownership';
import { SECOND } from '../config';
import { databaseNow } from '../database/clock';
import { claimJob, keepJob, ownerId } from '../database/control';
import { compareSessions, type Comparison, type Strays } from '../database/reconcile';
import { listSessions } from '../gameye/session-api';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { count, time } from '../nakama/metrics';
import { reconcileJob, type Reconciled } from '../operations/status';
import { beatReconciler, ensureSupervisor } from './heartbeat';
import { byUrgency, MOST_TASKS, planFrom, type Plan, type Task } from './plan';
import { noteUsage } from './usage';
import { closeIdle, confirm, repair, settleStray, stop, type Done, type ListSeen } from './tasks';

/**
 * Keeps records and sessions the same, on one node at a time: a match of its own, because it waits for the network. Every node
 * has one, and that with the lease works. Times are by the database's clock.
 */
export interface ReconcilerState {
  reconciler: true;
  /** In whose name it has the lease: the first match's of those that hand on to each other. */
  name: string;
  /** Nothing to do before this. Missing at the first tick, like the rest. */
  wake_at_ms: number;
  next_pass_at_ms: number;
  /** When the lease is looked at, or renewed. */
  lease_at_ms: number;
  /** It had the lease when it last looked. */
  holds: boolean;
  /** The tasks that are left of the last plan, as JSON: nothing that Nakama has to copy at every tick. */
  tasks: string;
  /** What led to them. */
  list: ListSeen;
  /** The plan held only a part: make the next one when it is done. */
  more: boolean;
  /** The database could not read the last list. */
  odd: boolean;
}

/** What one reconciler leaves to the next, and operators see. */
interface ReconcileMemory {
  strays: Strays;
  /** A hash of the account whose lists showed sessions that we know. With another, an empty list says nothing. */
  account?: string;
  last?: Reconciled;
}

/** Longer than the longest request and the statement that reads its answer. */
const LEASE_MS = 20 * SECOND;
const LEASE_LOOK_MS = 5 * SECOND;
const LEASE_RENEW_MS = LEASE_MS / 3;
const LIST_TIMEOUT_MS = 10 * SECOND;
/** A tick ends after this and the request that it is in, so that the lease is renewed in time. */
const TICK_MS = 4 * SECOND;
/** After a list that could not be used, and for a task that did not succeed. */
const RETRY_MS = 15 * SECOND;

/** What a reconciler knows that has no lease, and looks for it at this time. */
function newReconciler(name: string, lookAtMs = 0): ReconcilerState {
  return {
    reconciler: true,
    name,
    wake_at_ms: lookAtMs,
    next_pass_at_ms: 0,
    lease_at_ms: lookAtMs,
    holds: false,
    tasks: '[]',
    list: { trusted: true, known: false },
    more: false,
    odd: false,
  };
}

/** One tick, once a second. Undefined: another match does it on this node. Never throws. */
export function loopReconciler(call: Call, before: Partial<ReconcilerState>): ReconcilerState | undefined {
  const state = { ...newReconciler(holder(call)), ...before };
  if (!beatReconciler(call)) return undefined;
  ensureSupervisor(call.nk);
  const now = databaseNow();
  // No wait is longer than a lease: this server's clock was put back, and the next statement says what time it is.
  const isPutBack = state.wake_at_ms - now > LEASE_MS;
  if (now < state.wake_at_ms && !isPutBack) return state;
  try {
    return tick(call, isPutBack ? { ...state, lease_at_ms: 0 } : state, now);
  } catch (error) {
    withFields(call.logger, { error: errorText(error) }).error(
      'Gameye: reconciling failed, probably because of the database. It is tried again.',
    );
    // What was planned may be half done: it is planned anew.
    return newReconciler(state.name, now + LEASE_LOOK_MS);
  }
}

function tick(call: Call, state: ReconcilerState, now: number): ReconcilerState {
  const isDue = now >= state.next_pass_at_ms && !isBehind(call, state, now);
  if (state.holds && !isDue && now < state.lease_at_ms) return work(call, state);
  // Taken, or renewed in time. Who loses it forgets the plan.
  const memory = claimLease(call, state.name);
  if (!memory) return newReconciler(state.name, databaseNow() + LEASE_LOOK_MS);
  const held: ReconcilerState = { ...state, holds: true, lease_at_ms: databaseNow() + LEASE_RENEW_MS };
  return isDue ? pass(call, held, memory) : work(call, held);
}

function claimLease(call: Call, name: string): ReconcileMemory | undefined {
  const { nk, config } = call;
  return claimJob<ReconcileMemory>(nk, reconcileJob(config.fleet), name, LEASE_MS, { strays: {} });
}

/** What was planned comes first, within reason: a plan that takes long is not thrown away for the next one. */
function isBehind({ config }: Call, state: ReconcilerState, now: number): boolean {
  if (!state.holds || now > state.next_pass_at_ms + 2 * config.reconcileIntervalMs) return false;
  return (JSON.parse(state.tasks) as Task[]).some((task) => task.at_ms <= now && task.do !== 'confirm');
}

/** Compares everything and plans what has to be done until the next pass. */
function pass(call: Call, state: ReconcilerState, memory: ReconcileMemory): ReconcilerState {
  const { nk, config, ctx } = call;
  const startedAt = Date.now();
  const at_ms = databaseNow();
  const account = accountHash(call);
  // An account with which a session of ours was started is the right one, also before any list has shown it.
  const known = memory.account === account || hasStarted(nk);
  const listing = list(call, state.odd);
  // Reading the list may have taken long, and so may comparing it.
  if (!beatReconciler(call) || !claimLease(call, state.name))
    return newReconciler(state.name, databaseNow() + LEASE_LOOK_MS);
  const { found, isUnread } = compare(call, listing, memory.strays);
  const made = planFrom(found, memory.strays, known, databaseNow());
  const plan: Plan = isUnread ? { ...made, distrust: 'records_unread' } : made;
  const last: Reconciled = {
    at_ms,
    took_ms: Date.now() - startedAt,
    node: ctx.node,
    records: found.records,
    sessions: found.sessions,
    strays: Object.keys(plan.strays).length,
    tasks: plan.tasks.length,
    ...(plan.distrust === undefined ? {} : { distrust: plan.distrust }),
  };
  logPass(call, last);
  noteUsage(call);
  const left = { strays: plan.strays, ...(known || found.shows_any ? { account } : {}), last };
  if (!keepJob(nk, reconcileJob(config.fleet), state.name, LEASE_MS, left)) return newReconciler(state.name);
  const retry = plan.distrust === 'failed' || plan.distrust === 'records_unread';
  const now = databaseNow();
  return {
    ...state,
    lease_at_ms: now + LEASE_RENEW_MS,
    // From its end: a pass that takes as long as the interval must leave time for what it planned.
    next_pass_at_ms: now + (retry ? Math.min(RETRY_MS, config.reconcileIntervalMs) : config.reconcileIntervalMs),
    wake_at_ms: 0,
    tasks: JSON.stringify(plan.tasks),
    list: { trusted: plan.distrust === undefined, known },
    more: plan.more,
    odd: !state.odd && listing !== undefined && !found.listed,
  };
}

/** The list of sessions as a text; undefined when it could not be had. */
function list(call: Call, odd: boolean): string | undefined {
  const { nk, config } = call;
  const listed = listSessions(nk, config, { name: OWNER_LABEL, value: ownerId(nk) }, LIST_TIMEOUT_MS, odd);
  if (listed.kind === 'done') return listed.value;
  const { kind: failure, message: detail, status, identifier } = listed.failure;
  withFields(call.logger, { failure, detail, status, identifier }).warn(
    'Gameye: the sessions could not be listed; nothing is concluded from that.',
  );
  return undefined;
}

/** The list first, then the records: whatever moves on meanwhile has its record by then. */
function compare(call: Call, listing: string | undefined, strays: Strays): { found: Comparison; isUnread: boolean } {
  const { nk, config, logger } = call;
  const question = {
    fleet: config.fleet,
    owner: ownerId(nk),
    strays,
    grace_ms: config.emptyGraceMs,
    horizon_ms: config.reconcileIntervalMs,
    most: MOST_TASKS,
  };
  try {
    const found = compareSessions(nk, { ...question, listing });
    if (listing !== undefined && !found.listed) {
      logger.warn('Gameye: the list of sessions is not readable; nothing is concluded from that.');
    }
    return { found, isUnread: false };
  } catch (error) {
    if (listing === undefined) throw error;
    withFields(logger, { error: errorText(error), characters: listing.length }).error(
      'Gameye: the database did not compare the list of sessions; nothing is concluded from it.',
    );
    return { found: compareSessions(nk, { ...question, listing: undefined }), isUnread: true };
  }
}

/** Does what is due, for as long as a tick may take. */
function work(call: Call, state: ReconcilerState): ReconcilerState {
  const deadline = Date.now() + TICK_MS;
  let left = (JSON.parse(state.tasks) as Task[]).sort(byUrgency);
  let seen = state.list;
  const closed = new Map<string, string>();
  while (Date.now() < deadline) {
    const now = databaseNow();
    const first = left.find((task) => task.at_ms <= now);
    if (!first) break;
    // Each may wait for the network.
    beatReconciler(call);
    if (first.do === 'repair') {
      repair(call, left.filter(isRepair));
      left = left.filter((task) => !isRepair(task));
      continue;
    }
    if (first.do === 'stop' && !closed.has(first.id)) {
      const due = left.filter(isStop).filter((task) => task.at_ms <= now && !closed.has(task.id));
      closeIdle(call, due).forEach((region, id) => closed.set(id, region));
      // The others are in use again.
      left = left.filter((task) => !isStop(task) || !due.includes(task) || closed.has(task.id));
      continue;
    }
    left = left.filter((task) => task !== first);
    const done = doOne(call, first, closed, seen);
    if (done === 'again') left.push({ ...first, at_ms: databaseNow() + RETRY_MS });
    if (done === 'alive') {
      // The list was wrong about one, so it may be about all.
      withFields(call.logger, { session: first.id }).warn(
        'Gameye: a running session is missing in the list of sessions; nothing more is concluded from that list.',
      );
      seen = { ...seen, trusted: false };
      left = left.filter(isStop);
    }
  }
  const isDone = left.length === 0;
  const next_pass_at_ms = isDone && state.more ? 0 : state.next_pass_at_ms;
  return {
    ...state,
    tasks: JSON.stringify(left),
    list: seen,
    next_pass_at_ms,
    more: state.more && !isDone,
    wake_at_ms: Math.min(next_pass_at_ms, state.lease_at_ms, ...left.map((task) => task.at_ms)),
  };
}

function doOne(call: Call, task: Exclude<Task, { do: 'repair' }>, closed: Map<string, string>, seen: ListSeen): Done {
  switch (task.do) {
    case 'stop':
      return stop(call, task.id, closed.get(task.id) ?? '', task.reason);
    case 'confirm':
      return confirm(call, task, seen);
    case 'adopt':
    case 'stop-stray':
      return settleStray(call, task);
  }
}

function isRepair(task: Task): task is Extract<Task, { do: 'repair' }> {
  return task.do === 'repair';
}

function isStop(task: Task): task is Extract<Task, { do: 'stop' }> {
  return task.do === 'stop';
}

function logPass(call: Call, last: Reconciled): void {
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

/** Which account asks, without telling its token. */
function accountHash({ nk, config }: Call): string {
  return nk.base16Encode(nk.hmacSha256Hash(config.apiUrl, config.apiToken)).toLowerCase().slice(0, 16);
}
