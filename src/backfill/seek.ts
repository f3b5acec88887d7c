import { freeSeats, type Allocation, type Waiting } from '../allocation/allocation';
import { allocationLogger } from '../allocation/logging';
import { countEnd } from '../allocation/measure';
import { leaseForCallback, reread } from '../allocation/ownership';
import { decided } from '../allocation/decide';
import { storeFirst } from '../allocation/starting';
import { nearRegions } from '../allocation/regions';
import { SECOND, type Config } from '../config';
import { databaseNow } from '../database/clock';
import { lapseSeats } from '../database/instances';
import { mergeIntoStart, seekSeats, type Seeker } from '../database/seeking';
import { leastLeftMs, seatMs } from '../instances/instance';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import { processId } from '../nakama/process-id';

/*
 * Seats for a group before a session of its own. The group goes, whole, to a running session that has room: regions in the
 * group's order, then the fullest. Else it becomes part of an allocation of its pool that is just being started. Else it
 * starts one. Without backfill it goes to an empty session of the warm buffer, which it has alone, or starts one.
 */

/** A group that others overtake goes on for this part of its time to get a server; then it starts a session. */
const PATIENCE = 1 / 4;
/** How soon a group looks again that others overtook, or that waits for another one of its pool to decide. */
const AGAIN_MS = 20;
/** How long it waits for another one to decide, which takes a moment unless its node has just died. */
const SOON_MS = 3 * SECOND;
/** After so many sessions that turned out to be gone. */
const MOST_PASSED = 4;

/** One look. Undefined: the group's answer is another allocation's now, or another worker's. */
export function seek(call: Call, before: Waiting): Allocation | undefined {
  const { nk, config } = call;
  const settled = decided(nk, config, before);
  if ('reason' in settled) return settled;
  const a: Waiting = { ...settled, state: 'starting' };
  const stored = a.version === 0 ? storeFirst(call, a) : a;
  if (stored?.state !== 'starting') return stored;
  const [room, key] = stored.pool === undefined ? (['warm', stored.warm] as const) : (['pool', stored.pool] as const);
  // Another configuration after a restart: nobody looks for seats any more.
  if (key === undefined || stored.passed.length >= MOST_PASSED) return { ...stored, next: 'run' };
  const sought = look(call, stored, room, key);
  switch (sought.kind) {
    case 'seated':
    case 'changed': {
      if (sought.kind === 'seated' && sought.warm) count(nk, 'gameye_warm_sessions', { change: 'taken' });
      // What they had before is only in this worker's memory yet.
      const fresh = reread(call, stored);
      return fresh && { ...fresh, before: stored.before };
    }
    case 'overtaken':
      return again(call, stored, PATIENCE * (stored.deadline_ms - stored.created_at_ms));
    case 'none':
      return room === 'pool' ? join(call, stored) : start(call, stored);
  }
}

/** The regions that are near, and in which the group's version is the one of its pool. */
function placesFor(a: Waiting, config: Config): string[] {
  const { version, versions } = a.request;
  return nearRegions(config, a).filter((region) => !versions || versions[region] === version);
}

function look(call: Call, a: Waiting, room: Seeker['room'], key: string): ReturnType<typeof seekSeats> {
  const { nk, config } = call;
  const seeker = {
    id: a.id,
    version: a.version,
    fleet: config.fleet,
    room,
    key,
    regions: placesFor(a, config),
    passed: a.passed,
    least_left_ms: leastLeftMs(config),
    seat_ms: seatMs(config),
    lease: leaseForCallback(call, a),
  };
  const sought = seekSeats(nk, seeker);
  // Reservations that ran out this very second still count: they are freed before a session is started for their lack.
  return sought.kind === 'none' && lapseSeats(nk, config.fleet) > 0 ? seekSeats(nk, seeker) : sought;
}

/** Becomes part of an allocation that is just being started; when there is none, or soon none, the group starts its own. */
function join(call: Call, a: Waiting): Allocation | undefined {
  const merged = mergeIntoStart(call.nk, a.id, a.version, processId(call.nk));
  switch (merged.kind) {
    case 'merged':
      count(call.nk, 'gameye_backfills', { outcome: 'merged' });
      withFields(allocationLogger(call, a), { host: merged.host, players: a.request.user_ids.length }).info(
        'Gameye: players wait for a session that is being started for others.',
      );
      countEnd(call, a, 'joined');
      return undefined;
    case 'soon':
      return again(call, a, SOON_MS);
    case 'changed': {
      const fresh = reread(call, a);
      // Others have become part of it meanwhile: it cannot leave them, and starts a session for all.
      return fresh?.state === 'starting' && fresh.guests.length > 0 ? start(call, fresh) : fresh;
    }
    case 'none':
      return start(call, a);
  }
}

function again(call: Call, a: Waiting, patienceMs: number): Allocation {
  const now = databaseNow();
  if (now < a.created_at_ms + patienceMs) return { ...a, next_at_ms: now + AGAIN_MS };
  count(call.nk, 'gameye_backfills', { outcome: 'gave_up' });
  return { ...a, next: 'run', next_at_ms: 0 };
}

function start(call: Call, a: Waiting): Allocation {
  if (freeSeats(a) > 0) count(call.nk, 'gameye_backfills', { outcome: 'started' });
  return { ...a, next: 'run', next_at_ms: 0 };
}
