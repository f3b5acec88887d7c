import type { Nakama } from '../nakama/runtime';
import type { EndReason, Instance } from '../records';
import { freed, COUNT_SEATS } from './counting';
import type { NewInstance } from './starting';
import { answer, ask, json, ms, type Value } from './sql';
import { USED } from './usage';

/* Statements about instances, beside those that change them together with their allocation or their seats. */

/**
 * Who is in an instance `i`, as it is shown. A game server may count players whose seats are still reserved, and those come on
 * top of what it counts: together never more than there are places.
 */
export const PLAYER_COUNT = 'least(i.player_count, i.max_players)';

/**
 * Who may change an instance `i` that is a room: whoever made it, while they sit there, then the one of its players whose user id
 * comes first. Until somebody sits there it is whoever made it.
 */
export const HOST = `coalesce((SELECT h.user_id FROM gameye_seat h
  WHERE h.session_id = i.id AND h.session_id <> '' AND h.state IN ('reserved', 'joined') ORDER BY h.user_id <> i.host, h.user_id LIMIT 1), i.host)`;

/**
 * An instance `i` as JSON, as records.ts has it: made here, so that a page of hundreds passes through the runtime as one
 * text. What is missing is left out, but a null in metadata is the caller's own.
 */
export const INSTANCE = `('{"id":' || to_json(i.id) || ',"metadata":' || i.metadata || ',' || substr(json_strip_nulls(json_build_object(
  'connection_info', json_build_object('ip_address', i.ip_address, 'dns_name', i.dns_name, 'port', i.port),
  'create_time', to_char(i.create_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
  'player_count', ${PLAYER_COUNT}, 'status', i.status, 'region', i.region, 'image', i.image, 'version', i.version,
  'mode', nullif(i.mode, ''), 'max_players', i.max_players, 'open_seats', i.open_seats, 'ports', i.ports, 'unseated', i.unseated,
  'spectators', (SELECT nullif(count(*), 0) FROM gameye_spectator w WHERE w.session_id = i.id AND coalesce(w.until > now(), true)),
  'seats', coalesce((SELECT json_object_agg(s.user_id, CASE s.state WHEN 'joined' THEN json_build_object('state', s.state)
      ELSE json_build_object('state', s.state, 'until_ms', ${ms('s.until')}) END ORDER BY s.user_id)
    FROM gameye_seat s WHERE s.session_id = i.id AND s.session_id <> '' AND s.state IN ('reserved', 'joined')), '{}'),
  'empty_since_ms', ${ms('i.empty_since')}, 'pool', i.pool, 'open', CASE WHEN i.pool IS NOT NULL OR NOT i.open OR NOT i.shared THEN i.open AND i.shared AND coalesce(i.silent_at > now(), true) END,
  'room', CASE WHEN i.host <> '' THEN json_build_object('code', i.code, 'public', i.public, 'open', i.open, 'host', ${HOST}) END,
  'warm', CASE WHEN i.warm IS NOT NULL THEN true END, 'visited', CASE WHEN i.visited THEN true END, 'expires_at_ms', ${ms('i.expires_at')}))::text, 2))::json`;

/**
 * Who really was in an instance `i`: whom its game server has ever named as arrived, and who counts as joined now. As a JSON
 * list of user ids.
 */
export const WHO_WAS_THERE = `(SELECT coalesce(jsonb_agg(u.id ORDER BY u.id), '[]') FROM (
  SELECT jsonb_array_elements_text(i.visitors) AS id UNION
  SELECT s.user_id FROM gameye_seat s WHERE s.session_id = i.id AND s.session_id <> '' AND s.state = 'joined') u)`;

/** True of a player whom the game server of an instance `i` has banned. */
export const isBanned = (i: string, userId: string): string => `${i}.banned @> to_jsonb(${userId})`;

/** The instance of a session id, or of the id that `fleet_create` answered. */
export const FIND = `i.fleet = $1::text AND i.id = coalesce(
  (SELECT x.id FROM gameye_instance x WHERE x.id = $2::text AND x.fleet = $1::text),
  (SELECT x.id FROM gameye_instance x WHERE x.allocation_id = $2::text AND x.allocation_id <> x.id AND x.fleet = $1::text LIMIT 1))`;

const READ = answer(`(SELECT ${INSTANCE} FROM gameye_instance i WHERE ${FIND})`);

/** Undefined: there is no such instance (yet). */
export function findInstance(nk: Nakama, fleet: string, id: string): Instance | undefined {
  return ask<Instance | null>(nk, READ, [fleet, id]) ?? undefined;
}

