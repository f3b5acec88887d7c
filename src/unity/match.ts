import { KEEP_MS, newAllocation, startAllocation } from '../allocation/create';
import { derivedId } from '../credentials/derived-id';
import { readAllocation } from '../database/allocations';
import { findInstance } from '../database/instances';
import { isLive } from '../gameye/wire';
import { LOST, STARTING } from '../instances/instance';
import type { Call } from '../nakama/caller';
import type { AllocationRequest, FailureReason, Instance } from '../records';
import { Code, rpcError } from '../refusal';

/** How a match of Unity's Matchmaker stands. */
export type Standing =
  | { state: 'pending' }
  | { state: 'ready'; instance: Instance }
  /** `reason`: it got no server; without: its session is over. */
  | { state: 'over'; reason?: FailureReason };

const MOST_TRIES = 3;

/** The allocation of a match: always the same, so that a repeated request cannot start another session. */
export function allocationIdOf(call: Call, matchId: string): string {
  return derivedId(call.nk, matchId, `gameye-unity:${call.config.fleet}`);
}

/**
 * Asks for the session of a match, once: a repetition changes nothing, whatever became of the first request and whatever it
 * asks for, as long as the row of its allocation is kept. Code 14 when the database fails; it can then be repeated.
 */
export function allocateMatch(call: Call, matchId: string, request: AllocationRequest): Standing {
  const id = allocationIdOf(call, matchId);
  for (let i = 0; i < MOST_TRIES; i++) {
    const standing = standingOf(call, id);
    if (standing) return standing;
    const allocation = { ...newAllocation(call, request, false), id, session_id: id };
    if (startAllocation(call, allocation, { keepMs: KEEP_MS }) === 'started') return { state: 'pending' };
    // Somebody asks for the same match at the same time.
  }
  return rpcError(Code.ABORTED, 'The match is being allocated just now. Try again.');
}

/** How a match stands that was asked for within the last two days; undefined: nobody asked. */
export function standingOf(call: Call, id: string): Standing | undefined {
  const { nk, config } = call;
  // The allocation first: its instance is stored in the statement that makes it `started`.
  const row = readAllocation(nk, config.fleet, id);
  const reason = (row?.doc as { reason?: FailureReason } | undefined)?.reason;
  if (reason !== undefined) return { state: 'over', reason };
  if (row?.cancelled && row.state !== 'over') return { state: 'over', reason: 'error' };
  if (row?.state === 'queued' || row?.state === 'starting') return { state: 'pending' };
  const instance = findInstance(nk, config.fleet, id);
  if (!instance) return row && { state: 'over' };
  // `lost`: the reconciler finds out.
  if (instance.status === STARTING || instance.status === LOST) return { state: 'pending' };
  return isLive(instance.status) ? { state: 'ready', instance } : { state: 'over' };
}
