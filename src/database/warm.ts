import type { Nakama } from '../nakama/runtime';
import { LEASE, ROW, type AllocationChange, type AllocationRow, type MostSessions } from './allocation-row';
import { answer, ask, json } from './sql';

/*
 * Statements of the warm buffer: sessions that run, or start, for nobody yet. `warm` of a row names the groups that may take
 * the session. It goes in the statement that gives somebody a seat there, so nobody counts or stops it as empty after that.
 */

/** How many sessions of one kind a region shall have. */
export interface Wanted {
  warm: string;
  region: string;
  wanted: number;
  /** One that ends sooner is given to nobody (milliseconds). */
  least_ms: number;
  /** One that ends sooner gets a successor. */
  fresh_ms: number;
}

export interface Kept {
  /** Can be taken now. */
  ready: number;
  /** Those of them that need no successor yet. */
  fresh: number;
  /** Are being started, or could not be a moment ago. */
  starting: number;
}

const PLAN = `jsonb_to_recordset($2::text::jsonb) AS p(place int4, warm text, region text, wanted int4, least_ms float8, fresh_ms float8)`;
/** Field by field: what else a caller keeps beside them is no business of the database's log. */
const planned = (plan: Wanted[]): string =>
  json(
    plan.map(({ warm, region, wanted, least_ms, fresh_ms }, place) => ({
      ...{ place, warm, region, wanted, least_ms, fresh_ms },
    })),
  );

const ends = (least: string): string => `i.expires_at <= now() + ${least} * interval '1 millisecond'`;

const COUNT = answer(`(SELECT coalesce(json_agg(json_build_object(
    'ready', gameye_warm_running($1::text, p.warm, p.region, p.least_ms),
    'fresh', gameye_warm_running($1::text, p.warm, p.region, p.fresh_ms),
    'starting', gameye_warm_starting($1::text, p.warm, p.region)) ORDER BY p.place), '[]')
  FROM ${PLAN})`);

/** What there is of each kind, in the order of the plan. */
export function countWarm(nk: Nakama, fleet: string, plan: Wanted[]): Kept[] {
  return ask<Kept[]>(nk, COUNT, [fleet, planned(plan)]);
}

const FILL = `
WITH room AS MATERIALIZED (
  SELECT gameye_warm_missing($1::text, $2::text, $3::text, $4::float8, $5::int4, $6::int4, $7::text, $8::int4) AS missing
), made AS (
  INSERT INTO gameye_allocation (id, fleet, state, session_id, holder, lease_until, deadline, attempts, warm, guest_pool, free_seats, doc)
  SELECT c.id, $1::text, 'queued', c.id, '', ${LEASE('$9')}, ${LEASE('$10')}, 0, $2::text, $11::text, $12::int4, $13::text::jsonb
  FROM room, jsonb_array_elements_text($14::text::jsonb) WITH ORDINALITY AS c(id, place) WHERE c.place <= room.missing
  ORDER BY c.place ON CONFLICT (id) DO NOTHING
  RETURNING *
)
${answer(`(SELECT coalesce(json_agg(${ROW}), '[]') FROM made a)`)}`;

/**
 * Stores allocations for those that are missing, no more than there are ids, and none beyond the limits. Two nodes that do so
 * at once count one after the other, as gameye_admits does it, so that there are never more than wanted.
 */
export function storeWarm(
  nk: Nakama,
  fleet: string,
  { warm, region, wanted, fresh_ms }: Wanted,
  most: MostSessions,
  a: Pick<AllocationChange, 'free_seats' | 'doc'> & {
    mode: string;
    create_timeout_ms: number;
    guest_pool: string | null;
  },
  ids: string[],
  lease_ms: number,
): AllocationRow[] {
  return ask<AllocationRow[]>(nk, FILL, [
    ...[fleet, warm, region, fresh_ms, wanted],
    ...[most.of_fleet, a.mode, most.of_mode],
    ...[lease_ms, a.create_timeout_ms, a.guest_pool, a.free_seats, json(a.doc), json(ids)],
  ]);
}

const CLOSE = `
WITH idle AS (
  SELECT i.id, p.wanted, p.least_ms,
    row_number() OVER (PARTITION BY i.warm, i.region ORDER BY i.expires_at DESC NULLS FIRST, i.id) AS place
  FROM gameye_instance i LEFT JOIN ${PLAN} ON p.warm = i.warm AND p.region = i.region
  WHERE i.fleet = $1::text AND i.warm IS NOT NULL AND i.player_count = 0 AND i.status = 'running'
), surplus AS (
  SELECT i.id FROM gameye_instance i JOIN idle ON idle.id = i.id
  WHERE i.warm IS NOT NULL AND i.player_count = 0 AND i.status = 'running'
    AND (idle.place > coalesce(idle.wanted, 0) OR ${ends('idle.least_ms')})
  ORDER BY i.id LIMIT $3::int4 FOR UPDATE OF i SKIP LOCKED
), closed AS (
  UPDATE gameye_instance i SET status = 'draining' FROM surplus WHERE i.id = surplus.id RETURNING 1
)
${answer('(SELECT count(*) FROM closed)')}`;

/**
 * Closes empty ones that nobody wants any more: those beyond the number, the oldest first, those of another version, and those
 * that end soon. One that somebody takes at this moment is passed over. The reconciler stops them. Answers how many.
 */
export function closeWarm(nk: Nakama, fleet: string, plan: Wanted[], most: number): number {
  return ask<number>(nk, CLOSE, [fleet, planned(plan), most]);
}
