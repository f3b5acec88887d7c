import { type Allocation } from '../allocation/allocation';
import { isBeingTold, withoutPlayer } from '../allocation/transitions';
import { SECOND } from '../config';
import { instanceOf } from '../allocation/launch';
import { locateInstance } from '../allocation/locate';
import { readAllocation, saveAllocation } from '../allocation/store';
import { isLive } from '../gameye/wire';
import type { FailureReason } from '../gameye/failure';
import { withSeats, type Instance } from '../instances/instance';
import { seatDeadline, take } from '../instances/seats';
import { updateInstance } from '../instances/store';
import type { Call } from '../nakama/caller';
import { clearAssignment, readAssignment } from './assignment';
import { connectionFor, type Connection } from '../told/connection';

/** An allocation is stored this long after its assignment at most, unless its node died in between. */
const STORED_WITHIN_MS = 5 * SECOND;

/** Where a player stands, as `gameye_assignment` answers it. */
export type Standing =
  | { state: 'none' }
  | { state: 'starting'; session_id: string }
  | { state: 'failed'; reason: FailureReason }
  | ({ state: 'ready' } & Connection);

/**
 * Where a player stands now, from the records and not from what the player was told: after a reconnect, on another device,
 * or when a notification was missed. A seat whose reservation ran out is taken again while there is room.
 */
export function standing(call: Call, userId: string): Standing {
  const found = readAssignment(call.nk, userId)?.value;
  if (!found || found.state === 'none') return { state: 'none' };
  if (found.state === 'failed') return { state: 'failed', reason: found.reason ?? 'error' };
  const allocation = found.state === 'starting' ? readAllocation(call.nk, found.allocation_id)?.value : undefined;
  if (allocation) return allocationStanding(call, allocation, userId);
  // Its row comes a moment later, was deleted because it has led to an instance, or was never stored in a crash.
  const instance = locateInstance(call, found.session_id);
  if (!instance && found.state === 'starting' && found.updated_at_ms > Date.now() - STORED_WITHIN_MS) {
    return { state: 'starting', session_id: found.session_id };
  }
  if (!instance || !isLive(instance.status)) return { state: 'none' };
  const seated = keepSeat(call, instance, userId);
  return seated ? { state: 'ready', ...connectionFor(call, seated, userId, Date.now()) } : { state: 'none' };
}

/** What a player who waits can be told. Nobody is sent to a session whose game server is not ready. */
function allocationStanding(call: Call, a: Allocation, userId: string): Standing {
  if (!a.request.user_ids.includes(userId)) return { state: 'none' };
  if (a.state === 'failed' || a.state === 'cancelled') return { state: 'failed', reason: a.reason ?? 'error' };
  const isOpen = a.state === 'announced' || (a.state === 'started' && (a.told || a.wait_for_server !== true));
  const instance = isOpen ? instanceOf(call.config, a, Date.now()) : undefined;
  if (!instance) return { state: 'starting', session_id: a.session_id };
  return { state: 'ready', ...connectionFor(call, instance, userId, Date.now()) };
}

/** The instance with this player seated; undefined when the seat was lost and there is no room. */
function keepSeat(call: Call, instance: Instance, userId: string): Instance | undefined {
  const { config, nk } = call;
  const now = Date.now();
  const seat = instance.seats[userId];
  // A fresh reservation is not prolonged: every write of an instance costs Nakama an index update.
  if (seat?.state === 'joined' || (seat && seat.until_ms > now + config.seatTimeoutMs / 2)) return instance;
  const kept = updateInstance<Instance | 'no-room'>(nk, instance.id, (current) => {
    const before = withSeats(current, now, (seats) => seats);
    if (!before.seats[userId] && (before.open_seats === 0 || before.status === 'draining')) return 'no-room';
    return withSeats(before, now, (seats) => take(seats, [userId], seatDeadline(config, now)));
  });
  return kept === 'no-room' ? undefined : kept;
}

/**
 * Takes a player out of a session that is still being started: it is handed to the others, or stopped when nobody is left.
 * `started` when it is too late for that; then the player leaves it like any other.
 */
export function cancelStart(call: Call, userId: string): 'cancelled' | 'nothing' | 'started' {
  const { nk } = call;
  for (let i = 0; i < 20; i++) {
    const assignment = readAssignment(nk, userId);
    if (!assignment || assignment.value.state === 'none' || assignment.value.state === 'failed') return 'nothing';
    if (assignment.value.state === 'ready') return 'started';
    const row = readAllocation(nk, assignment.value.allocation_id);
    if (!row) return locateInstance(call, assignment.value.session_id) ? 'started' : 'nothing';
    // Else a call before this one took the player out and died over the assignment: only the others are told.
    if (row.value.request.user_ids.includes(userId)) {
      if (isBeingTold(row.value)) return 'started';
      if (row.value.told) return ['joined', 'started', 'announced'].includes(row.value.state) ? 'started' : 'nothing';
      if (saveAllocation(nk, withoutPlayer(row.value, userId, Date.now()), row.version) === 'conflict') continue;
    }
    clearAssignment(nk, userId, assignment.value.session_id, Date.now());
    return 'cancelled';
  }
  return 'started'; // It changes with every look: its worker is just announcing it.
}
