import type { Config } from '../config';

/** Places in one instance, by user id. A reserved seat is held until `until_ms`; a joined one until the player leaves. */
export interface Seats {
  [userId: string]: { state: 'reserved'; until_ms: number } | { state: 'joined' };
}

/** Seats without the reservations that ran out. */
export function withoutExpired(seats: Seats, now: number): Seats {
  const kept: Seats = {};
  for (const userId of Object.keys(seats)) {
    const seat = seats[userId];
    if (seat && (seat.state === 'joined' || seat.until_ms > now)) kept[userId] = seat;
  }
  return kept;
}

/**
 * Until when a new seat is reserved. Undefined where game servers have no way to report back: nobody would confirm the
 * reservation then, so the seat counts as joined at once.
 */
export function seatDeadline(config: Config, now: number): number | undefined {
  return config.nakamaUrl === undefined ? undefined : now + config.seatTimeoutMs;
}

/** Those who have a seat already, and as many others as there are seats open, in the order given. */
export function fitting(seats: Seats, userIds: string[], open: number): string[] {
  let left = open;
  return userIds.filter((userId) => seats[userId] !== undefined || left-- > 0);
}

/** Takes a seat for each user, reserved until a time or joined; who has joined stays so, a reservation is prolonged. */
export function take(seats: Seats, userIds: string[], untilMs: number | undefined): Seats {
  if (untilMs === undefined) return join(seats, userIds);
  const result = { ...seats };
  for (const userId of userIds) {
    if (result[userId]?.state !== 'joined') result[userId] = { state: 'reserved', until_ms: untilMs };
  }
  return result;
}

/** The players are in the game: their seats no longer run out. */
export function join(seats: Seats, userIds: string[]): Seats {
  const result = { ...seats };
  for (const userId of userIds) result[userId] = { state: 'joined' };
  return result;
}

/** Frees the seats of these users; those without one change nothing. */
export function leave(seats: Seats, userIds: string[]): Seats {
  const result: Seats = {};
  for (const userId of Object.keys(seats)) {
    const seat = seats[userId];
    if (seat && !userIds.includes(userId)) result[userId] = seat;
  }
  return result;
}
