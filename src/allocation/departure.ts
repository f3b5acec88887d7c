import { SECOND } from '../config';
import { removeInstance } from '../database/instances';
import { closeDue } from '../database/reconcile';
import { seatsOf } from '../database/seats';
import { getExtension } from '../extension/extension';
import { joinSession, leaveSession, stopSession } from '../gameye/session-api';
import { unlessSilent } from '../gameye/silence';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import type { EndReason, LeftSeat } from '../records';

/* What becomes of seats that players gave up. They are free already: a failure here is only logged, and does no harm. */

const CALL_TIMEOUT_MS = 4 * SECOND;

/** Settles what players gave up for another session: not of seats in `sessionId`, where they play now. */
export function leaveBefore(call: Call, before: LeftSeat[], sessionId: string): void {
  for (const { id, seats, userIds } of bySession(before, sessionId)) {
    if (seats.some(({ ended }) => ended)) endLeft(call, id, seats.length);
    else tellDeparture(call, id, userIds, sessionId);
  }
}

/** Seats, session by session: those in `except` are left out. */
function bySession(seats: LeftSeat[], except: string): { id: string; seats: LeftSeat[]; userIds: string[] }[] {
  const ids = seats.map(({ session_id }) => session_id).filter((id, i, all) => id !== except && all.indexOf(id) === i);
  return ids.map((id) => {
    const those = seats.filter(({ session_id }) => session_id === id);
    return { id, seats: those, userIds: those.map(({ user_id }) => user_id) };
  });
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
  noteStopped(call, sessionId, region, 'left');
}

/** Forgets a session that is over, and frees its players; the module's `onEnded` hears of it. Repeating it changes nothing. */
export function forgetSession({ nk, config }: Call, sessionId: string, reason: EndReason): void {
  removeInstance(nk, config.fleet, sessionId, reason, getExtension().onEnded !== undefined);
}

/** Forgets a session that was stopped because nobody needs it. `stray`: it had no record. */
export function noteStopped(call: Call, sessionId: string, region: string, reason: EndReason | 'stray'): void {
  forgetSession(call, sessionId, reason === 'stray' ? 'gone' : reason);
  withFields(call.logger, { session: sessionId, region, reason }).info('Gameye: a session was stopped.');
  count(call.nk, 'gameye_retired', { reason });
}

/** Tells Gameye that players have left a session in which they had seats. It hears next that they are in `next`. */
export function tellDeparture(call: Call, sessionId: string, userIds: string[], next = sessionId): void {
  const { nk, config } = call;
  if (userIds.length === 0) return;
  count(nk, 'gameye_seats', { outcome: 'freed' }, userIds.length);
  const outcome = unlessSilent(call, () => leaveSession(nk, config, sessionId, userIds, CALL_TIMEOUT_MS));
  if (outcome?.kind === 'done') {
    if (outcome.value === 'everywhere') joinAgain(call, userIds, next);
    return;
  }
  withFields(call.logger, { session: sessionId, failure: outcome?.failure.kind ?? 'silent' }).warn(
    'Gameye: the Session API was not told that players left; our own record is right.',
  );
}

/** An API that takes no session in this call took them out of all: those where they have seats hear of them again. */
function joinAgain(call: Call, userIds: string[], next: string): void {
  const { nk, config } = call;
  for (const { id, userIds: players } of bySession(seatsOf(nk, config.fleet, userIds), next)) {
    unlessSilent(call, () => joinSession(nk, config, id, players, CALL_TIMEOUT_MS));
  }
}
