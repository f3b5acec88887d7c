import { readStanding } from '../database/standing';
import { goAway, seat, type SeatHow } from '../fleet/seats';
import { isLive } from '../gameye/wire';
import { LOST } from '../instances/instance';
import type { Call } from '../nakama/caller';
import type { Instance } from '../records';
import { matchContent, type MatchContent } from '../told/content';
import { oneAtATime } from './one-at-a-time';
import { isSafe } from './standing';

/**
 * A seat for a player in a session that they have found, and what they need to get there. For who sits there already nothing
 * is written and nobody is asked.
 */
export function enter(
  call: Call,
  userId: string,
  place: Instance,
  how: SeatHow = {},
): { instance: Instance; match: MatchContent } {
  const mine = readStanding(call.nk, call.config.fleet, userId);
  const isSeated = mine?.session_id === place.id && isSafe(call, mine) && place.status !== LOST && isLive(place.status);
  const instance = isSeated ? place : oneAtATime(call, userId, () => seat(call, place.id, [userId], how).instance);
  try {
    return { instance, match: matchContent(call, instance, userId) };
  } catch (error) {
    // Without it the player cannot go there.
    if (!isSeated) goAway(call, instance.id, userId);
    throw error;
  }
}
