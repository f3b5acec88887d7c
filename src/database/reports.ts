import type { Nakama } from '../nakama/runtime';
import { MOST_METADATA_KEYS, MOST_METADATA_TEXT } from '../metadata';
import { COUNT_SEATS, emptySeconds } from './counting';
import { FIND, isBanned, PLAYER_COUNT } from './instances';
import { answer, ask, json } from './sql';

/*
 * Statements for what game servers say of their session: who has come, how many they are, whether others may be sent there.
 * A game server is somebody else's program: what it says changes nobody else's session, and its own not without bounds.
 */

/** A report may speak of so many players beyond the places of its session, such as those it will send away. */
const MOST_BEYOND = 100;

/** So many players who were in a session are remembered when they have left, and a report's more. */
const MOST_VISITORS = 1000;

/** More players than a session with so many places can have. Nothing of the report is taken over. */
export interface TooMany {
  too_many_for: number;
}

const ARRIVE = `
WITH bound AS (
  SELECT i.max_players AS places, jsonb_array_length($3::text::jsonb) <= i.max_players + ${MOST_BEYOND} AS fits
  FROM gameye_instance i WHERE i.id = $2::text AND i.fleet = $1::text
), wanted AS (
  SELECT user_id, place FROM jsonb_array_elements_text($3::text::jsonb) WITH ORDINALITY AS w(user_id, place), bound WHERE fits
), old AS (
  SELECT s.* FROM gameye_seat s WHERE s.user_id IN (SELECT user_id FROM wanted) ORDER BY s.user_id FOR UPDATE
), due AS (
  SELECT s.user_id FROM gameye_seat s WHERE s.session_id = $2::text AND s.state = 'reserved' AND s.until <= now()
    AND s.user_id NOT IN (SELECT user_id FROM wanted) AND (SELECT count(*) FROM old) >= 0 AND (SELECT fits FROM bound)
  ORDER BY s.user_id FOR UPDATE
), lapsed AS (
  UPDATE gameye_seat s SET state = 'lapsed', until = NULL, version = s.version + 1, update_time = now()
  FROM due WHERE s.user_id = due.user_id RETURNING s.user_id
), place AS (
  SELECT i.* FROM gameye_instance i WHERE i.id = $2::text AND i.fleet = $1::text AND (SELECT count(*) FROM lapsed) >= 0 FOR UPDATE
), here AS (
  SELECT o.user_id, o.state FROM old o WHERE o.session_id = $2::text AND o.state IN ('reserved', 'joined')
), fresh AS (
  SELECT w.user_id, row_number() OVER (ORDER BY w.place) AS r FROM wanted w JOIN place p ON NOT ${isBanned('p', 'w.user_id')}
    LEFT JOIN old o ON o.user_id = w.user_id
  WHERE w.user_id NOT IN (SELECT user_id FROM here)
    AND (o.user_id IS NULL OR o.state IN ('lapsed', 'left', 'failed')
      -- A row that leads to a session without a record holds nobody.
      OR (o.state <> 'starting' AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = o.session_id)))
), room AS (
  -- Players that the server had counted without a seat are in the count already, and so may be those whose reservation it is.
  SELECT greatest(0, p.unseated - (SELECT count(*) FROM here WHERE state = 'reserved'),
    p.max_players - (p.player_count - (SELECT count(*) FROM lapsed)) + greatest(0, p.unseated)) AS free
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
  UPDATE gameye_instance i SET reported = true, ${COUNT_SEATS}, visitors = CASE
    WHEN jsonb_array_length(i.visitors) >= ${MOST_VISITORS} THEN i.visitors
    ELSE i.visitors || (SELECT coalesce(jsonb_agg(a.user_id), '[]') FROM arriving a WHERE NOT i.visitors @> to_jsonb(a.user_id)) END
  FROM (SELECT $2::text AS id, -n.reserved - (SELECT count(*)::int4 FROM lapsed) AS reserved, n.joined, 0 AS taken, true AS arrived FROM n) d
  WHERE i.id = d.id AND EXISTS (SELECT 1 FROM place) RETURNING ${PLAYER_COUNT} AS player_count
)
${answer(`json_build_object('player_count', (SELECT player_count FROM counted), 'too_many_for', (SELECT places FROM bound WHERE NOT fits),
  'refused', (SELECT coalesce(json_agg(w.user_id ORDER BY w.place), '[]') FROM wanted w
    WHERE w.user_id NOT IN (SELECT user_id FROM arrived) AND w.user_id NOT IN (SELECT user_id FROM here WHERE state = 'joined')))`)}`;

/**
 * Players are in the game, says their game server: their seats no longer run out. Who has none there gets a free one; who
 * has a live seat elsewhere, or finds none free, is refused by id. Undefined: no such instance. `too_many_for`: far more
 * than it has places, so that nobody is believed.
 */
