import { OWNER_LABEL } from '../allocation/launch';
import { hasStarted } from '../allocation/account';
import { holder } from '../allocation/ownership';
import { SECOND } from '../config';
import { databaseNow } from '../database/clock';
import { claimJob, keepJob, ownerId } from '../database/control';
import { compareSessions, type Comparison } from '../database/reconcile';
import { listSessions } from '../gameye/session-api';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { count, time } from '../nakama/metrics';
import { RECONCILE_JOB, type Reconciled } from '../operations/status';
import { beatReconciler } from './heartbeat';
import { byUrgency, MOST_CONFIRMED, MOST_TASKS, planFrom, YOUNG_MS, type Plan, type Strays, type Task } from './plan';
import { closeIdle, confirm, repair, settleStray, stop, type Done } from './tasks';

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
  /** The tasks that are left of the last plan, as JSON: nothing that Nakama has to copy at every tick. */
  tasks: string;
  trusted: boolean;
  /** Sessions of ours were seen with this account. */
  known: boolean;
  /** The plan held only a part: make the next one when it is done. */
  more: boolean;
}

/** What one reconciler leaves to the next, and operators see. */
interface ReconcileMemory {
  strays: Strays;
  /** A hash of the account whose lists showed sessions that we know. With another, an empty list says nothing. */
  account?: string;
  last?: Reconciled;
}

const LEASE_MS = 20 * SECOND;
const LEASE_LOOK_MS = 5 * SECOND;
const LEASE_RENEW_MS = LEASE_MS / 3;
const LIST_TIMEOUT_MS = 10 * SECOND;
/** A tick ends after this and the request that it is in, so that the lease is renewed in time. */
const TICK_MS = 4 * SECOND;
/** After a list that could not be used, and for a task that did not succeed. */
const RETRY_MS = 15 * SECOND;

/** What a reconciler knows that has no lease. */
function newReconciler(): ReconcilerState {
  const never = { wake_at_ms: 0, next_pass_at_ms: 0, lease_at_ms: 0 };
  return { reconciler: true, ...never, holds: false, tasks: '[]', trusted: true, known: false, more: false };
}

/** One tick, once a second. Undefined: another match does it on this node. Never throws. */
export function loopReconciler(call: Call, before: Partial<ReconcilerState>): ReconcilerState | undefined {
  const state = { ...newReconciler(), ...before };
  if (!beatReconciler(call)) return undefined;
  const now = databaseNow();
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
  if (state.holds && !isDue && now < state.lease_at_ms) return work(call, state);
  // Taken, or renewed in time. Who loses it forgets the plan.
  const memory = claimJob<ReconcileMemory>(call.nk, RECONCILE_JOB, holder(call), LEASE_MS, { strays: {} });
  if (!memory) {
    const later = now + LEASE_LOOK_MS;
    return { ...newReconciler(), lease_at_ms: later, wake_at_ms: later };
  }
  const held: ReconcilerState = { ...state, holds: true, lease_at_ms: databaseNow() + LEASE_RENEW_MS };
  return isDue ? pass(call, held, memory) : work(call, held);
}

/** What was planned comes first, within reason: a plan that takes long is not thrown away for the next one. */
function isBehind({ config }: Call, state: ReconcilerState, now: number): boolean {
  if (!state.holds || now > state.next_pass_at_ms + 2 * config.reconcileIntervalMs) return false;
  return (JSON.parse(state.tasks) as Task[]).some((task) => task.at_ms <= now && task.do !== 'confirm');
}

