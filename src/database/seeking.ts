import type { Nakama } from '../nakama/runtime';
import type { Lease } from './allocation-row';
import { COUNT_SEATS } from './counting';
import { isBanned } from './instances';
import { isHeardOf } from './liveness';
import { answer, ask, json } from './sql';

/*
 * Backfill's statements: a waiting group takes seats in a running session, or becomes part of an allocation whose session is
 * just being started. Each changes everything it concerns at once, so seats and who holds them are never apart.
 */

/** What a waiting allocation looks for. */
export interface Seeker {
  id: string;
  version: number;
  fleet: string;
  /** Seats in a session of its pool, or a warm session that nobody is in and that it has alone from then on. */
  room: 'pool' | 'warm';
  /** Which pool, or which warm sessions. */
  key: string;
  /** Those that suit all of its players, best first. */
  regions: string[];
  /** Sessions that turned out to be gone. */
  passed: string[];
  /** A session that ends sooner takes nobody (milliseconds). */
  least_left_ms: number;
  /** How long seats are reserved; null: joined at once. */
  seat_ms: number | null;
  lease: Lease;
}

export type Sought =
  /** Its players have seats in a running session; `state` of the allocation is `seated`. */
  | { kind: 'seated'; session_id: string; region: string; warm: boolean; version: number; user_ids: string[] }
  /** There is none with room. */
  | { kind: 'none' }
  /** Others took the seats that were there a moment ago, or hold them just now: look again. */
  | { kind: 'overtaken' }
  /** Somebody changed the allocation. */
  | { kind: 'changed' };

/** None of the waiting players is banned from an instance `i`. */
const WELCOMES_ALL = `(i.banned = '[]' OR NOT EXISTS (SELECT 1 FROM waiting w WHERE ${isBanned('i', 'w.user_id')}))`;

// The limit of `best` keeps the planner from reading the whole table to lock one of the few that fit.
const seek = (room: string, change = ''): string => `
WITH mine AS (
  SELECT a.* FROM gameye_allocation a WHERE a.id = $1::text AND a.version = $2::int8 AND NOT a.cancelled FOR UPDATE
), waiting AS (
  SELECT s.user_id FROM gameye_seat s WHERE s.allocation_id = $1::text AND s.state = 'starting' AND EXISTS (SELECT 1 FROM mine)
  ORDER BY s.user_id FOR UPDATE
), n AS (
  SELECT count(*)::int4 AS players FROM waiting
), near AS (
  SELECT region, place FROM jsonb_array_elements_text($5::text::jsonb) WITH ORDINALITY AS r(region, place)
), fits AS (
  SELECT x.id, near.place, x.player_count FROM n, near, LATERAL (
    SELECT i.id, i.player_count FROM gameye_instance i
    WHERE ${room} AND i.region = near.region AND i.open AND i.status = 'running' AND i.open_seats > 0 AND ${isHeardOf('i')}
      AND i.open_seats >= n.players AND i.fleet = $3::text
      AND (i.expires_at IS NULL OR i.expires_at > now() + $7::float8 * interval '1 millisecond')
      AND NOT EXISTS (SELECT 1 FROM jsonb_array_elements_text($6::text::jsonb) AS p(id) WHERE p.id = i.id)
      AND ${WELCOMES_ALL}
    ORDER BY i.player_count DESC LIMIT 20
  ) x WHERE n.players > 0
), best AS (
  SELECT * FROM fits ORDER BY place, player_count DESC, id LIMIT 20
), place AS (
  SELECT i.id, i.region, i.warm IS NOT NULL AS warm FROM gameye_instance i JOIN best ON best.id = i.id, n
  WHERE ${room} AND i.open AND i.status = 'running' AND i.open_seats >= n.players AND ${isHeardOf('i')}
    AND ${WELCOMES_ALL}
  ORDER BY best.place, best.player_count DESC, i.id LIMIT 1 FOR UPDATE OF i SKIP LOCKED
), seated AS (
  UPDATE gameye_seat s SET state = CASE WHEN $8::float8 IS NULL THEN 'joined' ELSE 'reserved' END,
    until = now() + $8::float8 * interval '1 millisecond', session_id = place.id, version = s.version + 1, update_time = now()
  FROM waiting w, place WHERE s.user_id = w.user_id
  RETURNING s.user_id
), counted AS (
  UPDATE gameye_instance i SET ${COUNT_SEATS}${change}
  FROM (SELECT place.id, CASE WHEN $8::float8 IS NULL THEN 0 ELSE n.players END AS reserved,
    CASE WHEN $8::float8 IS NULL THEN n.players ELSE 0 END AS joined, n.players AS taken, false AS arrived FROM place, n) d
  WHERE i.id = d.id
), changed AS (
  UPDATE gameye_allocation a SET state = 'seated', free_seats = 0, version = a.version + 1,
    doc = a.doc || jsonb_build_object('place', place.id, 'next_at_ms', 0),
    holder = $10::text, lease_until = now() + $9::float8 * interval '1 millisecond'
  FROM place WHERE a.id = $1::text RETURNING a.version
)
${answer(`json_build_object('mine', EXISTS (SELECT 1 FROM mine), 'fits', EXISTS (SELECT 1 FROM fits),
  'place', (SELECT json_build_object('id', id, 'region', region, 'warm', warm) FROM place), 'version', (SELECT version FROM changed),
  'user_ids', (SELECT coalesce(json_agg(user_id), '[]') FROM seated))`)}`;

