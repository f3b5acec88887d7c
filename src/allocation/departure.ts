import { SECOND } from '../config';
import { leaveSession } from '../gameye/session-api';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import type { SeatRef } from '../records';

const CALL_TIMEOUT_MS = 4 * SECOND;

/**
 * Tells Gameye of players who gave up seats for another session; the seats are free already. Not of those in `sessionId`,
 * where they play now. A failure is only logged: our own record is right, and Gameye's count is nobody's seat.
 */
export function leaveBefore(call: Call, before: SeatRef[], sessionId: string): void {
  const sessions = before
    .map(({ session_id }) => session_id)
    .filter((id, i, all) => id !== sessionId && all.indexOf(id) === i);
  for (const id of sessions) {
    const userIds = before.filter(({ session_id }) => session_id === id).map(({ user_id }) => user_id);
    tellDeparture(call, id, userIds, CALL_TIMEOUT_MS);
  }
}

/** Tells Gameye that players have left a session in which they had seats. */
export function tellDeparture(call: Call, sessionId: string, userIds: string[], timeoutMs: number): void {
  if (userIds.length === 0) return;
  count(call.nk, 'gameye_seats', { outcome: 'freed' }, userIds.length);
  const outcome = leaveSession(call.nk, call.config, sessionId, userIds, timeoutMs);
  if (outcome.kind === 'done') return;
  withFields(call.logger, { session: sessionId, failure: outcome.failure.kind }).warn(
    'Gameye: the Session API was not told that players left; our own record is right.',
  );
}