/** Compares everything and plans what has to be done until the next pass. */
function pass(call: Call, state: ReconcilerState, memory: ReconcileMemory): ReconcilerState {
  const { nk, config, ctx } = call;
  const account = accountHash(call);
  // An account with which a session of ours was started is the right one, also before any list has shown it.
  const isKnown = memory.account === account || hasStarted(nk);
  const startedAt = databaseNow();
  const { found, plan } = makePlan(call, memory.strays, isKnown);
  const now = databaseNow();
  const last: Reconciled = {
    at_ms: startedAt,
    took_ms: now - startedAt,
    node: ctx.node,
    records: found.records,
    sessions: found.sessions ?? 0,
    strays: Object.keys(plan.strays).length,
    tasks: plan.tasks.length,
    ...(plan.distrust === undefined ? {} : { distrust: plan.distrust }),
  };
  logPass(call, last);
  const known = isKnown || found.shows_any ? { account } : {};
  if (!keepJob(nk, RECONCILE_JOB, holder(call), LEASE_MS, { strays: plan.strays, ...known, last }))
    return newReconciler();
  const wait = plan.distrust === 'failed' ? Math.min(RETRY_MS, config.reconcileIntervalMs) : config.reconcileIntervalMs;
  return {
    ...state,
    lease_at_ms: databaseNow() + LEASE_RENEW_MS,
    // From its end: a pass that takes as long as the interval must leave time for what it planned.
    next_pass_at_ms: databaseNow() + wait,
    wake_at_ms: 0,
    tasks: JSON.stringify(plan.tasks),
    trusted: plan.distrust === undefined,
    known: isKnown,
    more: plan.more,
  };
}

/** The list first, then the records: whatever moves on meanwhile has its record by then. */
function makePlan(call: Call, strays: Strays, isKnownAccount: boolean): { found: Comparison; plan: Plan } {
  const { nk, config } = call;
  const owner = ownerId(nk);
  const listed = listSessions(nk, config, { name: OWNER_LABEL, value: owner }, LIST_TIMEOUT_MS);
  if (listed.kind !== 'done') {
    const { kind: failure, message, status, identifier } = listed.failure;
    withFields(call.logger, { failure, message, status, identifier }).warn(
      'Gameye: the sessions could not be listed; nothing is concluded from that.',
    );
  }
  const found = compareSessions(nk, {
    ...(listed.kind === 'done' ? { listing: listed.value } : {}),
    fleet: config.fleet,
    owner,
    empty_grace_ms: config.emptyGraceMs,
    young_ms: YOUNG_MS,
    horizon_ms: config.reconcileIntervalMs,
    most: MOST_TASKS,
    most_confirmed: MOST_CONFIRMED,
  });
  if (listed.kind === 'done' && found.sessions === null) {
    call.logger.warn('Gameye: the list of sessions is not readable; nothing is concluded from that.');
  }
  const now = databaseNow();
  return { found, plan: planFrom(config, found, strays, isKnownAccount, now, now + config.reconcileIntervalMs) };
}

/** Does what is due, for as long as a tick may take. */
function work(call: Call, state: ReconcilerState): ReconcilerState {
  const deadline = databaseNow() + TICK_MS;
  let left = (JSON.parse(state.tasks) as Task[]).sort(byUrgency);
  let { trusted } = state;
  const closed = new Map<string, string>();
  while (databaseNow() < deadline) {
    const now = databaseNow();
    const first = left.find((task) => task.at_ms <= now);
    if (!first) break;
    if (first.do === 'repair') {
      const repairs = left.filter(isRepair);
      repair(call, repairs);
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
    const done = doOne(call, first, closed, { trusted, known: state.known });
    if (done === 'again') left.push({ ...first, at_ms: databaseNow() + RETRY_MS });
    if (done === 'alive') {
      // The list was wrong about one, so it may be about all.
      withFields(call.logger, { session: first.id }).warn(
        'Gameye: a running session is missing in the list of sessions; nothing more is concluded from that list.',
      );
      trusted = false;
      left = left.filter(isStop);
    }
  }
  const isDone = left.length === 0;
  const next_pass_at_ms = isDone && state.more ? 0 : state.next_pass_at_ms;
  return {
    ...state,
    tasks: JSON.stringify(left),
    trusted,
    next_pass_at_ms,
    more: state.more && !isDone,
    wake_at_ms: Math.min(next_pass_at_ms, state.lease_at_ms, ...left.map((task) => task.at_ms)),
  };
}

function doOne(
  call: Call,
  task: Exclude<Task, { do: 'repair' }>,
  closed: Map<string, string>,
  list: { trusted: boolean; known: boolean },
): Done {
  switch (task.do) {
    case 'stop':
      return stop(call, task.id, closed.get(task.id) ?? '', task.reason);
    case 'confirm':
      return confirm(call, task, list);
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
