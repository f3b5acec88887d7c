import type { Nakama } from '../nakama/runtime';
import { COUNT_SEATS } from './counting';
import { FIND } from './instances';
import { answer, ask, json } from './sql';

/* Statements for what game servers say of their session: who has come, how many they are, whether others may be sent there. */

const ARRIVE = `
WITH wanted AS (
  SELECT user_id, place FROM jsonb_array_elements_text($3::text::jsonb) WITH ORDINALITY AS w(user_id, place)
), old AS (
  SELECT s.* FROM gameye_seat s WHERE s.user_id IN (SELECT user_id FROM wanted) ORDER BY s.user_id FOR UPDATE
), due AS (
  SELECT s.user_id FROM gameye_seat s WHERE s.session_id = $2::text AND s.state = 'reserved' AND s.until <= now()
    AND s.user_id NOT IN (SELECT user_id FROM wanted) AND (SELECT count(*) FROM old) >= 0
  ORDER BY s.user_id FOR UPDATE
), lapsed AS (
  UPDATE gameye_seat s SET state = 'lapsed', until = NULL, version = s.version + 1, update_time = now()
  FROM due WHERE s.user_id = due.user_id RETURNING s.user_id
), place AS (
  SELECT i.* FROM gameye_instance i WHERE i.id = $2::text AND i.fleet = $1::text AND (SELECT count(*) FROM lapsed) >= 0 FOR UPDATE
), here AS (
  SELECT o.user_id, o.state FROM old o WHERE o.session_id = $2::text AND o.state IN ('reserved', 'joined')
), fresh AS (
  SELECT w.user_id, row_number() OVER (ORDER BY w.place) AS r FROM wanted w LEFT JOIN old o ON o.user_id = w.user_id
  WHERE w.user_id NOT IN (SELECT user_id FROM here)
    AND (o.user_id IS NULL OR o.state IN ('lapsed', 'left', 'failed')
      -- A row that leads to a session without a record holds nobody.
      OR (o.state <> 'starting' AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = o.session_id)))
), room AS (
  -- Players that the server had counted without a seat are in the count already.
  SELECT greatest(0, p.max_players - (p.player_count - (SELECT count(*) FROM lapsed)))
    + greatest(0, p.unseated - (SELECT count(*) FROM here WHERE state = 'reserved')) AS free
  FROM place p
), arriving AS (
  SELECT h.user_id, h.state FROM here h, place
  UNION ALL SELECT f.user_id, 'none' FROM fresh f, room WHERE f.r <= room.free
), arrived AS (
  INSERT INTO gameye_seat AS s (user_id, state, session_id, version)
  SELECT a.user_id, 'joined', $2::text, coalesce(o.version, 0) + 1 FROM arriving a LEFT JOIN old o ON o.user_id = a.user_id
  WHERE a.state <> 'joined' ORDER BY a.user_id
  ON CONFLICT (user_id) DO UPDATE SET state = 'joined', session_id = EXCLUDED.session_id,
    allocation_id = CASE WHEN s.session_id = EXCLUDED.session_id THEN s.allocation_id ELSE '' END,
    until = NULL, reason = NULL, version = EXCLUDED.version, update_time = now()
  WHERE s.version = EXCLUDED.version - 1
  RETURNING s.user_id
), n AS (
  SELECT count(*) FILTER (WHERE a.state = 'reserved')::int4 AS reserved, count(*)::int4 AS joined
  FROM arriving a JOIN arrived r ON r.user_id = a.user_id
), counted AS (
  UPDATE gameye_instance i SET ${COUNT_SEATS}
  FROM (SELECT $2::text AS id, -n.reserved - (SELECT count(*)::int4 FROM lapsed) AS reserved, n.joined, 0 AS taken, true AS arrived FROM n) d
  WHERE i.id = d.id RETURNING i.player_count
)
${answer(`json_build_object('player_count', (SELECT player_count FROM counted),
  'refused', (SELECT coalesce(json_agg(w.user_id ORDER BY w.place), '[]') FROM wanted w
    WHERE w.user_id NOT IN (SELECT user_id FROM arrived) AND w.user_id NOT IN (SELECT user_id FROM here WHERE state = 'joined')))`)}`;

/**
 * Players are in the game, says their game server: their seats no longer run out. Who has none there gets a free one; who
 * has a live seat elsewhere, or finds none free, is refused by id. Undefined: no such instance.
 */
export function arrive(
  nk: Nakama,
  fleet: string,
  sessionId: string,
  userIds: string[],
): { player_count: number; refused: string[] } | undefined {
  const found = ask<{ player_count: number | null; refused: string[] }>(nk, ARRIVE, [fleet, sessionId, json(userIds)]);
  return found.player_count === null ? undefined : { player_count: found.player_count, refused: found.refused };
}

const REPORT = `
WITH due AS (
  SELECT s.user_id FROM gameye_seat s
  WHERE s.session_id = $2::text AND s.state = 'reserved' AND s.until <= now() ORDER BY s.user_id FOR UPDATE
), lapsed AS (
  UPDATE gameye_seat s SET state = 'lapsed', until = NULL, version = s.version + 1, update_time = now()
  FROM due WHERE s.user_id = due.user_id RETURNING 1
), said AS (
  SELECT i.id, i.reserved - (SELECT count(*)::int4 FROM lapsed) AS reserved, coalesce($3::int4, i.joined + i.unseated) AS others
  FROM gameye_instance i WHERE i.id = $2::text AND i.fleet = $1::text AND (SELECT count(*) FROM lapsed) >= 0 FOR UPDATE
), counted AS (
  UPDATE gameye_instance i SET
    reserved = s.reserved, unseated = s.others - i.joined, player_count = s.reserved + s.others,
    open_seats = greatest(0, i.max_players - s.reserved - s.others), visited = i.visited OR s.others > 0,
    empty_since = CASE WHEN s.reserved + s.others > 0 THEN NULL WHEN i.player_count > 0 THEN now() ELSE i.empty_since END,
    metadata = i.metadata || $4::text::jsonb
  FROM said s WHERE i.id = s.id RETURNING 1
)
${answer('EXISTS (SELECT 1 FROM counted)')}`;

/**
 * Takes over what is said of a session: how many players its game server counted, which outranks what we know (undefined:
 * unchanged; reservations come on top until they run out), and metadata, merged field by field. False: no such instance.
 */
export function updateInstance(
  nk: Nakama,
  fleet: string,
  sessionId: string,
  playerCount: number | undefined,
  metadata: object,
): boolean {
  return ask<boolean>(nk, REPORT, [fleet, sessionId, playerCount ?? null, json(metadata)]);
}

const OPEN = `
WITH changed AS (
  UPDATE gameye_instance i SET open = $3::boolean WHERE ${FIND} RETURNING i.pool
)
${answer(`(SELECT json_build_object('pool', pool) FROM changed)`)}`;

/** Opens an instance to backfill or closes it. Answers whether it takes part in backfill at all; undefined: no such instance. */
export function setOpen(nk: Nakama, fleet: string, id: string, open: boolean): boolean | undefined {
  const found = ask<{ pool: string | null } | null>(nk, OPEN, [fleet, id, open]);
  return found ? found.pool !== null : undefined;
}