const SEEK = {
  pool: seek('i.pool = $4::text'),
  warm: seek(
    'i.warm = $4::text AND i.player_count = 0',
    `, pool = NULL, solo = coalesce((SELECT (mine.doc->'request'->>'solo')::boolean FROM mine), false),
    shared = coalesce((SELECT (mine.doc->'request'->>'backfill')::boolean FROM mine), true)`,
  ),
};

/**
 * Seats all waiting players of an allocation in the best running session: regions in their order, then the fullest. Over all
 * nodes and sessions; a session that somebody else changes at this moment is passed over, so of two groups at once only one
 * takes a warm session.
 */
export function seekSeats(nk: Nakama, seeker: Seeker): Sought {
  const found = ask<{
    mine: boolean;
    fits: boolean;
    place: { id: string; region: string; warm: boolean } | null;
    version: number | null;
    user_ids: string[];
  }>(nk, SEEK[seeker.room], [
    seeker.id,
    seeker.version,
    seeker.fleet,
    seeker.key,
    json(seeker.regions),
    json(seeker.passed),
    seeker.least_left_ms,
    seeker.seat_ms,
    seeker.lease.ms,
    seeker.lease.holder,
  ]);
  if (!found.mine) return { kind: 'changed' };
  if (found.place && found.version !== null) {
    const { id: session_id, region, warm } = found.place;
    return { kind: 'seated', session_id, region, warm, version: found.version, user_ids: found.user_ids };
  }
  return { kind: found.fits ? 'overtaken' : 'none' };
}

export type Merged =
  /** The group belongs to another allocation now, and its own is gone. */
  | { kind: 'merged'; host: string }
  | { kind: 'none' }
  /** Another group of the pool is about to start a session or to look for one itself: look again in a moment. */
  | { kind: 'soon' }
  | { kind: 'changed' };

