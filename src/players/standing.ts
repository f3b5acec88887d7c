import { findInstance } from '../database/instances';
import { takeSeats } from '../database/seats';
import { leavePlaces } from '../database/spectators';
import { readStanding, withdraw, type Standing as Row } from '../database/standing';
import { stillRunning } from '../fleet/refresh';
import { goAway } from '../fleet/seats';
import { seatMs } from '../instances/instance';
import { mayWatch } from '../mode-config';
import type { Call } from '../nakama/caller';
import type { FailureReason, Instance } from '../records';
import { Code, rpcError } from '../refusal';
import { matchContent, type MatchContent } from '../told/content';

/** Where a player stands. */
export type Standing =
  | { state: 'none' }
  | { state: 'starting'; session_id: string }
  | { state: 'failed'; reason: FailureReason }
  /** `match`: what `gameye_match` tells, with a fresh seat token. */
  | { state: 'ready'; match: MatchContent };

/**
 * Where a player stands now, from the records and not from what the player was told: after a reconnect, on another device,
 * or when a notification was missed. A seat whose reservation ran out is taken again while there is room. Nobody is sent to
 * a session that is over, as far as the Session API tells.
 */
export function standing(call: Call, userId: string): Standing {
  return standingOf(call, readStanding(call.nk, call.config.fleet, userId), userId);
}

/** The same from a player's row. */
export function standingOf(call: Call, row: Row | undefined, userId: string): Standing {
  switch (row?.state) {
    case undefined:
    case 'left':
      return { state: 'none' };
    case 'failed':
      return { state: 'failed', reason: row.reason ?? 'error' };
    case 'starting':
      if (isWaiting(row)) return { state: 'starting', session_id: row.session_id };
      return row.allocation ? { state: 'failed', reason: 'error' } : { state: 'none' };
    case 'reserved':
    case 'joined':
    case 'lapsed': {
      const running = row.instance && stillRunning(call, row.instance);
      const instance = running && seatedIn(call, row, running, userId);
      return instance ? { state: 'ready', match: matchContent(call, instance, userId) } : { state: 'none' };
    }
  }
}

/** Somebody waits for a session that is on its way, and that nobody has cancelled. */
export function isWaiting(row: Row | undefined): boolean {
  return row?.state === 'starting' && row.allocation?.cancelled === false;
}

/** The instance in which this player has a seat; undefined when it was lost and there is no room. */
function seatedIn(call: Call, row: Row, running: Instance, userId: string): Instance | undefined {
  const { nk, config } = call;
  if (isSafe(call, row)) return running;
  const taken = takeSeats(nk, config.fleet, row.session_id, [userId], seatMs(config), { again: true });
  if (taken.kind === 'taken' && taken.user_ids.length > 0) return findInstance(nk, config.fleet, row.session_id);
  // One that drains or may be gone prolongs nothing, and takes nothing away.
  return row.state === 'reserved' && (row.left_ms ?? 0) > 0 && taken.kind === 'closed' ? running : undefined;
}

/** A seat that need not be renewed. A fresh reservation is not prolonged: a client may ask every second. */
export function isSafe({ config }: Call, { state, left_ms = 0 }: Row): boolean {
  return state === 'joined' || (state === 'reserved' && left_ms > config.seatTimeoutMs / 2);
}

const MOST_TRIES = 5;

/**
 * Takes a player out of a session that is still being started: it is handed to the others, or stopped when nobody is left.
 * `started` when it is too late for that; then the player leaves it like any other.
 */
export function cancelStart(call: Call, userId: string): 'cancelled' | 'nothing' | { started: string } {
  for (let i = 0; i < MOST_TRIES; i++) {
    const { withdrawn, state, session_id } = withdraw(call.nk, call.config.fleet, userId);
    if (withdrawn) return 'cancelled';
    // Else it became part of another allocation at this moment.
    if (state !== 'starting') return isSeated(state) ? { started: session_id ?? '' } : 'nothing';
  }
  return rpcError(Code.ABORTED, 'Your assignment keeps changing. Try again.');
}

function isSeated(state: Row['state'] | null): boolean {
  return state === 'reserved' || state === 'joined' || state === 'lapsed';
}

/** Takes a player out of whatever they wait for, play in or watch. False when that is nothing. */
export function leaveAll(call: Call, userId: string): boolean {
  const watched = mayWatch(call.config) && leavePlaces(call.nk, call.config.fleet, [userId]) > 0;
  const start = cancelStart(call, userId);
  const left = typeof start === 'string' ? start === 'cancelled' : goAway(call, start.started, userId);
  return left || watched;
}