export function arrive(
  nk: Nakama,
  fleet: string,
  sessionId: string,
  userIds: string[],
): { player_count: number; refused: string[] } | TooMany | undefined {
  const { player_count, refused, too_many_for } = ask<{
    player_count: number | null;
    refused: string[];
    too_many_for: number | null;
  }>(nk, ARRIVE, [fleet, sessionId, json(userIds)]);
  if (too_many_for !== null) return { too_many_for };
  return player_count === null ? undefined : { player_count, refused };
}

const size = (metadata: string): string => `length((${metadata})::text)`;
const keys = (metadata: string): string => `(SELECT count(*) FROM jsonb_object_keys(${metadata}))`;

/** Metadata of an instance `i` that is too large already, as that of an adopted session may be, can change but not grow. */
const TOO_LARGE = `(${size('i.metadata || $4::text::jsonb')} > greatest(${MOST_METADATA_TEXT}, ${size('i.metadata')})
  OR ${keys('i.metadata || $4::text::jsonb')} > greatest(${MOST_METADATA_KEYS}, ${keys('i.metadata')}))`;

const REPORT = `
WITH bound AS (
  SELECT i.id, i.max_players AS places, coalesce($3::int4 > i.max_players + ${MOST_BEYOND}, false) AS too_many, ${TOO_LARGE} AS too_large
  FROM gameye_instance i WHERE i.id = $2::text AND i.fleet = $1::text
), due AS (
  SELECT s.user_id FROM gameye_seat s, bound b
  WHERE s.session_id = b.id AND NOT b.too_many AND NOT b.too_large AND s.state = 'reserved' AND s.until <= now() ORDER BY s.user_id FOR UPDATE OF s
), lapsed AS (
  UPDATE gameye_seat s SET state = 'lapsed', until = NULL, version = s.version + 1, update_time = now()
  FROM due WHERE s.user_id = due.user_id RETURNING 1
), said AS (
  SELECT i.id, i.reserved - (SELECT count(*)::int4 FROM lapsed) AS reserved,
    CASE WHEN $3::int4 IS NULL THEN i.joined + i.unseated ELSE least($3::int4, i.max_players) END AS others
  FROM gameye_instance i, bound b
  WHERE i.id = b.id AND i.fleet = $1::text AND NOT b.too_many AND NOT b.too_large AND (SELECT count(*) FROM lapsed) >= 0 FOR UPDATE OF i
), counted AS (
  UPDATE gameye_instance i SET
    reserved = s.reserved, unseated = s.others - i.joined, player_count = s.reserved + s.others,
    open_seats = greatest(0, i.max_players - s.reserved - s.others), visited = i.visited OR s.others > 0,
    empty_seconds = ${emptySeconds('s.reserved + s.others')},
    warm = CASE WHEN s.reserved + s.others > 0 THEN NULL ELSE i.warm END,
    empty_since = CASE WHEN s.reserved + s.others > 0 THEN NULL WHEN i.player_count > 0 THEN now() ELSE i.empty_since END,
    reported = i.reported OR $3::int4 IS NOT NULL OR $5::boolean,
    -- Another report may have come between the look and this.
    metadata = CASE WHEN ${TOO_LARGE} THEN i.metadata ELSE i.metadata || $4::text::jsonb END
  FROM said s WHERE i.id = s.id RETURNING i.metadata @> $4::text::jsonb AS merged
)
${answer(`json_build_object('updated', EXISTS (SELECT 1 FROM counted),
  'too_many_for', (SELECT places FROM bound WHERE too_many), 'too_large', EXISTS (SELECT 1 FROM bound WHERE too_large) OR EXISTS (SELECT 1 FROM counted WHERE NOT merged))`)}`;

/**
 * Takes over what is said of a session: how many players its game server counted, which outranks what we know (undefined:
 * unchanged; reservations come on top until they run out), and metadata, merged field by field. `byServer`: the game server
 * itself says it, also when it counts nobody. `gone`: no such instance. `too-large`: the metadata would be, so nothing is
 * taken over.
 */
export function updateInstance(
  nk: Nakama,
  fleet: string,
  sessionId: string,
  playerCount: number | undefined,
  metadata: object,
  byServer = false,
): 'updated' | 'gone' | 'too-large' | TooMany {
  const { updated, too_many_for, too_large } = ask<{
    updated: boolean;
    too_many_for: number | null;
    too_large: boolean;
  }>(nk, REPORT, [fleet, sessionId, playerCount ?? null, json(metadata), byServer]);
  if (too_many_for !== null) return { too_many_for };
  if (too_large) return 'too-large';
  return updated ? 'updated' : 'gone';
}

const OPEN = `
WITH changed AS (
  UPDATE gameye_instance i SET open = $3::boolean, reported = true WHERE ${FIND} AND (i.shared OR NOT $3::boolean)
)
${answer(`(SELECT json_build_object('shared', i.shared) FROM gameye_instance i WHERE ${FIND})`)}`;

/**
 * Opens an instance to others or closes it. Answers whether anybody else may be seated there at all: otherwise it is not opened.
 * Undefined: no such instance.
 */
export function setOpen(nk: Nakama, fleet: string, id: string, open: boolean): boolean | undefined {
  return ask<{ shared: boolean } | null>(nk, OPEN, [fleet, id, open])?.shared;
}
