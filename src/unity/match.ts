import type { Allocation } from '../allocation/allocation';
import { tryAllocator } from '../worker/allocator';
import { instanceOf } from '../allocation/launch';
import type { AllocationRequest } from '../allocation/request';
import { readAllocation, saveAllocation } from '../allocation/store';
import { allocationFor } from '../fleet/fleet-manager';
import type { FailureReason } from '../gameye/failure';
import { isLive } from '../gameye/wire';
import type { Instance } from '../instances/instance';
import { readInstance } from '../instances/store';
import type { Call } from '../nakama/caller';
import { derivedId } from '../credentials/derived-id';
import { errorText, withFields } from '../nakama/log';
import { Code, rpcError } from '../refusal';
import { forgetOldMatches, matchInsertion, readMatch, UNITY_CALLBACK } from './records';

/** How a match of Unity's Matchmaker stands. */
export type Standing =
  | { state: 'pending' }
  | { state: 'ready'; instance: Instance }
  /** `reason`: it got no server; without: its session is over. */
  | { state: 'over'; reason?: FailureReason };

/** The allocation of a match: always the same, so that a repeated request cannot start another session. */
export function allocationIdOf(call: Call, matchId: string): string {
  return derivedId(call.nk, matchId, `gameye-unity:${call.config.fleet}`);
}

/**
 * Asks for the session of a match, once: a repetition changes nothing, whatever became of the first request and whatever it
 * asks for. Throws when the database fails; it can then be repeated.
 */
export function allocateMatch(call: Call, matchId: string, request: AllocationRequest): Standing {
  const id = allocationIdOf(call, matchId);
  for (let i = 0; i < 3; i++) {
    const standing = standingOf(call, id);
    if (standing) return standing;
    const now = Date.now();
    forgetOldMatches(call.nk, now);
    const made = allocationFor(call, { ...request, callback: UNITY_CALLBACK });
    const allocation: Allocation = { ...made, id, session_id: id, state: 'queued' };
    const version = saveAllocation(call.nk, allocation, '*', [matchInsertion(call.nk, id, matchId, now)]);
    // Somebody asks for the same match at the same time.
    if (version === 'conflict') continue;
    begin(call, allocation, version);
    return { state: 'pending' };
  }
  return rpcError(Code.ABORTED, 'The match is being allocated just now. Try again.');
}

/** How a match stands that was asked for within the last day; undefined: nobody asked. */
export function standingOf(call: Call, id: string): Standing | undefined {
  const { nk, config } = call;
  const now = Date.now();
  const match = readMatch(nk, id, now)?.value;
  // The allocation first: its row goes in the transaction that stores the instance.
  const allocation = readAllocation(nk, id)?.value;
  switch (allocation?.state) {
    case 'queued':
    case 'starting':
      return { state: 'pending' };
    case 'failed':
    case 'cancelled':
      return { state: 'over', reason: allocation.reason ?? 'error' };
    case 'started': {
      if (allocation.wait_for_server === true && allocation.server_ready !== true) return { state: 'pending' };
      const instance = readInstance(nk, allocation.session_id)?.value ?? instanceOf(config, allocation, now);
      return instance ? { state: 'ready', instance } : { state: 'pending' };
    }
    case 'joined':
    case 'announced':
    case undefined:
  }
  const instance = readInstance(nk, allocation?.session_id ?? id)?.value;
  // `lost`: the reconciler finds out.
  if (instance?.status === 'lost') return { state: 'pending' };
  if (instance) return isLive(instance.status) ? { state: 'ready', instance } : { state: 'over' };
  if (!allocation && !match) return undefined;
  return { state: 'over', ...(match?.failure === undefined ? {} : { reason: match.failure }) };
}

/** The allocation is stored: if this server cannot start its worker, another node's supervisor does. */
function begin(call: Call, allocation: Allocation, version: string): void {
  try {
    tryAllocator(call, allocation, version);
  } catch (error) {
    withFields(call.logger, { error: errorText(error) }).error('Gameye: no allocator could be started.');
  }
  const fields = { allocation: allocation.id, fleet: call.config.fleet };
  withFields(call.logger, fields).debug('Gameye: session requested.');
}