const MERGE = `
WITH mine AS (
  SELECT a.* FROM gameye_allocation a
  WHERE a.id = $1::text AND a.version = $2::int8 AND NOT a.cancelled AND a.guests = '[]' FOR UPDATE
), waiting AS (
  SELECT s.user_id FROM gameye_seat s WHERE s.allocation_id = $1::text AND s.state = 'starting' AND EXISTS (SELECT 1 FROM mine)
), n AS (
  SELECT count(*)::int4 AS players FROM waiting
), others AS (
  SELECT a.id, a.free_seats, a.create_time, a.attempts > 0 AS settled, (a.create_time, a.id) < (mine.create_time, mine.id) AS older
  FROM gameye_allocation a, mine, n
  WHERE a.guest_pool = mine.guest_pool AND a.free_seats > 0 AND a.free_seats >= n.players AND n.players > 0 AND a.id <> mine.id
    AND a.fleet = mine.fleet AND NOT a.cancelled AND a.state IN ('starting', 'started') AND left(a.holder, length($3::text)) = $3::text
    AND a.lease_until > now() AND now() < a.create_time + (a.deadline - a.create_time) / 2
    AND a.doc->'request'->>'callback' IS NOT DISTINCT FROM mine.doc->'request'->>'callback'
), host AS (
  SELECT a.id, a.session_id FROM gameye_allocation a JOIN others o ON o.id = a.id, n
  WHERE (o.settled OR o.older) AND a.free_seats >= n.players AND NOT a.cancelled AND a.state IN ('starting', 'started')
  ORDER BY o.settled DESC, o.free_seats, o.create_time, a.id LIMIT 1 FOR UPDATE OF a SKIP LOCKED
), taken AS (
  UPDATE gameye_allocation a SET free_seats = a.free_seats - n.players, version = a.version + 1,
    guests = a.guests || jsonb_build_array(jsonb_build_object('id', $1::text, 'user_ids', (SELECT jsonb_agg(user_id) FROM waiting)))
  FROM host, n WHERE a.id = host.id RETURNING a.id
), moved AS (
  UPDATE gameye_seat s SET allocation_id = host.id, session_id = host.session_id, version = s.version + 1, update_time = now()
  FROM waiting w, host WHERE s.user_id = w.user_id AND s.allocation_id = $1::text AND s.state = 'starting' AND (SELECT count(*) FROM taken) > 0
), gone AS (
  DELETE FROM gameye_allocation a WHERE a.id = $1::text AND (SELECT count(*) FROM taken) > 0
)
${answer(`json_build_object('mine', EXISTS (SELECT 1 FROM mine), 'host', (SELECT id FROM taken),
  'others', EXISTS (SELECT 1 FROM others))`)}`;

/**
 * Makes a waiting group part of an allocation of the same pool whose session is being started by this process, where its
 * players are connected: whoever answers for that answers for all, once. Of groups that are all still looking the younger join
 * the older, so that of many at once one goes first; `soon` tells that such a one is on its way. `process`: what the holders
 * of its workers begin with.
 */
export function mergeIntoStart(nk: Nakama, id: string, version: number, process: string): Merged {
  const found = ask<{ mine: boolean; host: string | null; others: boolean }>(nk, MERGE, [id, version, `${process}/`]);
  if (found.host !== null) return { kind: 'merged', host: found.host };
  if (!found.mine) return { kind: 'changed' };
  return { kind: found.others ? 'soon' : 'none' };
}

const RETURN = `
WITH mine AS (
  UPDATE gameye_allocation a SET state = 'starting', version = a.version + 1,
    doc = (a.doc - 'place') || jsonb_build_object('next', 'seek', 'next_at_ms', 0, 'in_doubt', false,
      'passed', coalesce(a.doc->'passed', '[]') || jsonb_build_array($3::text))
  WHERE a.id = $1::text AND a.version = $2::int8 AND a.state = 'seated' RETURNING a.version
), seats AS (
  SELECT s.user_id, s.state FROM gameye_seat s WHERE s.allocation_id = $1::text AND s.session_id = $3::text
    AND s.state IN ('reserved', 'joined', 'lapsed') AND EXISTS (SELECT 1 FROM mine) ORDER BY s.user_id FOR UPDATE
), back AS (
  UPDATE gameye_seat s SET state = 'starting', until = NULL, session_id = $1::text, version = s.version + 1, update_time = now()
  FROM seats WHERE s.user_id = seats.user_id RETURNING 1
), counted AS (
  UPDATE gameye_instance i SET status = CASE WHEN i.status IN ('exited', 'dead') THEN i.status ELSE 'lost' END, missed = i.missed + 1, ${COUNT_SEATS}
  FROM (SELECT $3::text AS id, -(count(*) FILTER (WHERE state = 'reserved'))::int4 AS reserved,
    -(count(*) FILTER (WHERE state = 'joined'))::int4 AS joined, 0 AS taken, false AS arrived FROM seats) d
  WHERE i.id = d.id AND (SELECT count(*) FROM back) >= 0
)
${answer('(SELECT version FROM mine)')}`;

/**
 * The session in which a group was seated is gone: it is `lost`, and the group looks for another place. Undefined: somebody
 * changed the allocation.
 */
export function unseat(nk: Nakama, id: string, version: number, sessionId: string): number | undefined {
  return ask<number | null>(nk, RETURN, [id, version, sessionId]) ?? undefined;
}
