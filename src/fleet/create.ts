import { newAllocation, refuseWhenClosed, refuseWhenFull, startAllocation } from '../allocation/create';
import { countRefused } from '../allocation/refused';
import type { Call } from '../nakama/caller';
import type { AllocationRequest } from '../records';
import { Code, rpcError } from '../refusal';

/**
 * Asks for a new session and answers its id at once. The players named get `gameye_match` or `gameye_failed` within the
 * create timeout; without players, `get` tells when it runs. Others may be seated in it, its own players in no other.
 */
export function create(call: Call, request: AllocationRequest): { session_id: string } {
  refuseWhenFull(call, request.mode);
  const allocation = newAllocation(call, request, false);
  refuseWhenClosed(call, allocation.regions);
  switch (startAllocation(call, allocation)) {
    case 'started':
      return { session_id: allocation.id };
    case 'too-often':
      countRefused(call, allocation, request.user_ids.length);
      return rpcError(
        Code.RESOURCE_EXHAUSTED,
        'These players have had GAMEYE_STARTS_PER_MINUTE. Try again in a minute.',
      );
    default:
      return rpcError(Code.ABORTED, `The session id ${allocation.id} is taken. Try again.`);
  }
}
