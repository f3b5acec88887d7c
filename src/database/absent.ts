import type { ByMode } from '../mode-config';
import type { Nakama } from '../nakama/runtime';
import { COUNT_SEATS } from './counting';
import { PLAYER_COUNT } from './instances';
import { answer, ask, json, msOfMode } from './sql';

/* Statements for what game servers say of players who are not in the game any more: for now, or for good. */

/** So many players may be banned from a session, and those of one more report. */
const MOST_BANNED = 1000;

const HOLD = `
WITH place AS (
  SELECT now() + ${msOfMode('$5', '$4')} * interval '1 millisecond' AS until FROM gameye_instance i
  WHERE i.id = $2::text AND i.fleet = $1::text
), seats AS (
  SELECT s.user_id, s.session_id, place.until FROM gameye_seat s, place
  WHERE s.user_id IN (SELECT jsonb_array_elements_text($3::text::jsonb)) AND s.session_id = $2::text AND s.state = 'joined'
  ORDER BY s.user_id FOR UPDATE OF s
), held AS (
  UPDATE gameye_seat s SET state = 'reserved', until = seats.until, version = s.version + 1, update_time = now()
  FROM seats WHERE s.user_id = seats.user_id RETURNING 1
), counted AS (
  UPDATE gameye_instance i SET ${COUNT_SEATS}, reported = true
  FROM (SELECT $2::text AS id, count(*)::int4 AS reserved, -count(*)::int4 AS joined, 0 AS taken, false AS arrived FROM seats) d
  WHERE i.id = d.id AND i.fleet = $1::text AND (SELECT count(*) FROM held) >= 0 RETURNING ${PLAYER_COUNT} AS player_count
)
${answer('(SELECT player_count FROM counted)')}`;

/**
 * Players have lost their connection, says their game server: each seat is held for them for as long as its mode has it, like that of a player
 * who has not arrived. Who is not in the game is passed over, so a repetition prolongs nothing. Answers how many players there
 * are; undefined: no such instance.
 */
export function holdSeats(
  nk: Nakama,
  fleet: string,
  sessionId: string,
  userIds: string[],
  hold: ByMode,
): number | undefined {
  return ask<number | null>(nk, HOLD, [fleet, sessionId, json(userIds), hold.others, json(hold.ofMode)]) ?? undefined;
}

const BAN = `
WITH place AS (
  SELECT i.id, i.status <> 'starting' AS runs FROM gameye_instance i WHERE i.id = $2::text AND i.fleet = $1::text FOR UPDATE
), banned AS (
  UPDATE gameye_instance i SET reported = true, banned = i.banned || (
    SELECT coalesce(jsonb_agg(w.user_id), '[]') FROM jsonb_array_elements_text($3::text::jsonb) AS w(user_id)
    WHERE NOT i.banned @> to_jsonb(w.user_id))
  FROM place WHERE i.id = place.id AND place.runs AND jsonb_array_length(i.banned) < ${MOST_BANNED} RETURNING 1
)
${answer(`(SELECT CASE WHEN NOT runs THEN 'starting' WHEN EXISTS (SELECT 1 FROM banned) THEN 'banned' ELSE 'full' END FROM place)`)}`;

/**
 * These players get no seat in a session any more, whoever asks for one. Seats that they have stay theirs until they are freed.
 * `starting`: nobody is sent there yet. `full`: so many are banned that more is a mistake. Undefined: no such instance.
 */
export function banPlayers(
  nk: Nakama,
  fleet: string,
  sessionId: string,
  userIds: string[],
): 'banned' | 'starting' | 'full' | undefined {
  return ask<'banned' | 'starting' | 'full' | null>(nk, BAN, [fleet, sessionId, json(userIds)]) ?? undefined;
}
