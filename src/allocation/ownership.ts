import { SECOND } from '../config';
import type { AllocationChange, AllocationRow, Lease } from '../database/allocation-row';
import { readOwn, saveAllocation } from '../database/allocations';
import type { Call } from '../nakama/caller';
import { processId } from '../nakama/process-id';
import { freeSeats, fromRow, toDoc, type Allocation, type Common } from './allocation';

/*
 * A worker owns the allocation that it works on: it alone writes the record, fenced by the row's version. Others only note
 * something in columns of their own (a player went away, the game server is ready, a group joined), which raises the version,
 * so the worker sees it before its next change counts.
 */

/** One request may block its worker this long; starting a session normally takes half a second. */
export const RUN_TIMEOUT_MS = 15 * SECOND;

/** Longer than the longest call and the steps around it. */
export const LEASE_MS = RUN_TIMEOUT_MS + 5 * SECOND;

/** The same for a step that calls a function of somebody else's, which may take long: after this it is called once more. */
const CALLBACK_LEASE_MS = 60 * SECOND;

/** A change that loses so often is one of many at once; the next tick tries again. */
const MOST_TRIES = 20;

/** The match that works on it, and in which process: the id of a match alone tells its node's name only. */
export function holder({ nk, ctx }: Call): string {
  return `${processId(nk)}/${ctx.matchId ?? ctx.node}`;
}

export function lease(call: Call): Lease {
  return { holder: holder(call), ms: LEASE_MS };
}

/** For steps that end with the request's callback: no other worker calls it meanwhile. */
export function leaseForCallback(call: Call, a: Common): Lease {
  return { holder: holder(call), ms: a.request.callback === undefined ? LEASE_MS : CALLBACK_LEASE_MS };
}

/** What a statement writes of an allocation. */
export function changeOf(a: Allocation): AllocationChange {
  const { id, state, session_id, attempts } = a;
  return { id, state, session_id, attempts, free_seats: freeSeats(a), doc: toDoc(a) };
}

/** The allocation with what only its row knows: version, times, and what others noted. */
export function asStored<A extends Allocation>(a: A, row: AllocationRow): A {
  const { version, created_at_ms, deadline_ms, guests, cancelled, server_ready } = row;
  return { ...a, version, created_at_ms, deadline_ms, guests, cancelled, server_ready };
}

/**
 * Stores what follows from a step, with a new lease. When somebody noted something meanwhile, the same follows from the record
 * with it. Undefined: the allocation is not ours any more. One that ends is not stored here: the statement that tells its
 * players stores it, and until then whatever was stored before is what a crash leads back to.
 */
export function save<A extends Allocation>(call: Call, a: A, change: (a: A) => Allocation): Allocation | undefined {
  return untilStored(call, a, (current) => {
    const next = change(current);
    if (isEnding(next) || current.version === 0) return next;
    const row = saveAllocation(call.nk, changeOf(next), current.version, lease(call));
    return row && asStored(next, row);
  });
}

/**
 * Calls `store` with the record as it is now until it answers, a bounded number of times. It answers undefined when the row
 * has another version. When the row moved on in another way than by a note, its present state is what goes on.
 */
export function untilStored<A extends Allocation>(
  call: Call,
  a: A,
  store: (current: A) => Allocation | undefined,
): Allocation | undefined {
  let current = a;
  for (let i = 0; i < MOST_TRIES; i++) {
    const stored = store(current);
    if (stored) return stored;
    const fresh = reread(call, current);
    if (!fresh || !isSameAttempt(fresh, current)) return fresh;
    const { version, guests, cancelled, server_ready } = fresh;
    current = { ...current, version, guests, cancelled, server_ready };
  }
  throw new Error('The allocation changed with every try to store the next step.');
}

/** Reads the record again; undefined when it is gone or another worker's. */
export function reread(call: Call, a: Common): Allocation | undefined {
  const row = readOwn(call.nk, a.id, holder(call));
  return row && fromRow(row);
}

/** One that ends is in another state than its row, which learns of it last. */
function isSameAttempt(fresh: Allocation, current: Allocation): boolean {
  const isSameState = fresh.state === current.state || isEnding(current);
  return isSameState && fresh.session_id === current.session_id && fresh.attempts === current.attempts;
}

function isEnding(a: Allocation): boolean {
  return (a.state === 'failed' || a.state === 'cancelled') && !a.told;
}
