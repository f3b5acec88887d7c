import { forgetSession, noteStopped } from '../allocation/departure';
import { FLEET_LABEL, OWNER_LABEL } from '../allocation/launch';
import { SECOND } from '../config';
import { databaseNow } from '../database/clock';
import { ownerId } from '../database/control';
import { adoptInstance, markLost, refreshInstances } from '../database/instances';
import { closeDue, isKnownSession } from '../database/reconcile';
import { describeSession, stopSession } from '../gameye/session-api';
import { isLive, readListed, type SessionView } from '../gameye/wire';
import { adoptionOf, refreshedBy } from '../instances/instance';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import type { EndReason } from '../records';
import type { Task } from './plan';

/*
 * Doing what was planned, which may be old by now: each task looks again before it changes anything, and doing it twice or on
 * two nodes at once does no harm. Blocks on the network.
 */

const CALL_TIMEOUT_MS = 10 * SECOND;

/** What came of a task: `again` when the API did not answer, `alive` when the list was wrong about a session. */
export type Done = 'done' | 'again' | 'alive';

/** The list that led to a task: whether it was believed, and whether sessions of ours were started or seen with this account. */
export interface ListSeen {
  trusted: boolean;
  known: boolean;
}

type One<Kind extends Task['do']> = Extract<Task, { do: Kind }>;

/** Closes the sessions that are still due, and answers their regions by id; the others are in use again. */
export function closeIdle({ nk, config }: Call, tasks: One<'stop'>[]): Map<string, string> {
  const ids = tasks.map(({ id }) => id);
  return new Map(Object.entries(closeDue(nk, config.fleet, ids, config.emptyGraceMs)));
}

/** Stops a session; nobody can get a seat in it any more. */
export function stop(call: Call, id: string, region: string, reason: EndReason | 'stray'): Done {
  const outcome = stopSession(call.nk, call.config, id, CALL_TIMEOUT_MS);
  if (outcome.kind !== 'done') return logFailure(call, id, outcome.failure);
  noteStopped(call, id, region, reason);
  return 'done';
}

/** Takes over what the list shows of many sessions, in one statement. */
export function repair({ nk, config }: Call, tasks: One<'repair'>[]): void {
  const shown = tasks.map(({ id, entry }) => ({ id, ...refreshedBy(readListed(entry)) }));
  const repaired = refreshInstances(nk, config.fleet, shown);
  count(nk, 'gameye_reconciled', { change: 'repaired' }, repaired);
}

/** The list does not show it. Only what the API says of this session alone ends its record. */
export function confirm(call: Call, { id, young }: One<'confirm'>, list: ListSeen): Done {
  const { nk, config } = call;
  const outcome = describeSession(nk, config, id, CALL_TIMEOUT_MS);
  if (outcome.kind === 'done' && isLive(outcome.value.status)) {
    const session = outcome.value;
    refreshInstances(nk, config.fleet, [{ id, ...refreshedBy(session) }]);
    // One that restarts, is from a warm pool or of an older version of this module is in no list of ours.
    const isListed = session.status === 'running' && session.labels[OWNER_LABEL] === ownerId(nk);
    return isListed && !young ? 'alive' : 'done';
  }
  if (outcome.kind !== 'done') {
    if (outcome.failure.kind !== 'not-found') return logFailure(call, id, outcome.failure);
    // Without a list that can be believed it takes two looks, in two comparisons, with an account that has ours.
    const isCertain = list.trusted || (markLost(nk, config.fleet, id) >= 2 && list.known);
    if (!isCertain) return 'done';
  }
  forgetSession(call, id, 'gone');
  withFields(call.logger, { session: id }).info('Gameye: a record was removed, because its session has ended.');
  count(nk, 'gameye_reconciled', { change: 'removed' });
  return 'done';
}

/** A session of ours without a record: a record for it when there are players in it, its end when not. */
export function settleStray(call: Call, task: One<'adopt' | 'stop-stray'>): Done {
  const { nk, config } = call;
  if (isKnownSession(nk, task.id)) return 'done';
  const outcome = describeSession(nk, config, task.id, CALL_TIMEOUT_MS);
  if (outcome.kind !== 'done') {
    return outcome.failure.kind === 'not-found' ? 'done' : logFailure(call, task.id, outcome.failure);
  }
  const session = outcome.value;
  const isOurs = session.labels[OWNER_LABEL] === ownerId(nk) && session.labels[FLEET_LABEL] === config.fleet;
  if (!isLive(session.status) || !isOurs) return 'done';
  if ((session.players ?? []).length > 0) {
    adopt(call, session);
    return 'done';
  }
  return task.do === 'adopt' ? 'done' : stop(call, session.id, session.region, 'stray');
}

function adopt({ nk, config, logger }: Call, session: SessionView): void {
  const adoption = adoptionOf(config, session, databaseNow());
  if (!adoption) return;
  const { instance, user_ids, created_at_ms } = adoption;
  if (!adoptInstance(nk, config.fleet, instance, user_ids, created_at_ms)) return;
  const fields = { session: session.id, region: session.region, players: user_ids.length };
  withFields(logger, fields).warn('Gameye: a running session without a record has one again.');
  count(nk, 'gameye_reconciled', { change: 'adopted' });
}

function logFailure(call: Call, id: string, failure: { kind: string; message: string }): 'again' {
  withFields(call.logger, { session: id, failure: failure.kind, detail: failure.message }).warn(
    'Gameye: a session could not be reconciled; it is tried again.',
  );
  return 'again';
}
