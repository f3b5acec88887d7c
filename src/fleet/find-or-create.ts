import { imageOf } from '../allocation/launch';
import { openRegions } from '../allocation/decide';
import { ordersInForce } from '../allocation/orders';
import { acceptableRegions, nearRegions } from '../allocation/regions';
import { FIRST_VALUE, findSeats, type Wanted } from '../database/finding';
import { lapseSeats } from '../database/instances';
import { invalid } from '../fields';
import { leastLeftMs, seatMs } from '../instances/instance';
import { translateQuery } from '../instances/query';
import { inMode, type Call } from '../nakama/caller';
import type { AllocationRequest } from '../records';
import { create, createdBefore, type Named } from './create';
import { welcomed, type Joined } from './join';
import { goOn, settled, type Seated } from './seats';

/** `created`: a new session is started for them, of which they hear when it runs; else where they have seats now. */
export type Found = ({ session_id: string; created: false } & Joined) | { session_id: string; created: true };

/** Others are faster so often at most; from the second time on it waits for them. */
const MOST_TRIES = 10;

/**
 * Seats a group, all of it, in the best running session that a query of the list's language finds: regions in the group's
 * order, then the fullest. Without one it starts a session for them. A group that sits in such a session already stays there.
 */
export function findOrCreate(call: Call, request: AllocationRequest, query: string, named?: Named): Found {
  const before = named && createdBefore(call, named);
  if (before) return { ...before, created: true };
  const found = find(call, request, query);
  if (!found) return { ...create(call, request, named), created: true };
  const options = request.notify === undefined ? {} : { notify: request.notify };
  return { session_id: found.instance.id, created: false, ...welcomed(call, found, options) };
}

/** Their seats; undefined: there are none. */
function find(call: Call, request: AllocationRequest, query: string): Seated | undefined {
  const wanted = wantedBy(call, request, query);
  let hasLapsed = false;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const found = findSeats(call.nk, wanted, tries > 0);
    if (found.kind === 'overtaken') continue;
    if (found.kind === 'found') {
      const seated = seatedBy(call, found, request.user_ids);
      if (seated) return seated;
      continue;
    }
    // Reservations that ran out this very second still count: they are freed before a session is started for their lack.
    if (hasLapsed || lapseSeats(call.nk, call.config.fleet) === 0) return undefined;
    hasLapsed = true;
  }
  return undefined;
}

/** Undefined: the session is gone, or others took some of these players elsewhere at the same moment. */
function seatedBy(
  call: Call,
  { session_id, taken }: Extract<ReturnType<typeof findSeats>, { kind: 'found' }>,
  userIds: string[],
): Seated | undefined {
  const all = taken.kind === 'raced' ? goOn(call, session_id, userIds, {}, taken) : taken;
  return all.kind === 'taken' ? settled(call, session_id, all) : undefined;
}

function wantedBy(call: Call, request: AllocationRequest, query: string): Wanted {
  const { config } = inMode(call, request);
  const regions = acceptableRegions(config, request);
  const where = translateQuery(query, FIRST_VALUE);
  if ('problem' in where) return invalid('query', where.problem);
  return {
    fleet: config.fleet,
    user_ids: request.user_ids,
    regions: openRegions(ordersInForce(call.nk, config), nearRegions(config, { regions, request })),
    image: imageOf(config, request).image,
    version: request.version ?? null,
    mode: request.mode ?? null,
    least_left_ms: leastLeftMs(config),
    seat_ms: seatMs(config),
    where,
  };
}
