import { leaveSeats } from '../instances/departure';
import type { Call } from '../nakama/caller';
import type { Allocation, Superseded } from './allocation';
import { locateInstance } from './locate';
import { readAllocation, saveAllocation } from './store';
import { isBeingTold, withoutPlayer } from './transitions';

const MOST_TRIES = 20;

/**
 * Frees what an allocation's players still had elsewhere, now that they know of this one: a player has one live seat, the
 * latest. What is in `sessionId`, where they play now, stays. Repeating it changes nothing.
 */
export function leaveSuperseded(call: Call, a: Allocation, sessionId: string, timeoutMs: number): void {
  for (const one of a.superseded ?? []) {
    if (one.session_id === sessionId || one.allocation_id === a.id) continue;
    const seatedIn = one.allocation_id === undefined ? one.session_id : withdraw(call, one, one.allocation_id);
    if (seatedIn !== undefined) leaveSeats(call, seatedIn, [one.user_id], timeoutMs);
  }
}

/** Takes a player out of another start, which goes on for the others. When it is too late: the session with their seat. */
function withdraw(call: Call, { user_id, session_id }: Superseded, allocationId: string): string | undefined {
  for (let i = 0; i < MOST_TRIES; i++) {
    const row = readAllocation(call.nk, allocationId);
    if (!row) return session_id;
    const { value, version } = row;
    if (value.told || isBeingTold(value)) {
      return value.backfill?.joins?.id ?? locateInstance(call, allocationId)?.id ?? session_id;
    }
    if (value.state === 'failed' || value.state === 'cancelled' || !value.request.user_ids.includes(user_id)) return;
    if (saveAllocation(call.nk, withoutPlayer(value, user_id, Date.now()), version) !== 'conflict') return;
  }
  return session_id;
}
