/*
 * How the counters of an instance `i` follow from what happens to its seats. Every statement that changes seats uses this
 * text, so the rule is written once. The statement joins `d`, one row an instance: `id`, the changes `reserved` and `joined`
 * of the seats in these states, `taken` (seats that were open before) and `arrived` (true when a game server says so).
 *
 * `unseated` is what the game server counted beyond the joined seats. Players whom it had counted without a seat and who
 * arrive now are not counted twice, and neither are those taken off twice whom it had already ceased to count.
 */

const UNSEATED = `(CASE
  WHEN i.unseated < 0 AND d.joined < 0 THEN least(0, i.unseated - d.joined)
  WHEN i.unseated > 0 AND d.joined > 0 AND d.arrived THEN greatest(0, i.unseated - d.joined)
  ELSE i.unseated END)`;

const COUNT = `(i.reserved + d.reserved + i.joined + d.joined + ${UNSEATED})`;

/** `empty_seconds` of an instance `i` that so many are in from now on: how long it was empty after somebody had come. */
export const emptySeconds = (
  count: string,
): string => `i.empty_seconds + CASE WHEN ${count} > 0 AND i.visited AND i.empty_since IS NOT NULL
  THEN greatest(0, extract(epoch FROM now() - i.empty_since)) ELSE 0 END`;

/**
 * Seats that are taken come off the open ones by subtraction: should a statement ever take more than there are, the CHECK
 * of the table refuses it. A session in which somebody has a seat is none of the warm ones any more.
 */
export const COUNT_SEATS = `
  reserved = i.reserved + d.reserved,
  joined = i.joined + d.joined,
  unseated = ${UNSEATED},
  player_count = ${COUNT},
  open_seats = greatest(0, i.max_players - (${COUNT} - d.taken)) - d.taken,
  visited = i.visited OR d.joined > 0,
  empty_seconds = ${emptySeconds(COUNT)},
  warm = CASE WHEN ${COUNT} > 0 THEN NULL ELSE i.warm END,
  empty_since = CASE WHEN ${COUNT} > 0 THEN NULL WHEN i.player_count > 0 THEN now() ELSE i.empty_since END`;

/** Rows of `d` for the seats in `seats` (a name in the statement, with `session_id` and the state before) that were freed. */
export function freed(seats: string): string {
  return `SELECT session_id AS id,
    -(count(*) FILTER (WHERE state = 'reserved'))::int4 AS reserved,
    -(count(*) FILTER (WHERE state = 'joined'))::int4 AS joined, 0 AS taken, false AS arrived
  FROM ${seats} WHERE state IN ('reserved', 'joined') GROUP BY session_id`;
}

/** Nobody else is waited for in an instance `i` that its players leave: one had started it alone, or they want a rematch. */
const NEEDS_NOBODY = `((i.solo OR i.rematch <> '[]') AND i.pool IS NULL)`;

/**
 * Beside COUNT_SEATS, where players go away by their own will: a session that waits for nobody else drains when nobody is in it any
 * more. One with a pool is there for others. `where`: a condition on `i`.
 */
export function endLeft(where: string): string {
  return `status = CASE WHEN ${where} AND ${NEEDS_NOBODY} AND i.status = 'running' AND ${COUNT} <= 0
    THEN 'draining' ELSE i.status END`;
}

/** After such an update: nobody needs the session any more. */
export const HAS_ENDED = `(${NEEDS_NOBODY} AND i.status = 'draining' AND i.player_count <= 0)`;

/**
 * The seats in `seats` that were freed, as JSON; `ended` where the row of `counted` says so. Gameye hears of these, so only
 * those in sessions of this fleet: another one's, as in a copied database, are not ours to speak of.
 */
export function leftSeats(seats: string, counted: string, fleet: string): string {
  return `(SELECT coalesce(json_agg(json_strip_nulls(json_build_object('user_id', x.user_id, 'session_id', x.session_id,
    'ended', CASE WHEN c.ended THEN true END)) ORDER BY x.user_id), '[]') FROM ${seats} x
    JOIN ${counted} c ON c.id = x.session_id AND c.fleet = ${fleet}::text)`;
}

/** True of a player's row by which they wait for a session of the fleet. */
export const waits = (row: string, fleet: string): string => `(${row}.state = 'starting'
  AND EXISTS (SELECT 1 FROM gameye_allocation a WHERE a.id = ${row}.allocation_id AND a.fleet = ${fleet} AND NOT a.cancelled))`;

/** True of a player's row by which they play in a session of the fleet that is not over. */
export const plays = (row: string, fleet: string): string => `(${row}.state IN ('reserved', 'joined')
  AND EXISTS (SELECT 1 FROM gameye_instance x WHERE x.id = ${row}.session_id AND x.fleet = ${fleet}
    AND x.status NOT IN ('exited', 'dead', 'lost') AND x.ending IS NULL))`;

/**
 * True when one of the locked rows `old` was changed after this statement had begun: what it leads to now, such as a start that was
 * stored at this moment, the statement does not see.
 */
export const HAS_CHANGED = `EXISTS (SELECT 1 FROM old o JOIN gameye_seat began ON began.user_id = o.user_id WHERE began.version <> o.version)`;
