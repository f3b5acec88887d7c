import type { Guest, Instance, LeftSeat } from '../records';
import type { Nakama } from '../nakama/runtime';
import { COUNT_SEATS, endLeft, freed, HAS_CHANGED, HAS_ENDED, leftSeats, plays, waits } from './counting';
import { ordersCount } from './control';
import { forgetOlder, usersOf } from './notifications';
import { answer, ask, json, ms, type Value } from './sql';

/*
 * Statements about allocations. `version` fences them: whoever changes a row raises it, and a change that names an older one
 * updates no row. Several statements lock rows of more than one table, always in the order allocation, seats, instances.
 */

/** A row as it is read. `doc` is what allocation/allocation.ts keeps of it as JSON. */
export interface AllocationRow {
  id: string;
  state: string;
  session_id: string;
  version: number;
  created_at_ms: number;
  deadline_ms: number;
  lease_until_ms: number;
  /** Somebody asked to end it; its worker does. */
  cancelled: boolean;
  /** Its game server said that it is ready. */
  server_ready: boolean;
  guests: Guest[];
  doc: object;
}

/** What every change of a row writes. */
export interface AllocationChange {
  id: string;
  state: string;
  session_id: string;
  attempts: number;
  /** Places that groups of the same pool may still take while its session is being started; 0: it takes none. */
  free_seats: number;
  doc: object;
}

/** Who works on it, and for how long nobody else does (milliseconds). */
export interface Lease {
  holder: string;
  ms: number;
}

/** How many sessions of the fleet and of one mode may run or start at once; null: any number. */
export interface MostSessions {
  of_fleet: number | null;
  of_mode: number | null;
}

export const NO_LIMIT: MostSessions = { of_fleet: null, of_mode: null };

export interface NewAllocation extends AllocationChange {
  fleet: string;
  create_timeout_ms: number;
  /** Which groups may take its free seats; null: none. */
  guest_pool: string | null;
  /** Its players, in any order. */
  user_ids: string[];
  /** How many sessions may run, when this allocation starts one at once. */
  most: MostSessions;
  /** How many allocations a player may get within a minute, however they came to it; null: not counted. */
  most_starts: number | null;
  /** Of a room: no other one that starts or runs has it; where one has, this is not stored. */
  code?: string;
  /** Of players who ask for it themselves: how many of these each may have within a minute, and while one does what they get none. */
  alone?: { most: number; unless: 'waiting' | 'playing' };
}

export type Stored =
  /**
   * `taken`: its players who wait for it now. `before`: seats that they had elsewhere and that are free now. `refused`:
   * who has had as many starts as may; they are none of its players. `orders`: how often operators changed theirs.
   */
  | { kind: 'stored'; row: AllocationRow; taken: string[]; before: LeftSeat[]; refused: string[]; orders: number }
  /** As many sessions run or start as may. */
  | { kind: 'full' }
  /** Who asks alone waits or plays already. */
  | { kind: 'busy' }
  /** Nobody of its players may have another one now. */
  | { kind: 'too-often' }
  /** There is an allocation with this id. */
  | { kind: 'exists' };

export const ROW = `json_build_object('id', a.id, 'state', a.state, 'session_id', a.session_id, 'version', a.version,
  'created_at_ms', ${ms('a.create_time')}, 'deadline_ms', ${ms('a.deadline')}, 'lease_until_ms', ${ms('a.lease_until')},
  'cancelled', a.cancelled, 'server_ready', a.server_ready, 'guests', a.guests, 'doc', a.doc)`;

export const LEASE = (milliseconds: string): string => `now() + ${milliseconds}::float8 * interval '1 millisecond'`;

/** Starts of the last minute in a row of gameye_seat. Those that nobody asked for alone are stored below zero. */
const RECENT = `start::float8 > ${ms('now()')} - 60000`;
const RECENT_OF_ALL = `abs(start::float8) > ${ms('now()')} - 60000`;

/** What a new allocation asks for beyond the ordinary: each is a part of the statement, with the arguments that only it has. */
interface Beyond {
  starts: boolean;
  alone: boolean;
  limited: boolean;
  coded: boolean;
}

/**
 * The statement with the parts that are asked for. Postgres plans it anew for each match, and planning the parts that most
 * matches do without cost more than all the rest. Arguments from the
 * thirteenth on are those of its parts, in their order.
 */
