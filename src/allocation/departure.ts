import { SECOND } from '../config';
import { seatedElsewhere } from '../database/seats';
import { leaveSession } from '../gameye/session-api';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import type { SeatRef } from '../records';

const CALL_TIMEOUT_MS = 4 * SECOND;

/**
 * Tells Gameye of players who gave up seats for `sessionId`, before it hears that they are there: an API that knows only of
 * players would take them out of their new session. A failure is only logged: our own record is right, and Gameye's count is
 * nobody's seat. False: the API did not answer.
 */
export function leaveBefore(call: Call, before: SeatRef[], sessionId: string): boolean {
  const sessions = before
    .map(({ session_id }) => session_id)
    .filter((id, i, all) => id !== sessionId && all.indexOf(id) === i);
  // One that does not answer is not asked again.
  return sessions.every((id) => {
    const userIds = before.filter(({ session_id }) => session_id === id).map(({ user_id }) => user_id);
    return tellDeparture(call, id, userIds, CALL_TIMEOUT_MS, sessionId);
  });
}

/**
 * Tells Gameye that players have left a session in which they had seats, and perhaps are on their way to `next`. False: the
 * API did not answer.
 */
export function tellDeparture(
  call: Call,
  sessionId: string,
  userIds: string[],
  timeoutMs: number,
  next = sessionId,
): boolean {
  if (userIds.length === 0) return true;
  count(call.nk, 'gameye_seats', { outcome: 'freed' }, userIds.length);
  let outcome = leaveSession(call.nk, call.config, sessionId, userIds, timeoutMs);
  if (outcome.kind === 'refused' && outcome.failure.kind === 'invalid') {
    const elsewhere = seatedElsewhere(call.nk, [sessionId, next], userIds);
    const left = userIds.filter((id) => !elsewhere.includes(id));
    if (left.length === 0) return true;
    outcome = leaveSession(call.nk, call.config, undefined, left, timeoutMs);
  }
  if (outcome.kind === 'done') return true;
  withFields(call.logger, { session: sessionId, failure: outcome.failure.kind }).warn(
    'Gameye: the Session API was not told that players left; our own record is right.',
  );
  return outcome.kind === 'refused';
}
