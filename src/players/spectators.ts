import { databaseNow } from '../database/clock';
import { leavePlaces, takePlace } from '../database/spectators';
import { readStanding } from '../database/standing';
import { SECOND } from '../config';
import { SEAT_TOKEN_SECONDS } from '../credentials/seat-token';
import { notFound } from '../fleet/find';
import { seatMs } from '../instances/instance';
import { modeConfig } from '../mode-config';
import type { Call } from '../nakama/caller';
import { count } from '../nakama/metrics';
import type { Instance } from '../records';
import { Code, rpcError } from '../refusal';
import { matchContent, type MatchContent } from '../told/content';
import { friendsInstance } from './friend';
import { spend } from './per-minute';
import { runningRoom } from './rooms';
import { isWaiting } from './standing';

/*
 * Spectators have places of their own in a session, as many as its mode says. They count as no players: they fill no seat, keep
 * no session running and are told of no end.
 */

const WATCHES_PER_MINUTE = 30;
const MOST_TRIES = 5;
/** A place outlives its token, because a game server reports an arrival a moment after it has let somebody in. */
const REPORTED_WITHIN_MS = 10 * SECOND;

/** Whose game is watched: that of a mutual friend, a room by its code, or a public room by its id. */
export type WatchedBy = { friend: string } | { code: string } | { id: string };

/** A place to watch for a player who plays nowhere. Answers what `gameye_match` carries, with a token for a spectator. */
export function watchAsPlayer(call: Call, userId: string, by: WatchedBy): { match: MatchContent } {
  spend(call, userId, 'watch', WATCHES_PER_MINUTE);
  const mine = readStanding(call.nk, call.config.fleet, userId);
  const isSeated = mine?.state === 'reserved' || mine?.state === 'joined';
  if (isWaiting(mine) || (isSeated && mine?.instance)) {
    return rpcError(
      Code.FAILED_PRECONDITION,
      'You wait for a match, or play in one. Use gameye_cancel or gameye_leave first.',
    );
  }
  const instance = 'friend' in by ? friendsInstance(call, userId, by.friend) : runningRoom(call, userId, by);
  return watch(call, instance, userId);
}

/**
 * A place to watch in a session. Asked again, the same place with a fresh token. Code 8 when all places are taken, 9 when there
 * are none or the session takes nobody any more, 7 for whom its game server has banned.
 */
export function watch(call: Call, instance: Instance, userId: string): { match: MatchContent } {
  const most = modeConfig(call.config, instance.mode ?? '').maxSpectators;
  if (most === undefined) {
    return rpcError(Code.FAILED_PRECONDITION, 'This game has no places for spectators (GAMEYE_MAX_SPECTATORS).');
  }
  const kept = seatMs(call.config);
  const tokenMs = Math.min(kept ?? Infinity, SEAT_TOKEN_SECONDS * SECOND);
  take(call, instance.id, userId, most, kept === null ? null : kept + REPORTED_WITHIN_MS);
  count(call.nk, 'gameye_seats', { outcome: 'watching' });
  try {
    return { match: matchContent(call, instance, userId, databaseNow() + tokenMs) };
  } catch (error) {
    // Without it nobody can go there.
    leavePlaces(call.nk, call.config.fleet, [userId], instance.id);
    throw error;
  }
}

function take(call: Call, id: string, userId: string, most: number, keptMs: number | null): void {
  for (let i = 0; i < MOST_TRIES; i++) {
    switch (takePlace(call.nk, call.config.fleet, id, userId, most, keptMs)) {
      case 'watches':
        return;
      case 'gone':
        return notFound(id);
      case 'closed':
        return rpcError(Code.FAILED_PRECONDITION, 'The session takes nobody more.');
      case 'banned':
        return rpcError(Code.PERMISSION_DENIED, 'Its game server has banned you from this session.');
      case 'full':
        return rpcError(Code.RESOURCE_EXHAUSTED, 'All places for spectators are taken. Try again later.');
      case 'raced':
    }
  }
  return rpcError(Code.ABORTED, 'Many want to watch at this moment. Try again.');
}
