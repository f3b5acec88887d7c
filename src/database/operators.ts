import type { Nakama } from '../nakama/runtime';
import { ROW, type AllocationRow } from './allocations';
import { PLAYER_COUNT } from './instances';
import { answer, ask, ms, type Value } from './sql';

/* Statements for operators: what runs and what is being started, and those instances that they mean. */

/** Which instances an operator means: those to which all of these apply. */
export interface Selection {
  version?: string;
  region?: string;
}

const SELECTED = `i.fleet = $1::text AND ($2::text IS NULL OR i.version = $2::text) AND ($3::text IS NULL OR i.region = $3::text)`;
const selected = (fleet: string, { version, region }: Selection): Value[] => [fleet, version ?? null, region ?? null];

const DRAIN = `
WITH changed AS (
  UPDATE gameye_instance i SET status = CASE WHEN $4::boolean THEN 'running' ELSE 'draining' END
  WHERE ${SELECTED} AND ($5::text IS NULL OR i.id = $5::text)
    AND CASE WHEN $4::boolean THEN i.status = 'draining' AND i.ending IS NULL ELSE i.status NOT IN ('draining', 'starting', 'lost', 'exited', 'dead') END
  RETURNING 1
)
${answer('(SELECT count(*) FROM changed)')}`;

/** Closes the selected instances, or one of them, for new players, or opens them again with `undo`. Answers how many changed. */
export function drainInstances(nk: Nakama, fleet: string, selection: Selection, undo: boolean, id?: string): number {
  return ask<number>(nk, DRAIN, [...selected(fleet, selection), undo, id ?? null]);
}

const IDS = answer(`(SELECT coalesce(json_agg(x.id), '[]') FROM (
  SELECT i.id FROM gameye_instance i WHERE ${SELECTED} AND i.id > $4::text ORDER BY i.id LIMIT $5::int4) x)`);

/** The ids of selected instances after one of them, in their order. */
export function selectInstances(
  nk: Nakama,
  fleet: string,
  selection: Selection,
  after: string,
  limit: number,
): string[] {
  return ask<string[]>(nk, IDS, [...selected(fleet, selection), after, limit]);
}

const VERSION = `coalesce(a.doc->'request'->>'version',
  CASE WHEN coalesce(a.doc->'request'->>'image', $4::text) = $4::text THEN $5::text ELSE '' END)`;

const STARTING = answer(`(SELECT count(*) FROM gameye_allocation a
  WHERE a.fleet = $1::text AND a.state IN ('queued', 'starting', 'started') AND NOT a.cancelled
    AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = a.session_id AND i.status <> 'starting')
    AND ($2::text IS NULL OR ${VERSION} = $2::text)
    AND ($3::text IS NULL OR a.doc->'regions'->>(a.doc->>'region_index')::int4 = $3::text))`);

/** How many selected sessions are being started; nothing can be done to them yet. `configured`: what is started by default. */
export function countStarting(
  nk: Nakama,
  fleet: string,
  selection: Selection,
  configured: { image: string; version?: string },
): number {
  const { image, version = '' } = configured;
  return ask<number>(nk, STARTING, [...selected(fleet, selection), image, version]);
}

/** Sessions of one region, version and status. */
export interface Group {
  region: string;
  version: string;
  status: string;
  sessions: number;
  players: number;
  open_seats: number;
}

const GROUPS = `
WITH shown AS (
  SELECT i.region, i.version, i.status, ${PLAYER_COUNT} AS player_count, i.open_seats FROM gameye_instance i WHERE i.fleet = $1::text LIMIT $2::int4
)
${answer(`json_build_object(
  'truncated', (SELECT count(*) FROM gameye_instance i WHERE i.fleet = $1::text) > $2::int4,
  'groups', (SELECT coalesce(json_agg(g ORDER BY g.sessions DESC, g.region, g.version, g.status), '[]') FROM (
    SELECT region, version, status, count(*) AS sessions, sum(player_count) AS players, sum(open_seats) AS open_seats
    FROM shown GROUP BY region, version, status) g))`)}`;

/** What runs, the largest group first, counted over at most `limit` instances. */
export function groupInstances(nk: Nakama, fleet: string, limit: number): { groups: Group[]; truncated: boolean } {
  return ask(nk, GROUPS, [fleet, limit]);
}

const QUEUE = `
WITH every AS (
  SELECT a.*, CASE WHEN a.cancelled AND a.state IN ('queued', 'starting', 'started') THEN 'cancelled' ELSE a.state END AS standing
  FROM gameye_allocation a WHERE a.fleet = $1::text AND a.state <> 'over'
    AND (a.state <> 'announced' OR jsonb_array_length(coalesce(a.doc->'abandoned', '[]')) > 0)
), shown AS (
  SELECT * FROM every ORDER BY create_time, id LIMIT $2::int4
)
${answer(`json_build_object(
  'truncated', (SELECT count(*) FROM every) > $2::int4, 'open', (SELECT count(*) FROM shown),
  'by_state', (SELECT coalesce(json_object_agg(n.standing, n.allocations), '{}')
    FROM (SELECT standing, count(*) AS allocations FROM shown GROUP BY standing ORDER BY standing) n),
  'oldest_ms', (SELECT ${ms('min(create_time)')} FROM shown),
  'oldest', (SELECT coalesce(json_agg(${ROW} ORDER BY a.create_time, a.id), '[]')
    FROM (SELECT * FROM shown ORDER BY create_time, id LIMIT $3::int4) a))`)}`;

/** The allocations that something is still to be done for, at most `limit` of them, and the rows of the oldest. */
export function queuedAllocations(
  nk: Nakama,
  fleet: string,
  limit: number,
  rows: number,
): {
  open: number;
  by_state: { [state: string]: number };
  /** When the first was stored, by the database's clock; null: there is none. */
  oldest_ms: number | null;
  oldest: AllocationRow[];
  truncated: boolean;
} {
  return ask(nk, QUEUE, [fleet, limit, rows]);
}
