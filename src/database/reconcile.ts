import type { Nakama } from '../nakama/runtime';
import { portAmong } from './instances';
import { answer, ask, json, ms } from './sql';

/*
 * Statements of the reconciler. The list of sessions goes to the database as it came, because comparing ten thousands of
 * entries in this runtime takes more time and memory than anything else; what comes back is small.
 */

/** Since when sessions without a record were seen, in milliseconds. */
export interface Strays {
  [sessionId: string]: number;
}

/** Why a session is stopped although nobody asked for it. */
export type RetireReason = 'empty' | 'no_show' | 'drained' | 'expired';

export interface Question {
  fleet: string;
  /** The label that says whose sessions these are. */
  owner: string;
  /** What GET /session answered, without the secrets in it; undefined: it could not be had. */
  listing: string | undefined;
  /** What the last comparison found. */
  strays: Strays;
  /** How long a session may stay without players. */
  grace_ms: number;
  /** Until the next comparison: what is due later is left to it. */
  horizon_ms: number;
  /** Of each kind of task no more than this, and one, so that the caller knows that there are more. */
  most: number;
}

/** What a list shows beside a record: `status`, `host` and `ports` as they came. */
export interface ShownEntry {
  [field: string]: unknown;
}

/** Times are those of the database's clock, in milliseconds. */
export interface Comparison {
  /** There is a list, and it can be read. */
  listed: boolean;
  /** Ids that it shows, and entries without an id. */
  sessions: number;
  unreadable: number;
  records: number;
  /** Records older than a moment; those of them that a list has to show; and those of these that it does. */
  old: number;
  settled: number;
  shown: number;
  /** It shows a session that we know of. */
  shows_any: boolean;
  /** To be stopped before the next comparison, those that run first. */
  stops: { id: string; at_ms: number; reason: RetireReason; runs: boolean }[];
  /** Not listed, or listed as ended. `young`: perhaps started after the list was made. */
  confirms: { id: string; at_ms: number; young: boolean; lost: boolean }[];
  /** Listed otherwise than recorded. */
  repairs: { id: string; entry: ShownEntry }[];
  /** Listed with players in it, and nobody's. */
  adopts: string[];
  /** Listed without players, and nobody's: all of them, and those that have to be stopped before the next comparison. */
  strays: Strays;
  stray_stops: { id: string; at_ms: number }[];
}

/** A session younger than that may be missing in a list that was made a moment ago. */
const YOUNG = `interval '20 seconds'`;

/** Gameye ends a session at its ttl, rounded up to a minute. One that is alive after that was missed by it. */
const EXPIRY_MARGIN = `interval '2 minutes'`;

/** So many strays are remembered; the others come when these are gone. */
const MOST_STRAYS = 5000;

const interval = (milliseconds: string): string => `${milliseconds}::float8 * interval '1 millisecond'`;

/**
 * Nobody is in an instance `i`, as far as anybody can know. Where its game server never reported, players whose reservation ran
 * out may be in the game: only that they left or play elsewhere tells that they are not.
 */
const EMPTY = `CASE WHEN i.player_count > 0 THEN false WHEN i.reported OR i.visited THEN true
  ELSE NOT EXISTS (SELECT 1 FROM gameye_seat s WHERE s.session_id = i.id AND s.state = 'lapsed') END`;

/**
 * Until when an instance `i` may stay without players; NULL: until its ttl. One that was started for nobody is not stopped
 * before the time is over that it may wait for its first player, nor without such a time.
 */
const emptyUntil = (grace: string): string => `CASE WHEN ${EMPTY} THEN
  greatest(i.empty_since + ${interval(grace)}, CASE WHEN NOT i.visited THEN i.awaited_until END) END`;

/**
 * When an instance `i` has to be stopped as things stand; NULL: never. Nobody is in it for too long, it drains and nobody is in
 * it, or its ttl is over.
 */
const retireAt = (grace: string): string => `CASE
  WHEN i.status = 'draining' AND ${EMPTY} THEN coalesce(i.empty_since, now())
  ELSE least(i.expires_at + ${EXPIRY_MARGIN}, ${emptyUntil(grace)}) END`;

const retireReason = (grace: string): string => `CASE
  WHEN i.status = 'draining' AND ${EMPTY} THEN 'drained'
  WHEN ${emptyUntil(grace)} IS NULL OR i.expires_at + ${EXPIRY_MARGIN} < ${emptyUntil(grace)} THEN 'expired'
  WHEN i.visited THEN 'empty' ELSE 'no_show' END`;

/** A field of a JSON value as text; empty when it is none. */
const text = (value: string, field: string): string =>
  `CASE WHEN jsonb_typeof(${value}->'${field}') = 'string' THEN ${value}->>'${field}' ELSE '' END`;

const isPort = (value: string): string =>
  `coalesce(jsonb_typeof(${value}) = 'number' AND ${value}::text ~ '^[1-9][0-9]{0,4}$', false)`;