const INSERT = `
WITH x AS (
  SELECT * FROM jsonb_to_record($1::text::jsonb) AS x(id text, status text, region text, image text, version text, mode text,
    ip_address text, dns_name text, port int4, ports jsonb, max_players int4, metadata jsonb)
), known AS (
  SELECT s.* FROM gameye_seat s WHERE s.user_id IN (SELECT jsonb_array_elements_text($3::text::jsonb)) ORDER BY s.user_id FOR UPDATE
), free AS (
  SELECT w.user_id, k.version FROM jsonb_array_elements_text($3::text::jsonb) AS w(user_id) LEFT JOIN known k ON k.user_id = w.user_id
  WHERE k.user_id IS NULL OR k.state NOT IN ('starting', 'reserved', 'joined') OR k.session_id = (SELECT id FROM x)
), n AS (
  SELECT count(*)::int4 AS joined FROM free
), made AS (
  INSERT INTO gameye_instance (id, allocation_id, fleet, status, region, image, version, mode, ip_address, dns_name, port, ports, max_players,
    joined, player_count, open_seats, metadata, visited, create_time, empty_since, shared)
  SELECT x.id, x.id, $2::text, x.status, x.region, x.image, x.version, x.mode, x.ip_address, x.dns_name, x.port, x.ports,
    greatest(x.max_players, n.joined), n.joined, n.joined, greatest(x.max_players, n.joined) - n.joined, x.metadata, n.joined > 0,
    least(now(), to_timestamp($4::float8 / 1000)), CASE WHEN n.joined = 0 THEN now() END, false
  FROM x, n ON CONFLICT (id) DO NOTHING
  RETURNING id
), seated AS (
  INSERT INTO gameye_seat AS s (user_id, state, session_id, version)
  SELECT f.user_id, 'joined', (SELECT id FROM made), coalesce(f.version, 0) + 1 FROM free f WHERE EXISTS (SELECT 1 FROM made) ORDER BY f.user_id
  ON CONFLICT (user_id) DO UPDATE SET state = 'joined', session_id = EXCLUDED.session_id, allocation_id = '', until = NULL,
    reason = NULL, version = EXCLUDED.version, update_time = now()
)
${answer('EXISTS (SELECT 1 FROM made)')}`;

/**
 * Stores an instance for a session that runs without a record. The players that Gameye knows have seats in it, except those
 * who have a live seat elsewhere. Nobody is left who knows whether strangers may be seated there, so none are. False: there is
 * one already.
 */
export function adoptInstance(
  nk: Nakama,
  fleet: string,
  instance: Omit<NewInstance, 'pool' | 'ttl_ms' | 'solo' | 'warm'>,
  userIds: string[],
  createdAtMs: number,
): boolean {
  return ask<boolean>(nk, INSERT, [json(instance), fleet, json(userIds), createdAtMs]);
}

/** Where a session is reached and what the Session API says of it; undefined fields stay as they are. */
export interface Refreshed {
  status: string;
  ip_address?: string;
  dns_name?: string;
  ports: Instance['ports'];
}

/** The port of an instance `i` among others that its session shows now: it keeps its name. NULL: none of them has that name. */
export const portAmong = (ports: string): string =>
  `(${ports}->>(SELECT p.key FROM jsonb_each_text(i.ports) p WHERE p.value = i.port::text ORDER BY p.key LIMIT 1))::int4`;

const REFRESH = `
WITH shown AS (
  SELECT * FROM jsonb_to_recordset($2::text::jsonb) AS x(id text, status text, ip_address text, dns_name text, ports jsonb)
), changed AS (
  UPDATE gameye_instance i SET
    status = CASE WHEN i.status IN ('draining', 'starting') OR x.status = '' THEN i.status ELSE x.status END,
    ip_address = coalesce(x.ip_address, i.ip_address), dns_name = coalesce(x.dns_name, i.dns_name),
    port = coalesce(${portAmong('x.ports')}, i.port),
    ports = CASE WHEN ${portAmong('x.ports')} IS NULL THEN i.ports ELSE x.ports END, missed = 0
  FROM shown x WHERE i.id = x.id AND i.fleet = $1::text RETURNING 1
)
${answer('(SELECT count(*) FROM changed)')}`;

/**
 * Takes over what the Session API shows of sessions. One that drains or waits for its game server stays so; ports without that
 * which players use change nothing. Answers how many there are.
 */
export function refreshInstances(nk: Nakama, fleet: string, shown: (Refreshed & { id: string })[]): number {
  return ask<number>(nk, REFRESH, [fleet, json(shown)]);
}

const LOSE = `
WITH lost AS (
  UPDATE gameye_instance i SET status = 'lost', missed = i.missed + 1
  WHERE i.id = $2::text AND i.fleet = $1::text AND i.status NOT IN ('exited', 'dead') RETURNING i.missed
)
${answer('(SELECT missed FROM lost)')}`;

