import type { Instance } from '../records';
import type { Nakama } from '../nakama/runtime';
import {
  CHANGED,
  changeValues,
  LEASE,
  ROW,
  type AllocationChange,
  type AllocationRow,
  type Lease,
} from './allocation-row';
import { COUNT_SEATS } from './counting';
import { answer, ask, json } from './sql';

/* The statements with which an allocation has its session: instance and seats, before the players are told. */

/** Until when a session that is started for nobody waits for its first player, as the request of `mine` says; NULL: its ttl. */
const AWAITED = LEASE("(mine.doc->'request'->>'empty_timeout_ms')");

/** The allocation, unless somebody changed or cancelled it, and those of its players who still wait for it. */
const MINE = `
WITH mine AS (
  UPDATE gameye_allocation a SET ${CHANGED} WHERE a.id = $1::text AND a.version = $2::int8 AND NOT a.cancelled RETURNING a.*
), waiting AS (
  SELECT s.user_id FROM gameye_seat s WHERE s.allocation_id = $1::text AND s.state = 'starting' AND EXISTS (SELECT 1 FROM mine)
  ORDER BY s.user_id FOR UPDATE
)`;

const STARTED = `${MINE}, seated AS (
  UPDATE gameye_seat s SET
    state = CASE WHEN NOT $11::boolean THEN 'starting' WHEN $12::float8 IS NULL THEN 'joined' ELSE 'reserved' END,
    until = CASE WHEN $11::boolean THEN ${LEASE('$12')} END,
    session_id = $4::text, version = s.version + 1, update_time = now()
  FROM waiting w WHERE s.user_id = w.user_id
  RETURNING s.user_id
), n AS (
  SELECT count(*)::int4 AS waiting, CASE WHEN $11::boolean THEN count(*)::int4 ELSE 0 END AS seated FROM seated
), made AS (
  INSERT INTO gameye_instance AS i (id, allocation_id, fleet, status, region, image, version, mode, solo, ip_address, dns_name, port, ports,
    max_players, reserved, joined, player_count, open_seats, metadata, pool, visited, reported, create_time, expires_at, shared, awaited_until,
    code, public, host, warm)
  SELECT x.id, $1::text, mine.fleet, x.status, x.region, x.image, x.version, x.mode, x.solo, x.ip_address, x.dns_name, x.port, x.ports,
    x.max_players, CASE WHEN $12::float8 IS NULL THEN 0 ELSE n.seated END, CASE WHEN $12::float8 IS NULL THEN n.seated ELSE 0 END,
    n.seated, x.max_players - n.seated, x.metadata, x.pool, $12::float8 IS NULL AND n.seated > 0, mine.server_ready, now(),
    now() + x.ttl_ms * interval '1 millisecond', coalesce((mine.doc->'request'->>'backfill')::boolean, true),
    CASE WHEN $11::boolean THEN ${AWAITED} END,
    -- Its own from the start, unless another one got it in the one moment that nobody could look at both.
    CASE WHEN NOT EXISTS (SELECT 1 FROM gameye_instance o WHERE o.fleet = mine.fleet AND o.code = mine.code AND o.id <> x.id) THEN mine.code END,
    coalesce((mine.doc->'request'->'room'->>'public')::boolean, false),
    CASE WHEN mine.code IS NULL THEN '' ELSE coalesce(mine.doc->'request'->'user_ids'->>0, '') END,
    CASE WHEN n.waiting = 0 THEN x.warm END
  FROM jsonb_to_record($10::text::jsonb) AS x(id text, status text, region text, image text, version text, mode text, solo boolean,
    ip_address text, dns_name text, port int4, ports jsonb, max_players int4, metadata jsonb, pool text, ttl_ms float8, warm text), mine, n
  WHERE n.waiting > 0 OR NOT $13::boolean
  ON CONFLICT (id) DO UPDATE SET allocation_id = EXCLUDED.allocation_id, status = EXCLUDED.status, pool = EXCLUDED.pool,
    metadata = EXCLUDED.metadata, expires_at = EXCLUDED.expires_at, warm = EXCLUDED.warm, empty_since = NULL,
    shared = EXCLUDED.shared, awaited_until = EXCLUDED.awaited_until,
    code = EXCLUDED.code, public = EXCLUDED.public, host = EXCLUDED.host, reported = i.reported OR EXCLUDED.reported,
    reserved = i.reserved + EXCLUDED.reserved, joined = i.joined + EXCLUDED.joined,
    player_count = i.player_count + EXCLUDED.player_count,
    max_players = greatest(EXCLUDED.max_players, i.player_count + EXCLUDED.player_count),
    open_seats = greatest(EXCLUDED.max_players, i.player_count + EXCLUDED.player_count) - i.player_count - EXCLUDED.player_count
  RETURNING i.id
)
${answer(`json_build_object('row', (SELECT ${ROW} FROM mine a), 'made', EXISTS (SELECT 1 FROM made),
  'user_ids', (SELECT coalesce(json_agg(user_id), '[]') FROM seated))`)}`;