function storeStatement({ starts, alone, limited, coded }: Beyond): string {
  let last = 12;
  const next = (type: string): string => `$${(last += 1)}::${type}`;
  const mostStarts = starts ? next('int4') : '';
  const [mostAlone, unless] = alone ? [next('int4'), next('text')] : [];
  const [ofFleet, ofMode] = limited ? [next('int4'), next('int4')] : [];
  const code = coded ? next('text') : 'NULL';
  const isLeftOut = starts ? 'EXISTS (SELECT 1 FROM refused)' : 'false';
  const conditions = [
    starts && 'EXISTS (SELECT 1 FROM wanted) OR NOT EXISTS (SELECT 1 FROM refused)',
    alone && `NOT (SELECT busy OR too_often FROM judged)`,
    coded && `NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.fleet = $2::text AND i.code = ${code})`,
    limited && `gameye_admits($2::text, ${ofFleet}, coalesce($11::text::jsonb->'request'->>'mode', ''), ${ofMode})`,
  ].filter((condition) => condition !== false);
  return `
WITH asked AS (
  SELECT user_id, place FROM jsonb_array_elements_text($12::text::jsonb) WITH ORDINALITY AS w(user_id, place)
), old AS (
  SELECT s.* FROM gameye_seat s WHERE s.user_id IN (SELECT user_id FROM asked) ORDER BY s.user_id FOR UPDATE
)${
    starts
      ? `, refused AS (
  SELECT o.user_id FROM old o
  WHERE (SELECT count(*) FROM jsonb_array_elements_text(o.starts) AS start WHERE ${RECENT_OF_ALL}) >= ${mostStarts}
), wanted AS (
  SELECT a.user_id, a.place FROM asked a WHERE NOT EXISTS (SELECT 1 FROM refused r WHERE r.user_id = a.user_id)
)`
      : ', wanted AS (SELECT user_id, place FROM asked)'
  }${
    alone
      ? `, judged AS (
  SELECT ${HAS_CHANGED} OR EXISTS (SELECT 1 FROM old WHERE ${waits('old', '$2::text')} OR (${unless} = 'playing' AND ${plays('old', '$2::text')})) AS busy,
    ${isLeftOut} OR ${mostAlone} <= 0 OR EXISTS (SELECT 1 FROM old WHERE
        (SELECT count(*) FROM jsonb_array_elements_text(old.starts) AS start WHERE ${RECENT}) >= ${mostAlone}) AS too_often
)`
      : ''
  }, made AS (
  INSERT INTO gameye_allocation (id, fleet, state, session_id, holder, lease_until, deadline, attempts, guest_pool, free_seats, code, doc)
  SELECT $1::text, $2::text, $3::text, $4::text, $5::text, ${LEASE('$6')}, ${LEASE('$7')}, $8::int4, $9::text, $10::int4, ${code},
    ${
      starts
        ? `CASE WHEN NOT EXISTS (SELECT 1 FROM refused) THEN $11::text::jsonb
      ELSE jsonb_set($11::text::jsonb, '{request,user_ids}', (SELECT jsonb_agg(user_id ORDER BY place) FROM wanted)) END`
        : '$11::text::jsonb'
    }
  ${conditions.length === 0 ? '' : `WHERE (${conditions.join(')\n    AND (')})`}
  ON CONFLICT (id) DO NOTHING
  RETURNING *
), taken AS (
  INSERT INTO gameye_seat AS s (user_id, state, session_id, allocation_id, version, starts)
  SELECT w.user_id, 'starting', $4::text, $1::text, coalesce(o.version, 0) + 1,
    ${
      starts || alone
        ? `(SELECT coalesce(jsonb_agg(start), '[]') || jsonb_build_array(${alone ? '' : '-'}${ms('now()')})
      FROM jsonb_array_elements(coalesce(o.starts, '[]')) AS e(start), LATERAL (SELECT abs(e.start::text::float8) AS at) t
      WHERE t.at > ${ms('now()')} - 60000)`
        : `coalesce(o.starts, '[]')`
    }
  FROM wanted w LEFT JOIN old o ON o.user_id = w.user_id WHERE EXISTS (SELECT 1 FROM made) ORDER BY w.user_id
  ON CONFLICT (user_id) DO UPDATE SET state = 'starting', session_id = EXCLUDED.session_id, allocation_id = EXCLUDED.allocation_id,
    until = NULL, reason = NULL, version = EXCLUDED.version, starts = EXCLUDED.starts, update_time = now()
  WHERE s.version = EXCLUDED.version - 1
  RETURNING s.user_id
)${
    starts && !alone
      ? `, told AS (
  UPDATE gameye_seat s SET state = 'failed', reason = 'quota_exceeded', session_id = '', allocation_id = '', until = NULL,
    version = s.version + 1, update_time = now()
  FROM refused r WHERE s.user_id = r.user_id AND s.state NOT IN ('starting', 'reserved', 'joined')
)`
      : ''
  }, moved AS (
  SELECT o.user_id, o.session_id, o.state FROM old o JOIN taken t ON t.user_id = o.user_id WHERE o.state IN ('reserved', 'joined')
), counted AS (
  UPDATE gameye_instance i SET ${COUNT_SEATS}, ${endLeft('true')} FROM (${freed('moved')}) d WHERE i.id = d.id
  RETURNING i.id, i.fleet, ${HAS_ENDED} AS ended
)
${answer(`json_build_object(
    'row', (SELECT ${ROW} FROM made a),
    'exists', EXISTS (SELECT 1 FROM gameye_allocation a WHERE a.id = $1::text),
    ${alone ? `'busy', (SELECT busy FROM judged), 'too_often', (SELECT too_often FROM judged),` : starts ? `'too_often', ${isLeftOut} AND NOT EXISTS (SELECT 1 FROM wanted),` : ''}
    'taken', (SELECT coalesce(json_agg(user_id), '[]') FROM taken),
    'refused', ${starts ? `(SELECT coalesce(json_agg(user_id), '[]') FROM refused)` : `'[]'::json`},
    'before', ${leftSeats('moved', 'counted', '$2')}, 'orders', ${ordersCount('$2::text')})`)}`;
}

