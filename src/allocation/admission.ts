import { INSTANCES } from '../instances/store';
import type { Call } from '../nakama/caller';
import { count } from '../nakama/metrics';
import { CONTROL, readRows, type Write } from '../nakama/storage';
import { waitForTurn } from '../nakama/turn';
import { Code, rpcError } from '../refusal';
import type { Allocation } from './allocation';
import { ALLOCATIONS } from './store';

/*
 * GAMEYE_MAX_SESSIONS, over all nodes. How many sessions there are is counted from the records whenever one more is asked
 * for, so that nothing can drift or leak. Every allocation's first attempt is stored together with the gate, at the version
 * that was read before counting: of two at once one has to count again. Without the variable all this costs nothing.
 */
const GATE = 'gate';

const MOST_TRIES = 200;
/** Bounds of a turn, as for an instance that many change at once. */
const TURN_MS = { least: 2, most: 50 };

/** Every instance, every allocation that may run a session without one, and every id that may run although it was given up. */
const COUNT = `SELECT (
  (SELECT count(*) FROM storage WHERE collection = '${INSTANCES}') +
  (SELECT coalesce(sum(coalesce(jsonb_array_length(a.value->'abandoned'), 0) + CASE
    WHEN a.value->>'state' IN ('starting', 'started') AND (a.value->>'attempts')::int4 > 0 AND NOT EXISTS (
      SELECT 1 FROM storage i WHERE i.collection = '${INSTANCES}' AND i.key = a.value->>'session_id'
    ) THEN 1 ELSE 0 END), 0)
  FROM storage a WHERE a.collection = '${ALLOCATIONS}')
)::int4 AS sessions`;

/**
 * Stores an allocation's first attempt if it may be sent: `store` has to store these writes as well, all or nothing, and
 * answers undefined on a conflict. `full` when as many sessions run or start as may, and nothing was stored.
 */
export function admit<T>(call: Call, a: Allocation, store: (gate: Write[]) => T | undefined): T | 'full' | undefined {
  const most = call.config.maxSessions;
  if (most === undefined) return store([]);
  for (let i = 0; i < MOST_TRIES; i++) {
    const startedAt = Date.now();
    const version = gateVersion(call);
    if (countSessions(call) >= most) {
      count(call.nk, 'gameye_refusals', { reason: 'max_sessions' });
      return 'full';
    }
    // Another value each time, because equal ones have equal versions.
    const value = { allocation: a.id, at_ms: startedAt };
    const stored = store([{ collection: CONTROL, key: GATE, value, version }]);
    // The record of the allocation itself changed: that is the caller's conflict.
    if (stored !== undefined || gateVersion(call) === version) return stored;
    count(call.nk, 'gameye_conflicts', { record: 'gate' });
    waitForTurn(call.nk, GATE, Math.min(TURN_MS.most, Math.max(TURN_MS.least, Date.now() - startedAt)));
  }
  throw new Error('Too many sessions are asked for at once.');
}

/**
 * Refuses a request at the door, with code 8, when no session can be started for it at present. What passes here at the same
 * time as others may still be refused by `admit`.
 */
export function refuseWhenFull(call: Call): void {
  const most = call.config.maxSessions;
  if (most === undefined || countSessions(call) < most) return;
  count(call.nk, 'gameye_refusals', { reason: 'max_sessions' });
  rpcError(Code.RESOURCE_EXHAUSTED, 'As many sessions run as may (GAMEYE_MAX_SESSIONS). Try again when one has ended.');
}

function gateVersion(call: Call): string {
  return readRows(call.nk, CONTROL, [GATE])[0]?.version ?? '*';
}

/** One statement, so that a record which changes its collection meanwhile is seen once. */
function countSessions(call: Call): number {
  const [row] = call.nk.sqlQuery(COUNT, []) as { sessions?: unknown }[];
  if (typeof row?.sessions !== 'number') throw new Error('The sessions could not be counted.');
  return row.sessions;
}