/** An instance that begins: what is stored of it. Its ttl in milliseconds. */
export interface NewInstance {
  id: string;
  status: string;
  region: string;
  image: string;
  version: string;
  mode: string;
  /** A player started it alone. */
  solo: boolean;
  ip_address: string;
  dns_name: string;
  port: number;
  ports: Instance['ports'];
  max_players: number;
  metadata: Instance['metadata'];
  pool: string | null;
  ttl_ms: number;
  /** Of the warm buffer: which groups may take it. Null: it is none of those. */
  warm: string | null;
}

export interface Started {
  row: AllocationRow;
  /** The instance is stored; false: all of its players went away, so nobody needs the session. */
  made: boolean;
  /** Its players who still wait, and have seats from now on. */
  user_ids: string[];
}

/**
 * The session of an allocation runs: allocation, instance and its players' seats in one statement, so that whoever looks sees
 * all of it or nothing. Players who cancelled or were matched again get no seat. `seatMs`: how long seats are reserved, null:
 * joined at once. With `waits` nobody is sent there yet: its players stay `starting`. Undefined: somebody changed the row.
 */
export function saveStarted(
  nk: Nakama,
  a: AllocationChange,
  version: number,
  lease: Lease,
  instance: NewInstance,
  options: { waits: boolean; seatMs: number | null; hasPlayers: boolean },
): Started | undefined {
  const found = ask<{ row: AllocationRow | null; made: boolean; user_ids: string[] }>(nk, STARTED, [
    ...changeValues(a, version, lease),
    json(instance),
    !options.waits,
    options.seatMs,
    options.hasPlayers,
  ]);
  return found.row ? { row: found.row, made: found.made, user_ids: found.user_ids } : undefined;
}

const OPENED = `${MINE}, seated AS (
  UPDATE gameye_seat s SET state = CASE WHEN $10::float8 IS NULL THEN 'joined' ELSE 'reserved' END, until = ${LEASE('$10')},
    session_id = $4::text, version = s.version + 1, update_time = now()
  FROM waiting w WHERE s.user_id = w.user_id
  RETURNING s.user_id
), n AS (
  SELECT count(*)::int4 AS seated FROM seated
), counted AS (
  UPDATE gameye_instance i SET status = CASE WHEN i.status = 'starting' THEN 'running' ELSE i.status END,
    awaited_until = (SELECT ${AWAITED} FROM mine), ${COUNT_SEATS}
  FROM (SELECT $4::text AS id, CASE WHEN $10::float8 IS NULL THEN 0 ELSE n.seated END AS reserved,
    CASE WHEN $10::float8 IS NULL THEN n.seated ELSE 0 END AS joined, n.seated AS taken, false AS arrived FROM n) d
  WHERE i.id = d.id
  RETURNING i.id
)
${answer(`json_build_object('row', (SELECT ${ROW} FROM mine a), 'made', EXISTS (SELECT 1 FROM counted),
  'user_ids', (SELECT coalesce(json_agg(user_id), '[]') FROM seated))`)}`;

/** The game server of a session that waited for it is ready: the same as `saveStarted` for the instance that is there. */
export function saveOpened(
  nk: Nakama,
  a: AllocationChange,
  version: number,
  lease: Lease,
  seatMs: number | null,
): Started | undefined {
  const found = ask<{ row: AllocationRow | null; made: boolean; user_ids: string[] }>(nk, OPENED, [
    ...changeValues(a, version, lease),
    seatMs,
  ]);
  return found.row ? { row: found.row, made: found.made, user_ids: found.user_ids } : undefined;
}