/** The ports of an entry as an instance has them; NULL when they cannot be read. The same as readPorts of gameye/wire.ts. */
const PORTS = `CASE jsonb_typeof(l.ports)
  WHEN 'object' THEN (
    SELECT CASE WHEN bool_and(${isPort('p.value')}) THEN jsonb_object_agg(p.key, p.value) END
    FROM jsonb_each(l.ports) p WHERE p.key ~ '^[0-9]{1,5}/(udp|tcp)$')
  WHEN 'array' THEN (
    SELECT CASE WHEN bool_and(coalesce(p->>'type' IN ('udp', 'tcp'), false) AND ${isPort(`(p->'container')`)} AND ${isPort(`(p->'host')`)})
      THEN jsonb_object_agg(concat(p->>'container', '/', p->>'type'), p->'host') END
    FROM jsonb_array_elements(l.ports) AS x(p))
  END`;

const COMPARE = `
WITH listing AS (
  -- OFFSET keeps the planner from reading the whole text to make a constant of it.
  SELECT CASE WHEN jsonb_typeof(b.shown) = 'array' THEN b.shown END AS shown
  FROM (SELECT gameye_json(t.text) -> 'sessions' AS shown FROM (SELECT $3::text AS text OFFSET 0) t OFFSET 0) b OFFSET 0
), entries AS MATERIALIZED (
  SELECT shown IS NOT NULL AS listed, e.place, CASE WHEN jsonb_typeof(e.entry->'id') = 'string' THEN nullif(e.entry->>'id', '') END AS id,
    ${text('e.entry', 'status')} AS status, ${text('e.entry', 'host')} AS host, coalesce(nullif(e.entry->'ports', 'null'), e.entry->'port') AS ports,
    e.entry->'playerCount' AS players, e.entry->'labels'->>'tags' AS tags
  FROM listing LEFT JOIN LATERAL jsonb_array_elements(shown) WITH ORDINALITY AS e(entry, place) ON true
), twice AS MATERIALIZED (
  SELECT id FROM entries WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1
), lives AS (
  SELECT e.*, e.status NOT IN ('exited', 'dead') AS alive FROM entries e
  WHERE e.id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM twice t WHERE t.id = e.id)
  UNION ALL (
    -- Of an id that is shown twice the one that is alive counts.
    SELECT DISTINCT ON (e.id) e.*, e.status NOT IN ('exited', 'dead') FROM entries e JOIN twice t ON t.id = e.id
    ORDER BY e.id, e.status NOT IN ('exited', 'dead') DESC)
), open AS (
  SELECT a.fleet, x.id FROM gameye_allocation a, LATERAL (
    SELECT a.id UNION SELECT a.session_id UNION
    SELECT given_up->>'session_id' FROM jsonb_array_elements(coalesce(a.doc->'abandoned', '[]')) AS given_up) x
  WHERE a.state <> 'over'
), judged AS MATERIALIZED (
  SELECT i.id AS record, i.create_time, i.missed, i.fleet = $1::text AS ours, coalesce(l.alive, false) AS alive, i.status = 'lost' AS lost,
    i.status IN ('running', 'draining') AS runs, i.create_time > now() - ${YOUNG} AS young,
    ${retireAt('$5')} AS retire_at, ${retireReason('$5')} AS reason,
    CASE WHEN i.fleet = $1::text AND l.alive AND (
      (l.status <> i.status AND l.status <> '' AND i.status NOT IN ('draining', 'starting'))
      OR (l.host <> i.ip_address AND l.host ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$|^[0-9A-Fa-f:.]{2,45}$')
      OR (l.ports <> i.ports AND EXISTS (SELECT 1 FROM (SELECT ${PORTS} AS ports OFFSET 0) p
          WHERE p.ports <> i.ports AND ${portAmong('p.ports')} IS NOT NULL))
    ) THEN jsonb_build_object('status', l.status, 'host', l.host, 'ports', l.ports) END AS entry,
    CASE WHEN i.id IS NULL AND l.alive THEN l.id END AS unknown, CASE WHEN i.id IS NULL THEN l.players END AS players,
    CASE WHEN i.id IS NULL THEN l.tags END AS tags
  FROM gameye_instance i FULL JOIN lives l ON l.id = i.id
), counts AS (
  SELECT count(*) AS records, count(*) FILTER (WHERE NOT young) AS old, count(*) FILTER (WHERE runs AND NOT young) AS settled,
    count(*) FILTER (WHERE runs AND NOT young AND alive) AS shown, coalesce(bool_or(alive), false) AS any_alive FROM judged WHERE ours
), stops AS (
  SELECT record AS id, ${ms('retire_at')} AS at_ms, reason, alive AS runs FROM judged
  WHERE ours AND retire_at <= now() + ${interval('$6')} ORDER BY alive DESC, retire_at LIMIT $7::int4 + 1
), confirms AS (
  SELECT record AS id, ${ms(`greatest(now(), create_time + ${YOUNG})`)} AS at_ms, young, lost FROM judged
  WHERE ours AND NOT alive AND (SELECT bool_or(listed) FROM entries) AND coalesce(retire_at > now(), true)
  ORDER BY young, missed, record LIMIT $7::int4 + 1
), repairs AS (
  SELECT record AS id, entry FROM judged WHERE entry IS NOT NULL AND coalesce(retire_at > now(), true) LIMIT $7::int4 + 1
), unknown AS MATERIALIZED (
  SELECT j.unknown AS id, coalesce(jsonb_typeof(j.players) = 'number' AND j.players::text ~ '^[0-9.]*[1-9]', false) AS used,
    coalesce(($4::text::jsonb->>j.unknown)::float8::int8, ${ms('now()')}) AS since_ms
  FROM judged j WHERE j.unknown IS NOT NULL AND NOT EXISTS (SELECT 1 FROM open o WHERE o.id = j.unknown)
    AND strpos(j.tags, $2::text) > 0 AND strpos(j.tags, $1::text) > 0
), adopts AS (
  SELECT id FROM unknown WHERE used LIMIT $7::int4 + 1
), strays AS (
  SELECT id, since_ms FROM unknown WHERE NOT used ORDER BY since_ms LIMIT ${MOST_STRAYS}
), stray_stops AS (
  SELECT id, since_ms + $5::float8::int8 AS at_ms FROM strays
  WHERE since_ms + $5::float8 <= ${ms('now()')} + $6::float8 ORDER BY since_ms LIMIT $7::int4 + 1
)
${answer(
  `json_build_object('listed', (SELECT bool_or(listed) FROM entries),
  'sessions', (SELECT count(*) FROM lives), 'unreadable', (SELECT count(*) FROM entries WHERE id IS NULL AND place IS NOT NULL),
  'records', c.records, 'old', c.old, 'settled', c.settled, 'shown', c.shown,
  'shows_any', c.any_alive OR EXISTS (SELECT 1 FROM open o JOIN entries e ON e.id = o.id WHERE o.fleet = $1::text),
  'stops', (SELECT coalesce(json_agg(x), '[]') FROM stops x), 'confirms', (SELECT coalesce(json_agg(x), '[]') FROM confirms x),
  'repairs', (SELECT coalesce(json_agg(x), '[]') FROM repairs x), 'adopts', (SELECT coalesce(json_agg(id), '[]') FROM adopts),
  'strays', (SELECT coalesce(json_object_agg(id, since_ms), '{}') FROM strays),
  'stray_stops', (SELECT coalesce(json_agg(x), '[]') FROM stray_stops x))`,
  'FROM counts c',
)}`;