/**
 * Stores a new allocation with its lease and makes its players' rows `starting`, all or nothing; seats that they had are
 * freed. Who had too many within a minute is left out and stands as `failed`. Of two that take the same player's first row at
 * the same moment one does not get it: it is missing in `taken`.
 */
export function storeAllocation(nk: Nakama, a: NewAllocation, lease: Lease): Stored {
  const starts = a.most_starts !== null;
  const limited = a.most.of_fleet !== null || a.most.of_mode !== null;
  const parts = { starts, alone: a.alone !== undefined, limited, coded: a.code !== undefined };
  const found = ask<{
    row: AllocationRow | null;
    exists: boolean;
    busy?: boolean;
    too_often?: boolean;
    taken: string[];
    refused: string[];
    before: LeftSeat[];
    orders: number;
  }>(nk, storeStatement(parts), [
    a.id,
    a.fleet,
    a.state,
    a.session_id,
    lease.holder,
    lease.ms,
    a.create_timeout_ms,
    a.attempts,
    a.guest_pool,
    a.free_seats,
    json(a.doc),
    json(a.user_ids),
    ...(starts ? [a.most_starts] : []),
    ...(a.alone ? [a.alone.most, a.alone.unless] : []),
    ...(limited ? [a.most.of_fleet, a.most.of_mode] : []),
    ...(a.code === undefined ? [] : [a.code]),
  ]);
  const { row, taken, before, refused, orders } = found;
  if (row) return { kind: 'stored', row, taken, before, refused, orders };
  if (found.exists) return { kind: 'exists' };
  return { kind: found.busy ? 'busy' : found.too_often ? 'too-often' : 'full' };
}

const CHANGED = `state = $3::text, session_id = $4::text, attempts = $5::int4, free_seats = $6::int4, doc = $7::text::jsonb,
  version = a.version + 1, holder = $8::text, lease_until = ${LEASE('$9')}`;

const changeValues = (a: AllocationChange, version: number, lease: Lease): Value[] => [
  a.id,
  version,
  a.state,
  a.session_id,
  a.attempts,
  a.free_seats,
  json(a.doc),
  lease.holder,
  lease.ms,
];

const SAVE = `
WITH changed AS (
  UPDATE gameye_allocation a SET ${CHANGED} WHERE a.id = $1::text AND a.version = $2::int8 RETURNING a.*
)
${answer(`(SELECT ${ROW} FROM changed a)`)}`;

/** Stores what follows from a step, with a new lease. Undefined: somebody changed the row, or it is gone. */
export function saveAllocation(
  nk: Nakama,
  a: AllocationChange,
  version: number,
  lease: Lease,
): AllocationRow | undefined {
  return ask<AllocationRow | null>(nk, SAVE, changeValues(a, version, lease)) ?? undefined;
}

