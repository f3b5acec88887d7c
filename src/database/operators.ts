import type { Nakama } from '../nakama/runtime';
import { ROW, type AllocationRow } from './allocation-row';
import { noted, type Change } from './changes';
import { PLAYER_COUNT } from './instances';
import { answer, ask, json, ms } from './sql';

/* Statements for operators: what runs and what is being started, and those instances that they mean. */

/** Which instances an operator means: those to which all of these apply. */
export interface Selection {
  id?: string;
  mode?: string;
  image?: string;
  version?: string;
  region?: string;
}

/** What a selection, the JSON in $2, says of these values of a row. */
const applies = (values: { [Field in keyof Selection]-?: string }): string =>
  Object.entries(values)
    .map(([field, value]) => `($2::text::jsonb->>'${field}' IS NULL OR $2::text::jsonb->>'${field}' = ${value})`)
    .join(' AND ');

const SELECTED = `i.fleet = $1::text AND ${applies({ id: 'i.id', mode: 'i.mode', image: 'i.image', version: 'i.version', region: 'i.region' })}`;

const DRAIN = `
WITH changed AS (
  UPDATE gameye_instance i SET status = CASE WHEN $3::boolean THEN 'running' ELSE 'draining' END
  WHERE ${SELECTED}
    AND CASE WHEN $3::boolean THEN i.status = 'draining' AND i.ending IS NULL ELSE i.status NOT IN ('draining', 'starting', 'lost', 'exited', 'dead') END
  RETURNING 1
), n AS (
  SELECT count(*)::int4 AS instances FROM changed
), ${noted('$4', { after: `(SELECT to_jsonb(n) FROM n)`, where: 'EXISTS (SELECT 1 FROM changed)' })}
${answer('(SELECT instances FROM n)')}`;

/**
 * Closes the selected instances for new players, or opens them again with `undo`, and notes the change. Answers how many
 * changed.
 */
export function drainInstances(nk: Nakama, fleet: string, selection: Selection, undo: boolean, change: Change): number {
  return ask<number>(nk, DRAIN, [fleet, json(selection), undo, json(change)]);
}

const IDS = answer(`(SELECT coalesce(json_agg(x.id), '[]') FROM (
  SELECT i.id FROM gameye_instance i WHERE ${SELECTED} AND i.id > $3::text ORDER BY i.id LIMIT $4::int4) x)`);

/** The ids of selected instances after one of them, in their order. */
export function selectInstances(
  nk: Nakama,
  fleet: string,
  selection: Selection,
  after: string,
  limit: number,
): string[] {
  return ask<string[]>(nk, IDS, [fleet, json(selection), after, limit]);
}

const MODE = `coalesce(a.doc->'request'->>'mode', '')`;
/** What is started by default in the mode; in one that is configured no more what is started without any. */
const DEFAULT = `coalesce($3::text::jsonb->${MODE}, $3::text::jsonb->'')`;
const IMAGE = `coalesce(a.doc->'request'->>'image', ${DEFAULT}->>'image')`;
const VERSION = `coalesce(a.doc->'request'->>'version', CASE WHEN ${IMAGE} = ${DEFAULT}->>'image' THEN ${DEFAULT}->>'version' END, '')`;
const TO_START = applies({
  id: 'a.id',
  mode: MODE,
  image: IMAGE,
  version: VERSION,
  region: `(a.doc->'regions'->>(a.doc->>'region_index')::int4)`,
});

const STARTING = answer(`(SELECT count(*) FROM gameye_allocation a
  WHERE a.fleet = $1::text AND a.state IN ('queued', 'starting', 'started') AND NOT a.cancelled
    AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = a.session_id AND i.status <> 'starting')
    AND ${TO_START})`);

/** How many selected sessions are being started; nothing can be done to them yet. `configured`: what each mode starts by default. */
export function countStarting(
  nk: Nakama,
  fleet: string,
  selection: Selection,
  configured: { [mode: string]: { image: string; version?: string } },
): number {
  return ask<number>(nk, STARTING, [fleet, json(selection), json(configured)]);
}

/** Sessions of one mode, region, version and status. */
export interface Group {
  /** Missing: none. */
  mode?: string;
  region: string;
  version: string;
  status: string;
  sessions: number;
  players: number;
  open_seats: number;
}

const GROUPS = `
WITH shown AS (
  SELECT nullif(i.mode, '') AS mode, i.region, i.version, i.status, ${PLAYER_COUNT} AS player_count, i.open_seats FROM gameye_instance i WHERE i.fleet = $1::text LIMIT $2::int4
)
${answer(`json_build_object(
  'truncated', (SELECT count(*) FROM gameye_instance i WHERE i.fleet = $1::text) > $2::int4,
  'groups', (SELECT json_strip_nulls(coalesce(json_agg(g ORDER BY g.sessions DESC, g.mode NULLS FIRST, g.region, g.version, g.status), '[]')) FROM (
    SELECT mode, region, version, status, count(*) AS sessions, sum(player_count) AS players, sum(open_seats) AS open_seats
    FROM shown GROUP BY mode, region, version, status) g))`)}`;

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

/** Sessions that count, by what gauges show of them. */
export interface GaugeGroup {
  mode: string;
  region: string;
  version: string;
  sessions: number;
  players: number;
  /** Where somebody could be seated now. */
  open_seats: number;
}

const GAUGES = answer(`(SELECT coalesce(json_agg(g ORDER BY g.sessions DESC, g.mode, g.region, g.version), '[]') FROM (
  SELECT i.mode, i.region, i.version, count(*) AS sessions, sum(${PLAYER_COUNT}) AS players,
    coalesce(sum(i.open_seats) FILTER (WHERE i.status = 'running'), 0) AS open_seats
  FROM gameye_instance i WHERE i.fleet = $1::text AND i.status NOT IN ('lost', 'exited', 'dead')
  GROUP BY i.mode, i.region, i.version) g)`);

/** What runs, the largest group first. */
export function groupForGauges(nk: Nakama, fleet: string): GaugeGroup[] {
  return ask<GaugeGroup[]>(nk, GAUGES, [fleet]);
}
