import type { Waiting } from '../allocation/allocation';
import { newAllocation, refuseAtDoor, startAllocation } from '../allocation/create';
import { onceId, sameAsked, startOnce } from '../allocation/once';
import { countRefused } from '../allocation/refused';
import { readAllocation } from '../database/allocations';
import type { Call } from '../nakama/caller';
import type { AllocationRequest } from '../records';
import { Code, rpcError } from '../refusal';

/** What the caller calls a request, and what stands for all that it says: the same again is the same session. */
export interface Named {
  request_id: string;
  asked: string;
}

/**
 * Asks for a new session and answers its id at once. The players named get `gameye_match` or `gameye_failed` within the
 * create timeout; without players, `get` tells when it runs. Others may be seated in it, its own players in no other. With a
 * name, a repetition answers the session of the first call; code 10 when it says something else.
 */
export function create(call: Call, request: AllocationRequest, named?: Named): { session_id: string } {
  const admit = (a: Waiting): void => refuseAtDoor(call, a);
  if (named) {
    const id = onceId(call, 'request', named.request_id);
    const known = startOnce(call, id, request, { admit, asked: named.asked });
    if (known === 'too-often') return tooOften(call, id, request);
    if (known !== 'started') sameAsked(known, named.asked);
    return { session_id: id };
  }
  const allocation = newAllocation(call, request, false);
  admit(allocation);
  switch (startAllocation(call, allocation)) {
    case 'started':
      return { session_id: allocation.id };
    case 'too-often':
      return tooOften(call, allocation.id, request);
    default:
      return rpcError(Code.ABORTED, `The session id ${allocation.id} is taken. Try again.`);
  }
}

/** The session that an earlier call with this name asked for; undefined: there was none. */
export function createdBefore(call: Call, { request_id, asked }: Named): { session_id: string } | undefined {
  const row = readAllocation(call.nk, call.config.fleet, onceId(call, 'request', request_id));
  if (row) sameAsked(row, asked);
  return row && { session_id: row.id };
}

function tooOften(call: Call, id: string, request: AllocationRequest): never {
  countRefused(call, { id }, request.user_ids.length);
  return rpcError(Code.RESOURCE_EXHAUSTED, 'These players have had GAMEYE_STARTS_PER_MINUTE. Try again in a minute.');
}
