import type { Allocation } from '../allocation/allocation';
import { startAllocator } from '../allocation/allocator';
import { ALLOCATIONS, deleteAllocation, readAllocation } from '../allocation/store';
import { SECOND } from '../config';
import { readInstance } from '../instances/store';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { visitRows } from '../nakama/pages';

/** Bounds of one pass; what is left over comes with the next. */
const MOST_RESUMED = 100;
const READ_MS = 2 * SECOND;

/** A queued allocation has no lease yet; its worker starts within a tick of the match that was asked for. */
const START_GRACE_MS = 5 * SECOND;

/** Longer than any lease. */
const STUCK_MS = 70 * SECOND;

/** Leases as this match saw them, and since when they have not changed: other nodes' clocks may be wrong, its own runs on. */
let sightings = new Map<string, { until_ms: number; since_ms: number }>();

/**
 * Starts a worker for every allocation whose own worker is gone: its node died, or it was never started. The new worker
 * takes the lease with a versioned write, so that two supervisors at once lead to one worker.
 */
export function resumeAllocations(call: Call, now: number): void {
  const { nk } = call;
  const due: string[] = [];
  const seen: typeof sightings = new Map();
  visitRows<Allocation>(nk, ALLOCATIONS, now + READ_MS, (allocation, key) => {
    const { until_ms } = allocation.lease;
    const before = sightings.get(key);
    seen.set(key, before?.until_ms === until_ms ? before : { until_ms, since_ms: now });
    if (needsWorker(allocation, now) || isStuck(key, allocation, seen, now) || mayBeLeftOver(allocation)) due.push(key);
    return due.length < MOST_RESUMED;
  });
  sightings = seen;
  for (const key of due) {
    const row = readAllocation(nk, key);
    if (!row) continue;
    const { value, version } = row;
    if (mayBeLeftOver(value)) {
      // It leads from the id that was asked for to a session that is over.
      if (!readInstance(nk, value.session_id)) deleteAllocation(nk, key, version);
      continue;
    }
    if (!needsWorker(value, now) && !isStuck(key, value, seen, now)) continue;
    withFields(call.logger, { allocation: key, session: value.session_id, state: value.state }).warn(
      'Gameye: an allocation without a worker is resumed.',
    );
    startAllocator(nk, value, version, 'claim');
  }
}

/** True when nobody holds the lease of an allocation that is not finished. Pure. */
export function needsWorker(a: Allocation, now: number): boolean {
  if (mayBeLeftOver(a)) return false;
  return a.lease.until_ms < now && a.created_at_ms + START_GRACE_MS < now;
}

/** Its lease ends in the future, and has for so long that its holder's clock must have been ahead of ours. */
function isStuck(key: string, a: Allocation, seen: typeof sightings, now: number): boolean {
  const sighting = seen.get(key);
  return sighting?.until_ms === a.lease.until_ms && now - sighting.since_ms > STUCK_MS && !mayBeLeftOver(a);
}

function mayBeLeftOver(a: Allocation): boolean {
  return a.state === 'announced' && a.abandoned.length === 0;
}
