import type { Nakama } from '../nakama/runtime';
import {
  CHANGED,
  changeValues,
  LEASE,
  ROW,
  type AllocationChange,
  type AllocationRow,
  type Lease,
  type MostSessions,
} from './allocation-row';
import { COUNT_SEATS, freed } from './counting';
import { forgetOlder, usersOf } from './notifications';
import { answer, ask, json } from './sql';

/*
 * Statements about allocations that are there. Several of the room lock rows of more than one table, always in the order
 * allocation, seats, instances.
 */

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
