import { onceId, startOnce } from '../allocation/once';
import { readAllocation } from '../database/allocations';
import { findInstance } from '../database/instances';
import { isLive } from '../gameye/wire';
import { LOST, STARTING } from '../instances/instance';
import type { Call } from '../nakama/caller';
import type { AllocationRequest, FailureReason, Instance } from '../records';

/** How a match of Unity's Matchmaker stands. */
export type Standing =
  | { state: 'pending' }
  | { state: 'ready'; instance: Instance }
  /** `reason`: it got no server; without: its session is over. */
  | { state: 'over'; reason?: FailureReason };

/** The allocation of a match: always the same, so that a repeated request cannot start another session. */
export function allocationIdOf(call: Call, matchId: string): string {
  return onceId(call, 'unity', matchId);
}

/**
 * Asks for the session of a match, once: a repetition changes nothing, whatever became of the first request and whatever it
 * asks for, as long as the row of its allocation is kept. Code 14 when the database fails; it can then be repeated.
 */
export function allocateMatch(call: Call, matchId: string, request: AllocationRequest): Standing {
  const id = allocationIdOf(call, matchId);
  const standing = standingOf(call, id);
  if (standing) return standing;
  const isNew = startOnce(call, id, request) === 'started';
  return (isNew ? undefined : standingOf(call, id)) ?? { state: 'pending' };
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
