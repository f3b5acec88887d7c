import type { Nakama } from '../nakama/runtime';
import type { FailureReason, Instance } from '../records';
import { INSTANCE } from './instances';
import { answer, ask, ms } from './sql';

/* Statements about one player: where they stand, and that they do not want to wait any more. */

/** Where a player stands, as stored. */
export interface Standing {
  state: 'starting' | 'reserved' | 'joined' | 'lapsed' | 'left' | 'failed';
  session_id: string;
  allocation_id: string;
  reason?: FailureReason;
  /** Of a reserved seat: how long it is still held. */
  left_ms?: number;
  /** The allocation that is waited for, while it is there. */
  allocation?: { state: string; cancelled: boolean };
  /** The instance of `session_id`, while it is there and its end is not decided. */
  instance?: Instance;
}

const STANDING = answer(
  `json_build_object('state', s.state, 'session_id', s.session_id, 'allocation_id', s.allocation_id, 'reason', s.reason,
    'left_ms', ${ms('(s.until - now())')},
    'allocation', (SELECT json_build_object('state', a.state, 'cancelled', a.cancelled) FROM gameye_allocation a
      WHERE a.id = s.allocation_id AND a.fleet = $1::text),
    'instance', (SELECT ${INSTANCE} FROM gameye_instance i
      WHERE i.id = s.session_id AND i.fleet = $1::text AND i.ending IS NULL))`,
  `FROM (SELECT 1) one LEFT JOIN gameye_seat s ON s.user_id = $2::text`,
);

/** Where a player stands; undefined: nowhere, ever. */
export function readStanding(nk: Nakama, fleet: string, userId: string): Standing | undefined {
  const row = ask<{
    state: Standing['state'] | null;
    session_id: string;
    allocation_id: string;
    reason: FailureReason | null;
    left_ms: number | null;
    allocation: { state: string; cancelled: boolean } | null;
    instance: Instance | null;
  }>(nk, STANDING, [fleet, userId]);
  if (row.state === null) return undefined;
  const { state, session_id, allocation_id, reason, left_ms, allocation, instance } = row;
  return {
    state,
    session_id,
    allocation_id,
    ...(reason === null ? {} : { reason }),
    ...(left_ms === null ? {} : { left_ms }),
    ...(allocation === null ? {} : { allocation }),
    ...(instance === null ? {} : { instance }),
  };
}

const WITHDRAW = `
WITH mine AS (
  SELECT s.allocation_id FROM gameye_seat s WHERE s.user_id = $2::text AND s.state = 'starting'
), awaited AS (
  SELECT a.id, a.state FROM gameye_allocation a WHERE a.id IN (SELECT allocation_id FROM mine) AND a.fleet = $1::text FOR UPDATE
), seat AS (
  SELECT s.user_id, s.allocation_id FROM gameye_seat s
  WHERE s.user_id = $2::text AND s.state = 'starting' AND s.allocation_id IN (SELECT allocation_id FROM mine) AND (SELECT count(*) FROM awaited) >= 0
  FOR UPDATE
), gone AS (
  UPDATE gameye_seat s SET state = 'left', session_id = '', allocation_id = '', version = s.version + 1, update_time = now()
  FROM seat WHERE s.user_id = seat.user_id RETURNING seat.allocation_id
), told AS (
  UPDATE gameye_allocation a SET version = a.version + 1, cancelled = a.cancelled OR NOT EXISTS (
    SELECT 1 FROM gameye_seat s WHERE s.allocation_id = a.id AND s.state = 'starting' AND s.user_id <> $2::text)
  FROM gone WHERE a.id = gone.allocation_id RETURNING a.id
)
${answer(`json_build_object('withdrawn', EXISTS (SELECT 1 FROM gone) AND (SELECT count(*) FROM told) >= 0,
  'state', (SELECT s.state FROM gameye_seat s WHERE s.user_id = $2::text),
  'session_id', (SELECT s.session_id FROM gameye_seat s WHERE s.user_id = $2::text))`)}`;

/**
 * Takes a player out of a session that is still being started, and cancels that when nobody else waits for it. When it was
 * not `withdrawn`, `state` and `session_id` are what the player has instead; null: nothing.
 */
export function withdraw(
  nk: Nakama,
  fleet: string,
  userId: string,
): { withdrawn: boolean; state: Standing['state'] | null; session_id: string | null } {
  return ask(nk, WITHDRAW, [fleet, userId]);
}