/**
 * Compares the records of a fleet with a list of sessions that was asked for before; changes nothing. A session that has
 * a record of any fleet, or that an open allocation may have started or still looks after, is nobody's to adopt or to stop.
 */
export function compareSessions(nk: Nakama, question: Question): Comparison {
  const { fleet, owner, listing, strays, grace_ms, horizon_ms, most } = question;
  return ask<Comparison>(nk, COMPARE, [fleet, owner, listing ?? null, json(strays), grace_ms, horizon_ms, most]);
}

const CLOSE = `
WITH due AS (
  SELECT i.id, i.status, i.region FROM gameye_instance i
  WHERE i.fleet = $1::text AND i.id IN (SELECT jsonb_array_elements_text($2::text::jsonb)) AND ${retireAt('$3')} <= now()
  ORDER BY i.id FOR UPDATE
), closed AS (
  UPDATE gameye_instance i SET status = 'draining' FROM due
  WHERE i.id = due.id AND due.status NOT IN ('draining', 'lost', 'exited', 'dead') RETURNING 1
)
${answer(`(SELECT coalesce(json_object_agg(id, region), '{}') FROM due WHERE (SELECT count(*) FROM closed) >= 0)`)}`;

/**
 * Closes those of these sessions that are still to be stopped, so that nobody gets a seat in them, and answers their regions
 * by id. The others are in use again, or gone.
 */
export function closeDue(nk: Nakama, fleet: string, ids: string[], graceMs: number): { [id: string]: string } {
  return ask(nk, CLOSE, [fleet, json(ids), graceMs]);
}

const KNOWN = answer(`EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = $1::text)
  OR EXISTS (SELECT 1 FROM gameye_allocation a WHERE a.state <> 'over' AND (a.id = $1::text OR a.session_id = $1::text
    OR a.doc->'abandoned' @> jsonb_build_array(jsonb_build_object('session_id', $1::text))))`);

/** True for a session that has a record of any fleet, or that an open allocation may have started or still looks after. */
export function isKnownSession(nk: Nakama, id: string): boolean {
  return ask<boolean>(nk, KNOWN, [id]);
}
