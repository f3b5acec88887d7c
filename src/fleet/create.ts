import { newAllocation, refuseWhenFull, startAllocation } from '../allocation/create';
import type { Call } from '../nakama/caller';
import type { AllocationRequest } from '../records';
import { Code, rpcError } from '../refusal';

/**
 * Asks for a new session and answers its id at once. The players named get `gameye_match` or `gameye_failed` within the
 * create timeout; without players, `get` tells when it runs. Others may be seated in it, its own players in no other.
 */
export function create(call: Call, request: AllocationRequest): { session_id: string } {
  refuseWhenFull(call);
  const allocation = newAllocation(call, request, false);
  if (startAllocation(call, allocation) !== 'started') {
    return rpcError(Code.ABORTED, `The session id ${allocation.id} is taken. Try again.`);
  }
  return { session_id: allocation.id };
}
