import type { Allocation } from '../allocation/allocation';
import { startAllocator } from '../worker/allocator';
import { ALLOCATIONS, deleteAllocation, readAllocation } from '../allocation/store';
import { SECOND } from '../config';
import { readInstance } from '../instances/store';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import type { Nakama } from '../nakama/runtime';
import { visitRows } from '../nakama/pages';

/** Bounds of one pass; what is left over comes with the next. */
const MOST_RESUMED = 100;
const MOST_CHECKED = 50;
const READ_MS = 2 * SECOND;

/** A queued allocation has no lease yet; its worker starts within a tick of the match that was asked for. */
const START_GRACE_MS = 5 * SECOND;

/** Longer than any lease. */
const STUCK_MS = 70 * SECOND;

/** What a supervisor knows from its earlier passes. */
export interface Seen {
  /** Leases, and since when they have not changed: other nodes' clocks may be wrong, its own runs on. */
  leases: Map<string, { until_ms: number; since_ms: number }>;
  /**
   * Workers that it started, and the version of the record that they were to take. One whose write waits for the database has
   * not changed it yet, and a second one would wait behind it.
   */
  started: Map<string, { version: string; at_ms: number }>;
}
const RESTART_MS = 30 * SECOND;

export function nothingSeen(): Seen {
  return { leases: new Map(), started: new Map() };
}

/**
 * Starts a worker for every allocation whose own worker is gone: its node died, or it was never started. The new worker
 * takes the lease with a versioned write, so that two supervisors at once lead to one worker. Brings `seen` up to date.
 */
export function resumeAllocations(call: Call, now: number, seen: Seen = nothingSeen()): void {
  const { nk } = call;
  const due: string[] = [];
  const finished: string[] = [];
  const leases: Seen['leases'] = new Map();
  const isAwaited = (one: { at_ms: number }): boolean => Math.abs(now - one.at_ms) < RESTART_MS;
  const started: Seen['started'] = new Map([...seen.started].filter(([, one]) => isAwaited(one)));
  visitRows<Allocation>(nk, ALLOCATIONS, now + READ_MS, (allocation, key, version) => {
    const { until_ms } = allocation.lease;
    const before = seen.leases.get(key);
    leases.set(key, before?.until_ms === until_ms ? before : { until_ms, since_ms: now });
    if (mayBeLeftOver(allocation)) finished.push(key);
    else if (started.get(key)?.version === version) return true;
    else if (needsWorker(allocation, now) || isStuck(key, allocation, leases, now)) due.push(key);
    return due.length < MOST_RESUMED;
  });
  // Others in each pass: those that are still needed may be many, and must not hide the rest, nor who waits for a worker.
  const from = Math.floor(Math.random() * finished.length);
  removeLeftOvers(nk, finished.slice(from).concat(finished.slice(0, from)).slice(0, MOST_CHECKED));
  for (const key of due) {
    const row = readAllocation(nk, key);
    if (!row) continue;
    const { value, version } = row;
    if (!needsWorker(value, now) && !isStuck(key, value, leases, now)) continue;
    started.set(key, { version, at_ms: now });
    withFields(call.logger, { allocation: key, session: value.session_id, state: value.state }).warn(
      'Gameye: an allocation without a worker is resumed.',
    );
    startAllocator(nk, value, version, 'claim');
  }
  Object.assign(seen, { leases, started });
}

/** Deletes what leads from the id that was asked for to a session that is over. */
function removeLeftOvers(nk: Nakama, keys: string[]): void {
  for (const key of keys) {
    const row = readAllocation(nk, key);
    if (!row || !mayBeLeftOver(row.value) || readInstance(nk, row.value.session_id)) continue;
    deleteAllocation(nk, key, row.version);
  }
}

/** True when nobody holds the lease of an allocation that is not finished. Pure. */
export function needsWorker(a: Allocation, now: number): boolean {
  if (mayBeLeftOver(a)) return false;
  return a.lease.until_ms < now && a.created_at_ms + START_GRACE_MS < now;
}

/** Its lease ends in the future, and has for so long that its holder's clock must have been ahead of ours. */
function isStuck(key: string, a: Allocation, leases: Seen['leases'], now: number): boolean {
  const sighting = leases.get(key);
  return sighting?.until_ms === a.lease.until_ms && now - sighting.since_ms > STUCK_MS && !mayBeLeftOver(a);
}

function mayBeLeftOver(a: Allocation): boolean {
  return a.state === 'announced' && a.abandoned.length === 0;
}
