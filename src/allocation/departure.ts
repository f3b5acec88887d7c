import { SECOND } from '../config';
import { removeInstance } from '../database/instances';
import { closeDue } from '../database/reconcile';
import { seatsOf } from '../database/seats';
import { joinSession, leaveSession, stopSession } from '../gameye/session-api';
import { unlessSilent } from '../gameye/silence';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import type { LeftSeat } from '../records';

/* What becomes of seats that players gave up. They are free already: a failure here is only logged, and does no harm. */

const CALL_TIMEOUT_MS = 4 * SECOND;

/** Settles what players gave up for another session: not of seats in `sessionId`, where they play now. */
export function leaveBefore(call: Call, before: LeftSeat[], sessionId: string): void {
  const sessions = before
    .map(({ session_id }) => session_id)
    .filter((id, i, all) => id !== sessionId && all.indexOf(id) === i);
  for (const id of sessions) {
    const seats = before.filter(({ session_id }) => session_id === id);
    if (seats.some(({ ended }) => ended)) endLeft(call, id, seats.length);
    else {
      tellDeparture(
        call,
        id,
        seats.map(({ user_id }) => user_id),
        CALL_TIMEOUT_MS,
        sessionId,
      );
    }
  }
}

/** Stops a session that drains because nobody needs it any more. When the API does not answer, the reconciler does. */
export function endLeft(call: Call, sessionId: string, players: number): void {
  const { nk, config } = call;
  count(nk, 'gameye_seats', { outcome: 'freed' }, players);
  const region = closeDue(nk, config.fleet, [sessionId], config.emptyGraceMs)[sessionId];
  // Somebody is in it again, or it is gone.
  if (region === undefined) return;
  const outcome = unlessSilent(call, () => stopSession(nk, config, sessionId, CALL_TIMEOUT_MS));
  if (outcome?.kind !== 'done') return;
  removeInstance(nk, config.fleet, sessionId);
  withFields(call.logger, { session: sessionId, region, reason: 'left' }).info('Gameye: a session was stopped.');
  count(nk, 'gameye_retired', { reason: 'left' });
}

/** Tells Gameye that players have left a session in which they had seats. It hears next that they are in `next`. */
export function tellDeparture(
  call: Call,
  sessionId: string,
  userIds: string[],
  timeoutMs: number,
  next = sessionId,
): void {
  const { nk, config } = call;
  if (userIds.length === 0) return;
  count(nk, 'gameye_seats', { outcome: 'freed' }, userIds.length);
  const outcome = unlessSilent(call, () => leaveSession(nk, config, sessionId, userIds, timeoutMs));
  if (outcome?.kind === 'done') {
    if (outcome.value === 'everywhere') joinAgain(call, userIds, timeoutMs, next);
    return;
  }
  withFields(call.logger, { session: sessionId, failure: outcome?.failure.kind ?? 'silent' }).warn(
    'Gameye: the Session API was not told that players left; our own record is right.',
  );
}

/** An API that takes no session in this call took them out of all: those where they have seats hear of them again. */
function joinAgain(call: Call, userIds: string[], timeoutMs: number, next: string): void {
  const seats = seatsOf(call.nk, call.config.fleet, userIds).filter(({ session_id }) => session_id !== next);
  const sessions = seats.map(({ session_id }) => session_id).filter((id, i, all) => all.indexOf(id) === i);
  for (const id of sessions) {
    const players = seats.filter(({ session_id }) => session_id === id).map(({ user_id }) => user_id);
    unlessSilent(call, () => joinSession(call.nk, call.config, id, players, timeoutMs));
  }
}
