import { newAllocation, refuseAtDoor, startAllocation } from '../allocation/create';
import { ordersInForce } from '../allocation/orders';
import { acceptableRegions } from '../allocation/regions';
import { isServed } from '../allocation/version';
import { wantAgain } from '../database/rematch';
import { readStanding } from '../database/standing';
import { inMode, type Call } from '../nakama/caller';
import type { AllocationRequest, Instance } from '../records';
import { Code, rpcError } from '../refusal';
import { refuseTooOften, spend } from './per-minute';
import { isWaiting } from './standing';

/* Players who have played together play once more: in a new session, with the settings of the old one. */

const REMATCHES_PER_MINUTE = 60;
const MOST_TRIES = 5;

/** `waiting`: for those of the session who have not asked for a rematch. `starting`: everybody has, and hears `gameye_match`. */
export type Rematch = { status: 'starting' } | { status: 'waiting'; wanted_by: string[]; missing: string[] };

/**
 * A player wants a rematch. Once everybody who sits in the session does, a new one is started for them, in which nobody else is
 * seated, and the old one is stopped. Code 9 for who sits in no match, or alone.
 */
export function wantRematch(call: Call, userId: string): Rematch {
  spend(call, userId, 'rematch', REMATCHES_PER_MINUTE);
  for (let i = 0; i < MOST_TRIES; i++) {
    const again = wantAgain(call.nk, call.config.fleet, userId);
    // Asked afterwards: another one of them may start it at this moment.
    if (!again && isWaiting(readStanding(call.nk, call.config.fleet, userId))) return { status: 'starting' };
    if (!again)
      return rpcError(
        Code.FAILED_PRECONDITION,
        'You are in no match with others that runs. The host of a room uses gameye_room_rematch.',
      );
    const { instance, wanted_by } = again;
    const missing = Object.keys(instance.seats).filter((id) => !wanted_by.includes(id));
    if (missing.length > 0) return { status: 'waiting', wanted_by, missing };
    const request = { ...requestLike(call, instance), user_ids: wanted_by, backfill: false };
    const allocation = newAllocation(call, request, false);
    refuseAtDoor(call, allocation);
    switch (startAllocation(call, allocation, { alone: { most: call.config.soloPerMinute, unless: 'waiting' } })) {
      case 'started':
        return { status: 'starting' };
      case 'too-often':
        return refuseTooOften(call);
      case 'busy':
      case 'exists':
      // Another one of them was faster: that is seen at the next look.
    }
  }
  return rpcError(Code.ABORTED, 'One of you has begun something else at this moment. Ask again.');
}

/**
 * What starts a session like a running one: in its mode, its region first, and with its version while that is served, because the
 * players' clients may know no other.
 */
export function requestLike(call: Call, { mode, region, image, version, max_players }: Instance): AllocationRequest {
  const ofMode = mode === undefined ? {} : { mode };
  const { config } = inMode(call, ofMode);
  const near = { user_ids: ['all'], latencies: [{ user_id: 'all', region, ms: 0 }] };
  const regions = acceptableRegions(config, near);
  const isSame = image === config.image && isServed(ordersInForce(call.nk, config), config, version);
  return {
    ...{ user_ids: [], max_players, latencies: [], regions, metadata: {}, ...ofMode },
    ...(isSame ? { version } : {}),
  };
}
