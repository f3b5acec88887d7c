import type { Nakama } from '../nakama/runtime';
import type { FailureReason, LeftSeat, SeatRef } from '../records';
import { COUNT_SEATS, endLeft, freed, HAS_CHANGED, HAS_ENDED, leftSeats, plays, waits } from './counting';
import { isBanned } from './instances';
import { isHeardOf } from './liveness';
import { answer, ask, json } from './sql';

/*
 * Statements about seats: one row a player, so nobody has two. The row is the seat and what a player is told of it:
 *
 * starting  waits for the allocation `allocation_id`      reserved  has a seat until a time      joined  is in the game
 * lapsed    had a seat that was not taken in time         left      has none any more            failed  got none, for `reason`
 *
 * The state of an instance counts its `reserved` and `joined` seats, and changes in the same statement.
 */

/** What came of asking for seats in an instance. */
export type Taken =
  /**
   * All who have a seat there now, in the order asked; `added`: those who had none there. `before`: seats elsewhere that are
   * free now.
   */
  | { kind: 'taken'; user_ids: string[]; added: string[]; before: LeftSeat[] }
  | { kind: 'gone' }
  /** It takes nobody any more. */
  | { kind: 'closed' }
  | { kind: 'full' }
  /** The game server has banned one of them. */
  | { kind: 'banned' }
  /** Another statement made a first row for one of them at this moment: the others have their seats. Ask again. */
  | { kind: 'raced'; user_ids: string[]; added: string[]; before: LeftSeat[] };

const RESERVED = `CASE WHEN $4::float8 IS NULL THEN 'joined' ELSE 'reserved' END`;
const UNTIL = `now() + $4::float8 * interval '1 millisecond'`;

/** The instance that a caller names: reservations there that ran out are freed first. */
const NAMED = `wanted AS (
  SELECT a.user_id, a.place FROM asked a LEFT JOIN old o ON o.user_id = a.user_id
  WHERE NOT $6::boolean OR (o.session_id = $2::text AND o.state IN ('reserved', 'joined', 'lapsed'))
), due AS (
  SELECT s.user_id FROM gameye_seat s WHERE s.session_id = $2::text AND s.state = 'reserved' AND s.until <= now()
    AND s.user_id NOT IN (SELECT user_id FROM wanted) AND (SELECT count(*) FROM old) >= 0
    AND EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = $2::text AND i.fleet = $1::text)
  ORDER BY s.user_id FOR UPDATE
), lapsed AS (
  UPDATE gameye_seat s SET state = 'lapsed', until = NULL, version = s.version + 1, update_time = now()
  FROM due WHERE s.user_id = due.user_id RETURNING s.user_id
), place AS (
  SELECT i.* FROM gameye_instance i WHERE i.id = $2::text AND i.fleet = $1::text AND (SELECT count(*) FROM lapsed) >= 0 FOR UPDATE
)`;

/**
 * Takes seats in one instance. `place` ends with its locked row, after `wanted` (who shall have a seat there) and `lapsed` (whose
 * reservation there was just freed); `id` is its id. $1 is the fleet, $3 the players, $4 how long seats are reserved, $5 whether
 * as many as fit will do. `isOpen`: a condition on the row `p`. `more` is answered beside.
 */
