import type { LeftSeat } from '../records';
import type { Nakama } from '../nakama/runtime';
import { LEASE, ROW, type AllocationChange, type AllocationRow, type Lease, type MostSessions } from './allocation-row';
import { COUNT_SEATS, endLeft, freed, HAS_CHANGED, HAS_ENDED, leftSeats, plays, waits } from './counting';
import { ordersCount } from './control';
import { answer, ask, json, ms } from './sql';

/* The statement with which an allocation begins: its row and those of its players, before anything is sent. */

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
 * matches do without cost more than all the rest. Arguments from the thirteenth on are those of its parts, in their order.
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