/**
 * The Session API said that there is no such session, which may be a mistake: nobody is sent there until it is certain, and
 * it counts in no limit. Answers how many times in a row it said so; 0: no such instance.
 */
export function markLost(nk: Nakama, fleet: string, id: string): number {
  return ask<number | null>(nk, LOSE, [fleet, id]) ?? 0;
}

const REMOVE = `
WITH seats AS (
  SELECT s.user_id FROM gameye_seat s WHERE s.session_id = $2::text AND s.state <> 'starting'
    AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = $2::text AND i.fleet <> $1::text)
  ORDER BY s.user_id FOR UPDATE
), freed AS (
  UPDATE gameye_seat s SET state = CASE WHEN s.state = 'failed' THEN 'failed' ELSE 'left' END, session_id = '', allocation_id = '',
    until = NULL, version = s.version + 1, update_time = now()
  FROM seats WHERE s.user_id = seats.user_id RETURNING 1
), gone AS (
  DELETE FROM gameye_instance i WHERE i.id = $2::text AND i.fleet = $1::text AND (SELECT count(*) FROM freed) >= 0 RETURNING i.*
), told AS (
  INSERT INTO gameye_result (id, fleet, kind, session_id, reason, user_ids, instance, keep_until, callback, due)
  SELECT i.id || '#end', i.fleet, 'end', i.id,
    CASE WHEN i.ending IS NOT NULL THEN i.ending WHEN $3::text = 'gone' AND i.expires_at < now() + interval '1 minute' THEN 'expired' ELSE $3::text END,
    ${WHO_WAS_THERE}, ${INSTANCE}::jsonb, now() + interval '1 day', 'waiting', now()
  FROM gone i WHERE $4::boolean AND i.status <> 'starting' ON CONFLICT (id) DO NOTHING
), ${USED}
${answer('(SELECT region FROM gone)')}`;

/**
 * Forgets a session that ended, frees its players, and counts what it cost. Repeating it changes nothing. Answers its region,
 * if it was there. With `isHeard` the module's `onEnded` is due in the same statement, unless nobody was ever sent there.
 */
export function removeInstance(
  nk: Nakama,
  fleet: string,
  id: string,
  reason: EndReason,
  isHeard: boolean,
): string | undefined {
  return ask<string | null>(nk, REMOVE, [fleet, id, reason, isHeard]) ?? undefined;
}

/**
 * A page of instances, as the text of a JSON list. The conditions, the order and what comes after the cursor are texts of
 * instances/query.ts, whose values are numbered from $3: $1 is the fleet, $2 the number of rows. `last`: by what the page ends,
 * when there are more; its time in microseconds.
 */
export function listInstances(
  nk: Nakama,
  fleet: string,
  limit: number,
  page: { where: string; orderBy: string; values: Value[] },
): { page: string; last: { id: string; player_count: number; open_seats: number; create_time: string } | null } {
  const statement = `
WITH rows AS (
  SELECT i.*, row_number() OVER (ORDER BY ${page.orderBy}) AS n FROM gameye_instance i
  WHERE i.fleet = $1::text AND (${page.where}) ORDER BY ${page.orderBy} LIMIT $2::int4 + 1
)
${answer(`json_build_object(
  'page', (SELECT coalesce(json_agg(${INSTANCE} ORDER BY i.n), '[]')::text FROM rows i WHERE i.n <= $2::int4),
  'last', (SELECT json_build_object('id', i.id, 'player_count', i.player_count, 'open_seats', i.open_seats,
    'create_time', (extract(epoch FROM i.create_time) * 1000000)::int8::text) FROM rows i
    WHERE i.n = $2::int4 AND EXISTS (SELECT 1 FROM rows WHERE n > $2::int4)))`)}`;
  return ask(nk, statement, [fleet, limit, ...page.values]);
}

const RELEASE = `
WITH seats AS (
  SELECT s.user_id, s.session_id, s.state FROM gameye_seat s
  WHERE s.state = 'reserved' AND s.until <= now()
    AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = s.session_id AND i.fleet <> $1::text)
  ORDER BY s.user_id LIMIT 1000 FOR UPDATE SKIP LOCKED
), lapsed AS (
  UPDATE gameye_seat s SET state = 'lapsed', until = NULL, version = s.version + 1, update_time = now()
  FROM seats WHERE s.user_id = seats.user_id RETURNING 1
), counted AS (
  UPDATE gameye_instance i SET ${COUNT_SEATS} FROM (${freed('seats')}) d WHERE i.id = d.id
)
${answer('(SELECT count(*) FROM lapsed)')}`;

/** Frees the seats whose reservation ran out, in all sessions of a fleet; a thousand at a time. Answers how many. */
export function lapseSeats(nk: Nakama, fleet: string): number {
  return ask<number>(nk, RELEASE, [fleet]);
}