export const taking = (place: string, id: string, isOpen: string, more = ''): string => `
WITH asked AS (
  SELECT user_id, place FROM jsonb_array_elements_text($3::text::jsonb) WITH ORDINALITY AS w(user_id, place)
), old AS (
  SELECT s.* FROM gameye_seat s WHERE s.user_id IN (SELECT user_id FROM asked) ORDER BY s.user_id FOR UPDATE
), ${place}, seated AS (
  SELECT o.user_id, o.state, o.until FROM old o WHERE o.session_id = ${id} AND o.state IN ('reserved', 'joined')
), room AS (
  SELECT p.status NOT IN ('exited', 'dead', 'draining', 'lost', 'starting') AND ${isHeardOf('p')} AND ${isOpen} AS takes,
    greatest(0, p.max_players - (p.player_count - (SELECT count(*) FROM lapsed))) AS free,
    (SELECT count(*) FROM wanted) - (SELECT count(*) FROM seated) AS asked,
    $5::boolean OR NOT EXISTS (SELECT 1 FROM wanted w WHERE ${isBanned('p', 'w.user_id')}) AS allowed
  FROM place p
), fresh AS (
  SELECT w.user_id, row_number() OVER (ORDER BY w.place) AS r FROM wanted w, place p
  WHERE w.user_id NOT IN (SELECT user_id FROM seated) AND NOT ${isBanned('p', 'w.user_id')}
), chosen AS (
  SELECT f.user_id FROM fresh f, room WHERE room.takes AND room.allowed AND f.r <= room.free AND (room.asked <= room.free OR $5::boolean)
), granted AS (
  SELECT user_id FROM chosen
  UNION ALL SELECT s.user_id FROM seated s, room WHERE room.takes AND room.allowed AND (room.asked <= room.free OR $5::boolean)
), safe AS (
  SELECT g.user_id FROM granted g JOIN seated se ON se.user_id = g.user_id
  WHERE se.state = 'joined' OR se.until > now() + $4::float8 / 2 * interval '1 millisecond'
), taken AS (
  INSERT INTO gameye_seat AS s (user_id, state, session_id, until, version)
  SELECT g.user_id, CASE WHEN se.state = 'joined' THEN 'joined' ELSE ${RESERVED} END, ${id},
    CASE WHEN se.state = 'joined' THEN NULL ELSE ${UNTIL} END, coalesce(o.version, 0) + 1
  FROM granted g LEFT JOIN old o ON o.user_id = g.user_id LEFT JOIN seated se ON se.user_id = g.user_id
  WHERE NOT EXISTS (SELECT 1 FROM safe WHERE safe.user_id = g.user_id) ORDER BY g.user_id
  ON CONFLICT (user_id) DO UPDATE SET state = EXCLUDED.state,
    allocation_id = CASE WHEN s.session_id = EXCLUDED.session_id THEN s.allocation_id ELSE '' END,
    session_id = EXCLUDED.session_id, until = EXCLUDED.until, reason = NULL, version = EXCLUDED.version, update_time = now()
  WHERE s.version = EXCLUDED.version - 1
  RETURNING s.user_id
), held AS (
  SELECT user_id FROM taken UNION ALL SELECT user_id FROM safe
), moved AS (
  SELECT o.user_id, o.session_id, o.state FROM old o JOIN taken t ON t.user_id = o.user_id
  WHERE o.state IN ('reserved', 'joined') AND o.session_id <> ${id}
), n AS (
  SELECT count(*)::int4 AS new FROM taken t JOIN chosen c ON c.user_id = t.user_id
), prolonged AS (
  SELECT count(*) FILTER (WHERE $4::float8 IS NULL AND se.state = 'reserved')::int4 AS to_joined
  FROM seated se JOIN taken t ON t.user_id = se.user_id
), counted AS (
  UPDATE gameye_instance i SET ${COUNT_SEATS}, ${endLeft(`i.id <> ${id}`)}
  FROM (
    SELECT ${id} AS id,
      CASE WHEN $4::float8 IS NULL THEN 0 ELSE n.new END - (SELECT count(*)::int4 FROM lapsed) - prolonged.to_joined AS reserved,
      CASE WHEN $4::float8 IS NULL THEN n.new ELSE 0 END + prolonged.to_joined AS joined, n.new AS taken, false AS arrived
    FROM n, prolonged, place WHERE n.new > 0 OR prolonged.to_joined > 0 OR (SELECT count(*) FROM lapsed) > 0
    UNION ALL ${freed('moved')}
  ) d WHERE i.id = d.id
  RETURNING i.id, i.fleet, i.id <> ${id} AND ${HAS_ENDED} AS ended
)
${answer(`json_build_object(${more}
  'id', (SELECT id FROM place), 'takes', (SELECT takes FROM room), 'fits', (SELECT asked <= free OR ($5::boolean AND free + (SELECT count(*) FROM seated) > 0) FROM room),
  'allowed', (SELECT allowed FROM room), 'granted', (SELECT count(*) FROM granted),
  'taken', (SELECT coalesce(json_agg(w.user_id ORDER BY w.place), '[]') FROM wanted w JOIN held h ON h.user_id = w.user_id),
  'added', (SELECT coalesce(json_agg(w.user_id ORDER BY w.place), '[]') FROM wanted w JOIN taken t ON t.user_id = w.user_id
    JOIN chosen c ON c.user_id = w.user_id),
  'before', ${leftSeats('moved', 'counted', '$1')})`)}`;

/** True when one of the players waits for a session or plays in another one. */
const IS_BUSY = `(${HAS_CHANGED} OR EXISTS (SELECT 1 FROM old o WHERE ${waits('o', '$1::text')} OR (o.session_id <> $2::text AND ${plays('o', '$1::text')})))`;

const TAKE = taking(NAMED, '$2::text', `(p.open OR NOT $7::boolean) AND NOT ($8::boolean AND ${IS_BUSY})`);

/** What such a statement answers: everything that `Taken` tells. */
export interface TakingAnswer {
  id: string | null;
  takes: boolean | null;
  fits: boolean | null;
  allowed: boolean | null;
  granted: number;
  taken: string[];
  added: string[];
  before: LeftSeat[];
}

export function takenOf(found: TakingAnswer): Taken {
  if (found.takes === null) return { kind: 'gone' };
  if (!found.takes) return { kind: 'closed' };
  if (!found.allowed) return { kind: 'banned' };
  if (!found.fits) return { kind: 'full' };
  const { taken: user_ids, added, before } = found;
  return { kind: user_ids.length < found.granted ? 'raced' : 'taken', user_ids, added, before };
}

