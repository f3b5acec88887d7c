import { OWNER_LABEL } from '../allocation/owner';
import { SECOND } from '../config';
import { describeSession, stopSession } from '../gameye/session-api';
import { isLive, type SessionView } from '../gameye/wire';
import { instanceFromSession, LOST, refreshed, takesPlayers, withSeats, type Instance } from '../instances/instance';
import {
  insertInstance,
  INSTANCES,
  markLost,
  readInstance,
  removeInstance,
  updateInstance,
  updateTogether,
} from '../instances/store';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import { readRows } from '../nakama/storage';
import type { Task } from './reconcile';
import { retirement } from './retire';

const CALL_TIMEOUT_MS = 10 * SECOND;

/** What came of a task: `again` when the API did not answer, `alive` when the list was wrong about a session. */
export type Applied = 'done' | 'again' | 'alive';

/** The list that led to a task: whether it was believed, and whether lists of this account have shown sessions that we know. */
export interface ListSeen {
  trusted: boolean;
  known: boolean;
}

/**
 * Does one task of a plan, which may be old: it looks again before it changes anything, and doing it twice or on two nodes
 * at once does no harm. Blocks on the network.
 */
export function apply(call: Call, owner: string, task: Task, list: ListSeen): Applied {
  switch (task.do) {
    case 'stop':
      return stopIdle(call, task);
    case 'confirm':
      return confirm(call, owner, task, list);
    case 'repair':
      repair(call, task.id, task.session);
      return 'done';
    case 'adopt':
    case 'stop-stray':
      return settleStray(call, owner, task);
  }
}

/** Repairs as many records as one transaction takes. False: one of them changed meanwhile, so nothing was written. */
export function repairTogether(call: Call, tasks: Extract<Task, { do: 'repair' }>[]): boolean {
  const now = Date.now();
  const sessions = new Map(tasks.map(({ id, session }) => [id, session]));
  const rows = readRows<Instance>(call.nk, INSTANCES, [...sessions.keys()]);
  const repaired = updateTogether(call.nk, rows, (instance) =>
    repairedBy(call, instance, sessions.get(instance.id), now),
  );
  if (repaired === 'conflict') return false;
  count(call.nk, 'gameye_reconciled', { change: 'repaired' }, repaired);
  return true;
}

function repair(call: Call, id: string, session: Extract<Task, { do: 'repair' }>['session']): void {
  updateInstance(call.nk, id, (instance) => repairedBy(call, instance, session, Date.now()));
  count(call.nk, 'gameye_reconciled', { change: 'repaired' });
}

function repairedBy(
  call: Call,
  instance: Instance,
  session: Extract<Task, { do: 'repair' }>['session'],
  now: number,
): Instance {
  if (session) return refreshed(call.config, instance, session, now);
  const counted = withSeats(instance, now, (seats) => seats);
  return counted.player_count === instance.player_count ? instance : counted;
}

/**
 * Closes the doors of sessions that are to be stopped, as many as one transaction takes: each then needs no write of its own.
 * When one of them changed meanwhile, nothing was written, and each closes its own.
 */
export function closeTogether(call: Call, ids: string[]): void {
  if (ids.length < 2) return;
  const now = Date.now();
  updateTogether(call.nk, readRows<Instance>(call.nk, INSTANCES, ids), (instance) => {
    const closed = closedBy(call, instance, now);
    return closed === 'in-use' ? instance : closed;
  });
}

/** The instance with its door closed when it is time to stop it. */
function closedBy({ config }: Call, instance: Instance, now: number): Instance | 'in-use' {
  const end = retirement(config, instance, now);
  if (!end || end.at_ms > now) return 'in-use';
  return takesPlayers(instance) ? { ...instance, status: 'draining' } : instance;
}

/** Closes its door first, so that nobody gets a seat in a session that is being stopped. */
function stopIdle(call: Call, task: Extract<Task, { do: 'stop' }>): Applied {
  const closed = updateInstance<Instance | 'in-use'>(call.nk, task.id, (one) => closedBy(call, one, Date.now()));
  if (closed === undefined || closed === 'in-use') return 'done';
  return stop(call, task.id, closed.region, task.reason);
}

function stop(call: Call, id: string, region: string, reason: string): Applied {
  const outcome = stopSession(call.nk, call.config, id, CALL_TIMEOUT_MS);
  if (outcome.kind !== 'done') return logFailure(call, id, outcome.failure);
  removeInstance(call.nk, id);
  withFields(call.logger, { session: id, region, reason }).info('Gameye: a session was stopped.');
  count(call.nk, 'gameye_retired', { reason });
  return 'done';
}

/** The list does not show it. Only what the API says of this session alone ends its record. */
function confirm(call: Call, owner: string, task: Extract<Task, { do: 'confirm' }>, list: ListSeen): Applied {
  const { nk, config } = call;
  const { id } = task;
  const outcome = describeSession(nk, config, id, CALL_TIMEOUT_MS);
  if (outcome.kind === 'done' && isLive(outcome.value.status)) {
    const session = outcome.value;
    updateInstance(nk, id, (instance) => refreshed(config, instance, session, Date.now()));
    // One that restarts, is from a warm pool or of an older version of this module is in no list of ours.
    const isListed = session.status === 'running' && session.labels[OWNER_LABEL] === owner;
    return isListed && !task.young ? 'alive' : 'done';
  }
  if (outcome.kind !== 'done' && outcome.failure.kind !== 'not-found') return logFailure(call, id, outcome.failure);
  // Without a list that can be believed it takes two looks, in two comparisons, with an account that has shown others.
  const isCertain = list.trusted || (list.known && readInstance(nk, id)?.value.status === LOST);
  if (outcome.kind !== 'done' && !isCertain) {
    markLost(nk, id);
    return 'done';
  }
  removeInstance(nk, id);
  withFields(call.logger, { session: id }).info('Gameye: a record was removed, because its session has ended.');
  count(nk, 'gameye_reconciled', { change: 'removed' });
  return 'done';
}

/** A session of ours without a record: a record for it when there are players in it, its end when not. */
function settleStray(call: Call, owner: string, task: Extract<Task, { do: 'adopt' | 'stop-stray' }>): Applied {
  const { nk, config } = call;
  if (readInstance(nk, task.id)) return 'done';
  const outcome = describeSession(nk, config, task.id, CALL_TIMEOUT_MS);
  if (outcome.kind !== 'done') {
    return outcome.failure.kind === 'not-found' ? 'done' : logFailure(call, task.id, outcome.failure);
  }
  const session = outcome.value;
  if (!isLive(session.status) || session.labels[OWNER_LABEL] !== owner) return 'done';
  if ((session.players ?? []).length > 0) {
    adopt(call, session);
    return 'done';
  }
  return task.do === 'adopt' ? 'done' : stop(call, session.id, session.region, 'stray');
}

function adopt(call: Call, session: SessionView): void {
  const instance = instanceFromSession(call.config, session, Date.now());
  if (!instance || insertInstance(call.nk, instance) === 'conflict') return;
  const fields = { session: session.id, region: session.region, players: instance.player_count };
  withFields(call.logger, fields).warn('Gameye: a running session without a record has one again.');
  count(call.nk, 'gameye_reconciled', { change: 'adopted' });
}

function logFailure(call: Call, id: string, failure: { kind: string; message: string }): 'again' {
  withFields(call.logger, { session: id, failure: failure.kind, message: failure.message }).warn(
    'Gameye: a session could not be reconciled; it is tried again.',
  );
  return 'again';
}
