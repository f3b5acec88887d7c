import { SECOND } from '../config';
import type { Call } from '../nakama/caller';
import type { Write } from '../nakama/storage';
import type { Allocation } from './allocation';
import { readAllocation, saveAllocation } from './store';

/** One request may block its worker this long; starting a session normally takes half a second. */
export const RUN_TIMEOUT_MS = 15 * SECOND;
/** Longer than the longest call and the steps around it. */
const LEASE_MS = RUN_TIMEOUT_MS + 5 * SECOND;

/** The same for a step that calls a function of somebody else's, which may take long: after this it is called once more. */
const CALLBACK_LEASE_MS = 60 * SECOND;

/** A worker's hold on its allocation. */
export interface Hold {
  allocation: Allocation;
  /** `*` until the record is stored. */
  version: string;
}

/**
 * Stores what follows from a step, with a new lease. When somebody changed the record meanwhile without ending this
 * attempt (a player cancelled, the game server said that it is ready), the same follows from the changed record; otherwise
 * its present state is what goes on. Undefined: the allocation is not ours any more. One that fails before it was ever
 * stored stays so: its players are told from memory.
 */
export function save(call: Call, hold: Hold, change: (a: Allocation) => Allocation): Hold | undefined {
  let current = hold;
  for (;;) {
    const next = change(current.allocation);
    if (current.version === '*' && next.state === 'failed') return { allocation: next, version: '*' };
    const stored = store(call, current, next);
    if (stored) return stored;
    const fresh = reread(call, current);
    if (!fresh || !isSameAttempt(fresh.allocation, current.allocation)) return fresh;
    current = fresh;
  }
}

/**
 * Does a step that ends with the request's callback under a longer lease, so that no other worker calls it meanwhile. When
 * somebody changed the record in between, its present state is what goes on.
 */
export function beforeCallback(
  call: Call,
  hold: Hold,
  step: (call: Call, hold: Hold) => Hold | undefined,
): Hold | undefined {
  if (hold.allocation.request.callback === undefined || hold.version === '*') return step(call, hold);
  const longer = store(call, hold, hold.allocation, [], CALLBACK_LEASE_MS);
  return longer ? step(call, longer) : reread(call, hold);
}

/** Undefined when the record, or another that is stored with it, is not at the version that we know. */
export function store(
  call: Call,
  hold: Hold,
  next: Allocation,
  others: Write[] = [],
  leaseMs = LEASE_MS,
): Hold | undefined {
  const leased: Allocation = { ...next, lease: lease(call, leaseMs) };
  const version = saveAllocation(call.nk, leased, hold.version, others);
  return version === 'conflict' ? undefined : { allocation: leased, version };
}

/** Reads the record again: changed under our lease or not; undefined when it is gone or another worker's. */
export function reread(call: Call, hold: Hold): Hold | undefined {
  const row = readAllocation(call.nk, hold.allocation.id);
  if (!row) return undefined;
  const { lease: held } = row.value;
  if (held.holder !== holder(call) && held.until_ms > Date.now()) return undefined;
  return { allocation: row.value, version: row.version };
}

export function lease(call: Call, ms = LEASE_MS): Allocation['lease'] {
  return { holder: holder(call), until_ms: Date.now() + ms };
}

function isSameAttempt(a: Allocation, b: Allocation): boolean {
  return a.state === b.state && a.session_id === b.session_id && a.attempts === b.attempts && a.told === b.told;
}

/** True when the allocation's worker is a match of this node, whose name every match id ends in. */
export function isWorkedOnBy(a: Allocation, node: string): boolean {
  return a.lease.holder.slice(-node.length - 1) === `.${node}`;
}

function holder(call: Call): string {
  return call.ctx.matchId ?? call.ctx.node;
}