/**
 * Takes seats in a running instance: for all of these players or, with `partial`, for as many as fit in the order given,
 * without those whom the game server has banned.
 * Who has a seat there keeps it; a reservation of which half is over is prolonged, and else nothing is written. A seat or a
 * start elsewhere is given up: a player has one row. `seatMs`: how long they are reserved; null: joined at once. Reservations
 * that ran out are freed first. `again`: only for those whose last seat is there, even if it lapsed: who was matched again
 * meanwhile is left out. `open`: not in one that its host or its game server has closed. `idle`: only while none of them waits or
 * plays elsewhere; else it is `closed`.
 */
export function takeSeats(
  nk: Nakama,
  fleet: string,
  sessionId: string,
  userIds: string[],
  seatMs: number | null,
  how: { partial?: boolean; again?: boolean; open?: boolean; idle?: boolean } = {},
): Taken {
  const { partial = false, again = false, open = false, idle = false } = how;
  return takenOf(ask<TakingAnswer>(nk, TAKE, [fleet, sessionId, json(userIds), seatMs, partial, again, open, idle]));
}

const LEAVE = `
WITH seats AS (
  SELECT s.user_id, s.session_id, s.state FROM gameye_seat s
  WHERE s.user_id IN (SELECT jsonb_array_elements_text($3::text::jsonb)) AND s.session_id = $2::text
    AND s.state IN ('reserved', 'joined', 'lapsed')
    AND EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = $2::text AND i.fleet = $1::text)
  ORDER BY s.user_id FOR UPDATE
), gone AS (
  UPDATE gameye_seat s SET state = CASE WHEN $4::text IS NULL THEN 'left' ELSE 'failed' END, reason = $4::text,
    session_id = '', allocation_id = '', until = NULL, version = s.version + 1, update_time = now()
  FROM seats WHERE s.user_id = seats.user_id RETURNING 1
), counted AS (
  UPDATE gameye_instance i SET ${COUNT_SEATS}, ${endLeft('$5::boolean')} FROM (${freed('seats')}) d WHERE i.id = d.id
  RETURNING i.id, i.fleet, $5::boolean AND ${HAS_ENDED} AS ended
), live AS (
  SELECT user_id, session_id FROM seats WHERE state IN ('reserved', 'joined') AND (SELECT count(*) FROM gone) >= 0
)
${answer(leftSeats('live', 'counted', '$1'))}`;

/**
 * Frees the seats of these players in one session, and answers whose were. Who has none there is passed over. With `reason`
 * they stand as `failed`.
 */
export function leaveSeats(
  nk: Nakama,
  fleet: string,
  sessionId: string,
  userIds: string[],
  reason?: FailureReason,
): string[] {
  const values = [fleet, sessionId, json(userIds), reason ?? null, false];
  return ask<LeftSeat[]>(nk, LEAVE, values).map(({ user_id }) => user_id);
}

/** The same for a player who chooses to go; `ended` when nobody needs the session any more. Undefined: there was no seat. */
export function leaveByChoice(nk: Nakama, fleet: string, sessionId: string, userId: string): LeftSeat | undefined {
  return ask<LeftSeat[]>(nk, LEAVE, [fleet, sessionId, json([userId]), null, true])[0];
}

const SEATED = answer(
  `(SELECT coalesce(json_agg(json_build_object('user_id', s.user_id, 'session_id', s.session_id)), '[]') FROM gameye_seat s
    JOIN gameye_instance i ON i.id = s.session_id AND i.fleet = $1::text
    WHERE s.user_id IN (SELECT jsonb_array_elements_text($2::text::jsonb)) AND s.state IN ('reserved', 'joined'))`,
);

/** Where these players have seats of a fleet now; who has none is left out. */
export function seatsOf(nk: Nakama, fleet: string, userIds: string[]): SeatRef[] {
  return ask<SeatRef[]>(nk, SEATED, [fleet, json(userIds)]);
}

const FORGET = `
WITH gone AS (
  DELETE FROM gameye_seat WHERE user_id IN (
    SELECT user_id FROM gameye_seat WHERE (state = 'left' AND update_time < now() - interval '2 minutes')
      OR (state IN ('failed', 'lapsed') AND update_time < now() - interval '1 day'
        -- While the session runs it tells that nobody knows who is in it.
        AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = session_id)) LIMIT 1000 FOR UPDATE SKIP LOCKED) RETURNING 1
)
${answer('(SELECT count(*) FROM gone)')}`;

/** Deletes rows that tell nobody anything any more; a thousand at a time. */
export function forgetSeats(nk: Nakama): number {
  return ask<number>(nk, FORGET, []);
}