const ATTEMPT = `
WITH mine AS (
  SELECT a.id, ($10::int4 IS NULL AND $12::int4 IS NULL
      OR gameye_admits(a.fleet, $10::int4, coalesce(a.doc->'request'->>'mode', ''), $12::int4)) AS admitted,
    (SELECT count(*) FROM gameye_seat s WHERE s.allocation_id = a.id AND s.state = 'starting')::int4 AS waiting
  FROM gameye_allocation a WHERE a.id = $1::text AND a.version = $2::int8 FOR UPDATE OF a
), changed AS (
  UPDATE gameye_allocation a SET ${CHANGED} FROM mine WHERE a.id = mine.id AND a.version = $2::int8 AND mine.admitted
    AND (mine.waiting > 0 OR NOT $11::boolean)
  RETURNING a.*
)
${answer(`json_build_object('row', (SELECT ${ROW} FROM changed a), 'admitted', (SELECT admitted FROM mine), 'waiting', (SELECT waiting FROM mine))`)}`;

/**
 * Stores an attempt before it is sent. `full`: as many sessions run or start as may.
 * `nobody`: all of its players went away or were matched again, with `hasPlayers`. Undefined: somebody changed the row.
 */
export function saveAttempt(
  nk: Nakama,
  a: AllocationChange,
  version: number,
  lease: Lease,
  most: MostSessions,
  hasPlayers: boolean,
): AllocationRow | 'full' | 'nobody' | undefined {
  const found = ask<{ row: AllocationRow | null; admitted: boolean | null; waiting: number | null }>(nk, ATTEMPT, [
    ...changeValues(a, version, lease),
    most.of_fleet,
    hasPlayers,
    most.of_mode,
  ]);
  if (found.row) return found.row;
  if (found.admitted === null) return undefined;
  return found.admitted ? 'nobody' : 'full';
}

/** Until when a session that is started for nobody waits for its first player, as the request of `mine` says; NULL: its ttl. */
const AWAITED = LEASE("(mine.doc->'request'->>'empty_timeout_ms')");

