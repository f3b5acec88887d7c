import type { Nakama } from '../nakama/runtime';
import { isBanned } from './instances';
import { isHeardOf } from './liveness';
import { taking, takenOf, type Taken, type TakingAnswer } from './seats';
import { ask, json, type Value } from './sql';

/** Whom seats in a running session are looked for, and in which. */
export interface Wanted {
  fleet: string;
  /** They go together. */
  user_ids: string[];
  /** Those that suit all of them, best first. */
  regions: string[];
  image: string;
  /** Null: any; so is the mode. */
  version: string | null;
  mode: string | null;
  /** A session that ends sooner takes nobody (milliseconds). */
  least_left_ms: number;
  /** How long seats are reserved; null: joined at once. */
  seat_ms: number | null;
  /** A condition on an instance `i`; its values are numbered from FIRST_VALUE. */
  where: { sql: string; values: Value[] };
}

export type Found =
  /** They have seats there, all of them unless it is `raced`. */
  | { kind: 'found'; session_id: string; taken: Taken & { kind: 'taken' | 'raced' } }
  /** There is none with room. */
  | { kind: 'none' }
  /** Others took the seats that were there a moment ago, or hold them just now: look again. */
  | { kind: 'overtaken' };

/** Of the placeholders of `where`. */
export const FIRST_VALUE = 10;

/** Whether an instance `i` may be one, leaving aside its room. */
const suits = (
  where: string,
): string => `i.fleet = $1::text AND i.region = near.region AND i.status = 'running' AND i.image = $6::text
      AND ($7::text IS NULL OR i.version = $7::text) AND ($9::text IS NULL OR i.mode = $9::text)
      AND ${isHeardOf('i')} AND NOT EXISTS (SELECT 1 FROM asked a WHERE ${isBanned('i', 'a.user_id')})
      AND (i.expires_at IS NULL OR i.expires_at > now() + $8::float8 * interval '1 millisecond') AND (${where})`;

/**
 * The place of a group: where all of it sits already, as if it did not; else the first region of its order that has one, the
 * fullest there. The limits keep the planner from reading the whole table to lock one of the few that fit.
 */
const best = (where: string, locked: string): string => `wanted AS (
  SELECT user_id, place FROM asked
), lapsed AS (
  SELECT user_id FROM asked WHERE false
), size AS (
  SELECT count(*)::int4 AS players FROM asked WHERE (SELECT count(*) FROM old) >= 0
), own AS (
  SELECT o.session_id AS id, count(*)::int4 AS seats FROM old o WHERE o.state IN ('reserved', 'joined') GROUP BY o.session_id
), near AS (
  SELECT region, place FROM jsonb_array_elements_text($2::text::jsonb) WITH ORDINALITY AS r(region, place)
), stay AS (
  SELECT i.id FROM near, (
    SELECT x.id, x.fleet, x.status, x.region, x.version, x.image, x.mode, x.metadata, x.create_time, x.expires_at, x.banned, x.silent_at, x.ending,
      x.player_count - own.seats AS player_count, x.open_seats + own.seats AS open_seats
    FROM own JOIN gameye_instance x ON x.id = own.id, size WHERE own.seats = size.players
  ) i WHERE ${suits(where)}
), fits AS (
  SELECT x.id, near.place, x.player_count, x.needs FROM size, near, LATERAL (
    SELECT i.id, i.player_count, size.players - coalesce(own.seats, 0) AS needs
    FROM gameye_instance i LEFT JOIN own ON own.id = i.id
    WHERE ${suits(where)} AND i.open AND i.shared AND i.open_seats > 0 AND i.open_seats >= size.players - coalesce(own.seats, 0)
    ORDER BY i.player_count DESC LIMIT 20
  ) x
), best AS (
  SELECT id, 0 AS place, 0 AS player_count, 0 AS needs FROM stay
  UNION ALL (SELECT id, place, player_count, needs FROM fits ORDER BY place, player_count DESC, id LIMIT 20)
), place AS (
  SELECT i.* FROM gameye_instance i JOIN best ON best.id = i.id
  WHERE i.status = 'running' AND (best.place = 0 OR i.open AND i.open_seats >= best.needs AND (${where}))
  ORDER BY best.place, best.player_count DESC, i.id LIMIT 1 FOR UPDATE OF i ${locked}
)`;

/**
 * Seats a group, all of it, in the best running session that suits it, over all nodes and sessions. A session that somebody
 * else changes at this moment is passed over, or waited for with `waits`. Where all of them sit already nothing is written, so a
 * repetition finds what the first call found. A seat or a start elsewhere is given up.
 */
export function findSeats(nk: Nakama, wanted: Wanted, waits: boolean): Found {
  const { fleet, user_ids, regions, image, version, mode, least_left_ms, seat_ms, where } = wanted;
  const place = best(where.sql, waits ? '' : 'SKIP LOCKED');
  const statement = taking(place, '(SELECT id FROM place)', 'true', `'some', EXISTS (SELECT 1 FROM best),`);
  const own: Value[] = [fleet, json(regions), json(user_ids), seat_ms, false, image, version, least_left_ms, mode];
  const found = ask<TakingAnswer & { some: boolean }>(nk, statement, own.concat(where.values));
  const taken = takenOf(found);
  if (found.id !== null && (taken.kind === 'taken' || taken.kind === 'raced')) {
    return { kind: 'found', session_id: found.id, taken };
  }
  return { kind: found.some ? 'overtaken' : 'none' };
}
