import type { Nakama } from '../nakama/runtime';
import { isBanned } from './instances';
import { isHeardOf } from './liveness';
import { answer, ask, json } from './sql';

/*
 * Statements about spectators: whoever watches a session has one of its numbered places for them, and no seat. The numbers are
 * the table's key, so there are never more than a session may have; the places go with their instance.
 */

/** What came of asking for a place. `raced`: somebody else took it at this moment, so ask again. */
export type Watching = 'watches' | 'gone' | 'closed' | 'banned' | 'full' | 'raced';

const WATCH = `
WITH found AS (
  SELECT i.id, i.status NOT IN ('exited', 'dead', 'draining', 'lost', 'starting') AND ${isHeardOf('i')} AS takes,
    ${isBanned('i', '$3::text')} AS banned
  FROM gameye_instance i WHERE i.id = $2::text AND i.fleet = $1::text FOR KEY SHARE
), place AS (
  SELECT id FROM found WHERE takes AND NOT banned
), kept AS (
  UPDATE gameye_spectator w SET until = CASE WHEN w.until IS NULL THEN NULL ELSE now() + $5::float8 * interval '1 millisecond' END
  FROM place WHERE w.session_id = place.id AND w.user_id = $3::text RETURNING 1
), free AS (
  SELECT place.id, n FROM place, generate_series(1, $4::int4) AS n
  WHERE NOT EXISTS (SELECT 1 FROM kept) AND NOT EXISTS (
    SELECT 1 FROM gameye_spectator w WHERE w.session_id = place.id AND w.place = n AND coalesce(w.until > now(), true))
  -- Two who ask at once want different places.
  ORDER BY random() LIMIT 1
), over AS (
  DELETE FROM gameye_spectator w USING free
  WHERE w.user_id = $3::text OR (w.session_id = free.id AND w.until <= now()) RETURNING 1
), taken AS (
  INSERT INTO gameye_spectator (session_id, place, user_id, until)
  SELECT id, n, $3::text, now() + $5::float8 * interval '1 millisecond' FROM free WHERE (SELECT count(*) FROM over) >= 0
  ON CONFLICT DO NOTHING RETURNING 1
)
${answer(`CASE WHEN NOT EXISTS (SELECT 1 FROM found) THEN 'gone' WHEN (SELECT banned FROM found) THEN 'banned'
  WHEN NOT (SELECT takes FROM found) THEN 'closed' WHEN EXISTS (SELECT 1 FROM kept UNION ALL SELECT 1 FROM taken) THEN 'watches'
  WHEN EXISTS (SELECT 1 FROM free) THEN 'raced' ELSE 'full' END`)}`;

/**
 * Gives somebody one of the `most` places for spectators of a session, kept for `keptMs` until they arrive; null: until they go.
 * What they watched elsewhere is over. Asked again there, it is kept anew.
 */
export function takePlace(
  nk: Nakama,
  fleet: string,
  sessionId: string,
  userId: string,
  most: number,
  keptMs: number | null,
): Watching {
  return ask<Watching>(nk, WATCH, [fleet, sessionId, userId, most, keptMs]);
}

const ARRIVE = `
WITH here AS (
  SELECT w.user_id, EXISTS (SELECT 1 FROM gameye_seat s WHERE s.user_id = w.user_id AND s.session_id = w.session_id
    AND s.state IN ('reserved', 'joined')) AS plays
  FROM gameye_spectator w JOIN gameye_instance i ON i.id = w.session_id AND i.fleet = $1::text
  WHERE w.session_id = $2::text AND w.user_id IN (SELECT jsonb_array_elements_text($3::text::jsonb))
  ORDER BY w.user_id FOR UPDATE OF w
), arrived AS (
  UPDATE gameye_spectator w SET until = NULL FROM here
  WHERE w.session_id = $2::text AND w.user_id = here.user_id AND NOT here.plays RETURNING w.user_id
), over AS (
  DELETE FROM gameye_spectator w USING here WHERE w.session_id = $2::text AND w.user_id = here.user_id AND here.plays
)
${answer("(SELECT coalesce(json_agg(user_id ORDER BY user_id), '[]') FROM arrived)")}`;

/** Of these people, who have come into the game of a session, those who watch: their places are theirs until they leave. */
export function spectatorsArrived(nk: Nakama, fleet: string, sessionId: string, userIds: string[]): string[] {
  return ask<string[]>(nk, ARRIVE, [fleet, sessionId, json(userIds)]);
}

const LEAVE = `
WITH gone AS (
  DELETE FROM gameye_spectator w USING gameye_instance i
  WHERE i.id = w.session_id AND i.fleet = $1::text AND w.user_id IN (SELECT jsonb_array_elements_text($2::text::jsonb))
    AND ($3::text IS NULL OR w.session_id = $3::text OR i.allocation_id = $3::text) RETURNING 1
)
${answer('(SELECT count(*) FROM gone)')}`;

/** These people watch no more: one session, or any of the fleet. Answers how many did. */
export function leavePlaces(nk: Nakama, fleet: string, userIds: string[], sessionId?: string): number {
  return ask<number>(nk, LEAVE, [fleet, json(userIds), sessionId ?? null]);
}