const STARTED = `
WITH mine AS (
  UPDATE gameye_allocation a SET ${CHANGED} WHERE a.id = $1::text AND a.version = $2::int8 AND NOT a.cancelled RETURNING a.*
), waiting AS (
  SELECT s.user_id FROM gameye_seat s WHERE s.allocation_id = $1::text AND s.state = 'starting' AND EXISTS (SELECT 1 FROM mine)
  ORDER BY s.user_id FOR UPDATE
), seated AS (
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

const OPENED = `
WITH mine AS (
  UPDATE gameye_allocation a SET ${CHANGED} WHERE a.id = $1::text AND a.version = $2::int8 AND NOT a.cancelled RETURNING a.*
), waiting AS (
  SELECT s.user_id FROM gameye_seat s WHERE s.allocation_id = $1::text AND s.state = 'starting' AND EXISTS (SELECT 1 FROM mine)
  ORDER BY s.user_id FOR UPDATE
), seated AS (
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

const FAILED = `
WITH mine AS (
  UPDATE gameye_allocation a SET ${CHANGED} WHERE a.id = $1::text AND a.version = $2::int8 RETURNING a.*
), waiting AS (
  SELECT s.user_id, s.state, s.session_id FROM gameye_seat s
  WHERE s.allocation_id = $1::text AND s.state IN ('starting', 'reserved', 'joined', 'failed') AND EXISTS (SELECT 1 FROM mine)
  ORDER BY s.user_id FOR UPDATE
), told AS (
  UPDATE gameye_seat s SET state = 'failed', reason = $10::text, until = NULL, version = s.version + 1, update_time = now()
  FROM waiting w WHERE s.user_id = w.user_id
  RETURNING s.user_id
), counted AS (
  UPDATE gameye_instance i SET status = CASE WHEN i.id = $4::text AND i.status IN ('running', 'starting') THEN 'draining' ELSE i.status END,
    ${COUNT_SEATS}
  FROM (SELECT id, sum(reserved)::int4 AS reserved, sum(joined)::int4 AS joined, 0 AS taken, false AS arrived FROM (
    ${freed('waiting')} UNION ALL SELECT session_id, 0, 0, 0, false FROM mine) x GROUP BY id) d
  WHERE i.id = d.id
)
${answer(`json_build_object('row', (SELECT ${ROW} FROM mine a), 'user_ids', (SELECT coalesce(json_agg(user_id), '[]') FROM told))`)}`;

/**
 * An allocation is given up: its players who still belong to it stand as `failed` with the reason, and are to be told. Who
 * was matched again meanwhile does not hear of it. Its session, should it run, takes nobody any more. Undefined: somebody
 * changed the row.
 */
export function saveFailed(
  nk: Nakama,
  a: AllocationChange,
  version: number,
  lease: Lease,
  reason: string,
): { row: AllocationRow; user_ids: string[] } | undefined {
  const found = ask<{ row: AllocationRow | null; user_ids: string[] }>(nk, FAILED, [
    ...changeValues(a, version, lease),
    reason,
  ]);
  return found.row ? { row: found.row, user_ids: found.user_ids } : undefined;
}

const end = (done: string, more = ''): string => `
WITH done AS (
  ${done} WHERE a.id = $1::text AND a.holder = $2::text RETURNING a.id
)${more}
${answer(`EXISTS (SELECT 1 FROM done)`)}`;

const GONE = 'DELETE FROM gameye_allocation a';
const KEPT = `UPDATE gameye_allocation a SET state = 'over', version = a.version + 1, holder = '', attempts = 0, free_seats = 0,
    keep_until = ${LEASE('$3')}`;
const END = { gone: end(GONE), kept: end(KEPT) };
const END_TOLD = { gone: end(GONE, `, ${forgetOlder('$3')}`), kept: end(KEPT, `, ${forgetOlder('$4')}`) };

/**
 * Everybody concerned was told: the row goes, or stays `over` for `keepMs`. Whatever others noted meanwhile comes too late.
 * Of the notifications of those who were `told` only the latest match stays. False: another worker has it.
 */
export function endAllocation(
  nk: Nakama,
  id: string,
  holder: string,
  keepMs: number | null,
  told: string[] = [],
): boolean {
  const users = usersOf(told);
  const how = keepMs === null ? 'gone' : 'kept';
  const values = keepMs === null ? [id, holder] : [id, holder, keepMs];
  if (users.length > 0) {
    try {
      return ask<boolean>(nk, END_TOLD[how], [...values, json(users)]);
    } catch {
      // Should Nakama's table ever be another one, the allocation ends all the same.
    }
  }
  return ask<boolean>(nk, END[how], values);
}

const READ = answer(`(SELECT ${ROW} FROM gameye_allocation a WHERE a.id = $1::text AND a.fleet = $2::text)`);

export function readAllocation(nk: Nakama, fleet: string, id: string): AllocationRow | undefined {
  return ask<AllocationRow | null>(nk, READ, [id, fleet]) ?? undefined;
}

const REREAD = answer(
  `(SELECT ${ROW} FROM gameye_allocation a WHERE a.id = $1::text AND (a.holder = $2::text OR a.lease_until < now()))`,
);

/** The row again, when its worker is still this one or it has none. */
export function readOwn(nk: Nakama, id: string, holder: string): AllocationRow | undefined {
  return ask<AllocationRow | null>(nk, REREAD, [id, holder]) ?? undefined;
}

const PLAYERS = answer(`(SELECT (SELECT coalesce(json_agg(s.user_id), '[]') FROM gameye_seat s
    WHERE s.allocation_id = a.id AND s.state IN ('starting', 'reserved', 'joined', 'lapsed'))
  FROM gameye_allocation a WHERE a.id = $1::text AND a.holder = $2::text)`);

/**
 * The players of an allocation as of now: without those who went away or were matched again. Undefined: it has ended, or
 * another worker has it.
 */
export function playersOf(nk: Nakama, id: string, holder: string): string[] | undefined {
  return ask<string[] | null>(nk, PLAYERS, [id, holder]) ?? undefined;
}

const CLAIM = `
WITH due AS (
  SELECT a.id FROM gameye_allocation a WHERE a.fleet = $1::text AND a.state <> 'over' AND a.lease_until < now()
  ORDER BY a.lease_until LIMIT $3::int4 FOR UPDATE SKIP LOCKED
), claimed AS (
  UPDATE gameye_allocation a SET holder = $2::text, lease_until = ${LEASE('$4')}, version = a.version + 1
  FROM due WHERE a.id = due.id RETURNING a.*
)
${answer(`(SELECT coalesce(json_agg(${ROW}), '[]') FROM claimed a)`)}`;

/** Takes allocations whose worker is gone: each is taken by one node only, until the lease runs out again. */
export function claimDue(nk: Nakama, fleet: string, lease: Lease, most: number): AllocationRow[] {
  return ask<AllocationRow[]>(nk, CLAIM, [fleet, lease.holder, most, lease.ms]);
}

const TAKE_OVER = `
WITH mine AS (
  UPDATE gameye_allocation a SET holder = $3::text, lease_until = ${LEASE('$4')}, version = a.version + 1
  WHERE a.id = $1::text AND a.state <> 'over' AND (a.holder = $2::text OR a.holder = $3::text OR a.lease_until < now()) RETURNING a.*
)
${answer(`(SELECT ${ROW} FROM mine a)`)}`;

/** A worker begins with an allocation that `from` held: whoever stored or claimed it. Undefined: another worker has it. */
export function takeOver(nk: Nakama, id: string, from: string, lease: Lease): AllocationRow | undefined {
  return ask<AllocationRow | null>(nk, TAKE_OVER, [id, from, lease.holder, lease.ms]) ?? undefined;
}

const CANCEL = `
WITH cancelled AS (
  UPDATE gameye_allocation a SET cancelled = true, version = a.version + 1
  WHERE a.id = $1::text AND a.fleet = $2::text AND a.state NOT IN ('over', 'announced', 'failed', 'cancelled')
    AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = a.session_id AND i.status <> 'starting')
    -- Of the row itself: after waiting for a worker that stores the start, other tables are those of before.
    AND NOT (a.state = 'started' AND NOT coalesce((a.doc->>'waits')::boolean, false))
    AND NOT a.state = 'seated'
  RETURNING a.*
)
${answer(`json_build_object('cancelled', (SELECT ${ROW} FROM cancelled a),
  'found', (SELECT ${ROW} FROM gameye_allocation a WHERE a.id = $1::text AND a.fleet = $2::text))`)}`;

/**
 * Asks the worker of an allocation to end it. Answers its row and whether it is cancelled now; one whose players have their
 * seats is not, because its session can be stopped like any other. Undefined: there is none.
 */
export function cancelAllocation(
  nk: Nakama,
  fleet: string,
  id: string,
): { row: AllocationRow; cancelled: boolean } | undefined {
  const { cancelled, found } = ask<{ cancelled: AllocationRow | null; found: AllocationRow | null }>(nk, CANCEL, [
    id,
    fleet,
  ]);
  if (cancelled) return { row: cancelled, cancelled: true };
  return found ? { row: found, cancelled: found.cancelled } : undefined;
}

const READY = `
WITH noted AS (
  UPDATE gameye_allocation a SET server_ready = true, version = a.version + CASE WHEN a.server_ready THEN 0 ELSE 1 END
  WHERE a.session_id = $1::text AND a.fleet = $2::text AND a.state IN ('starting', 'started')
  RETURNING a.id
), heard AS (
  UPDATE gameye_instance i SET reported = true WHERE i.id = $1::text AND i.fleet = $2::text AND NOT i.reported
)
${answer(`EXISTS (SELECT 1 FROM noted) OR EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = $1::text AND i.fleet = $2::text)`)}`;

