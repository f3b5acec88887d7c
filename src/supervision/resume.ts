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

/**
 * Starts a worker for every allocation whose own worker is gone: its node died, or it was never started. The new worker
 * takes the lease with a versioned write, so that two supervisors at once lead to one worker.
 */
export function resumeAllocations(call: Call, now: number): void {
  const { nk } = call;
  const due: string[] = [];
  visitRows<Allocation>(nk, ALLOCATIONS, now + READ_MS, (allocation, key) => {
    if (needsWorker(allocation, now) || mayBeLeftOver(allocation)) due.push(key);
    return due.length < MOST_RESUMED;
  });
  for (const key of due) {
    const row = readAllocation(nk, key);
    if (!row) continue;
    const { value, version } = row;
    if (mayBeLeftOver(value)) {
      // It leads from the id that was asked for to a session that is over.
      if (!readInstance(nk, value.session_id)) deleteAllocation(nk, key, version);
      continue;
    }
    if (!needsWorker(value, now)) continue;
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

function mayBeLeftOver(a: Allocation): boolean {
  return a.state === 'announced' && a.abandoned.length === 0;
}