/** Notes that the game server of a session is ready; false when no such session is being started or runs. */
export function markReady(nk: Nakama, fleet: string, sessionId: string): boolean {
  return ask<boolean>(nk, READY, [sessionId, fleet]);
}

const FORGET = `
WITH gone AS (
  DELETE FROM gameye_allocation WHERE id IN (
    SELECT a.id FROM gameye_allocation a WHERE a.state = 'over' AND a.keep_until < now() AND a.fleet = $1::text
      -- While its session runs, whoever asks again is led there.
      AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = a.session_id) LIMIT 500 FOR UPDATE SKIP LOCKED) RETURNING 1
)
${answer(`(SELECT count(*) FROM gone)`)}`;

/** Deletes what was kept long enough; a few hundred at a time. */
export function forgetOver(nk: Nakama, fleet: string): number {
  return ask<number>(nk, FORGET, [fleet]);
}

/** How many sessions of a fleet run or start, as GAMEYE_MAX_SESSIONS counts them; or those of one mode. */
export function countSessions(nk: Nakama, fleet: string, mode?: string): number {
  return mode === undefined
    ? ask<number>(nk, answer(`gameye_sessions($1::text)`), [fleet])
    : ask<number>(nk, answer(`gameye_sessions($1::text, $2::text)`), [fleet, mode]);
}
