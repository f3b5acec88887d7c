import { withSeats, type Instance } from '../instances/instance';
import { fitting, seatDeadline, take } from '../instances/seats';
import { alteration } from '../instances/store';
import type { Config } from '../config';
import type { Call } from '../nakama/caller';
import { replaceRows, type Row, type Write } from '../nakama/storage';
import { assign, startingAssignments } from '../players/assignment';
import type { Allocation } from './allocation';
import { isWorkedOnBy } from './ownership';
import { ALLOCATIONS } from './store';

/*
 * A session that is just being started takes in other groups of its pool: they become part of its allocation, in the one
 * transaction that ends their own. So whoever answers for the session answers for all of them, once.
 */

/**
 * True when a group may become part of an allocation: that waits for its session still, there is room for all, and its
 * worker is on this node, because Nakama's nodes send notifications only to the players that are connected to them.
 */
export function takesGuests(host: Allocation, guest: Allocation, node: string, now: number): boolean {
  const { request, backfill } = host;
  return (
    host.id !== guest.id &&
    isWorkedOnBy(host, node) &&
    isWaiting(host) &&
    backfill !== undefined &&
    backfill.pool === guest.backfill?.pool &&
    // Whose callback tells the players is the same for all.
    request.callback === guest.request.callback &&
    // With half of its time gone something is wrong with it, or with all: then others try on their own.
    now < (host.created_at_ms + host.deadline_ms) / 2 &&
    host.lease.until_ms > now &&
    together(host, guest).length <= request.max_players
  );
}

/**
 * Its players are not being told yet. With GAMEYE_READY=server that is long after it started: until its game server has said
 * that it is ready. Every later step of its worker names the version of the record, so none overlooks a guest.
 */
function isWaiting(a: Allocation): boolean {
  if (a.told || a.next === 'join') return false;
  return a.state === 'starting' || (a.state === 'started' && a.wait_for_server === true && a.server_ready !== true);
}

/** Its players were told, or are at this moment: as soon as its instance is stored, others can join that. */
export function isAnnouncing(a: Allocation, now: number): boolean {
  return a.state === 'started' && a.backfill !== undefined && (a.told || (!isWaiting(a) && a.lease.until_ms > now));
}

/** How many seats are left before it runs. */
export function seatsLeft(host: Allocation): number {
  return host.request.max_players - host.request.user_ids.length;
}

/**
 * Makes a stored group part of an allocation, and ends its own. When the instance was stored already, because its game server
 * had something to report, seats are taken there as well. `conflict`: one of the records changed, nothing was written.
 */
export function becomeGuest(
  call: Call,
  host: { allocation: Row<Allocation>; instance?: Row<Instance> },
  guest: Row<Allocation>,
  now: number,
): 'merged' | 'conflict' {
  const { nk, config, logger } = call;
  const next = withGuest(host.allocation.value, guest.value);
  const writes: Write[] = [{ collection: ALLOCATIONS, key: next.id, value: next, version: host.allocation.version }];
  if (host.instance) {
    const seated = seatedIn(config, host.instance.value, guest.value.request.user_ids, now);
    // Somebody else has joined it meanwhile.
    if (!seated) return 'conflict';
    writes.push(alteration(host.instance, seated));
  }
  const own = { collection: ALLOCATIONS, key: guest.value.id, version: guest.version };
  const assigned: Allocation = { ...next, request: guest.value.request };
  try {
    const together = [...writes, ...startingAssignments(nk, assigned).writes];
    return replaceRows(nk, together, own) === 'conflict' ? 'conflict' : 'merged';
  } catch {
    // A deleted account refuses the batch; a database that fails throws again.
    if (replaceRows(nk, writes, own) === 'conflict') return 'conflict';
    assign(nk, logger, assigned);
    return 'merged';
  }
}

/** The instance with seats for all of these players; undefined when there are not as many. Who has one keeps it. */
export function seatedIn(config: Config, instance: Instance, userIds: string[], now: number): Instance | undefined {
  const before = withSeats(instance, now, (seats) => seats);
  if (fitting(before.seats, userIds, before.open_seats).length < userIds.length) return undefined;
  return withSeats(before, now, (seats) => take(seats, userIds, seatDeadline(config, now)));
}

function withGuest(host: Allocation, guest: Allocation): Allocation {
  if (!host.backfill) return host;
  const guests = [...host.backfill.guests, { id: guest.id, user_ids: guest.request.user_ids }];
  return {
    ...host,
    request: { ...host.request, user_ids: together(host, guest) },
    superseded: [...(host.superseded ?? []), ...(guest.superseded ?? [])],
    backfill: { ...host.backfill, guests },
  };
}

function together(host: Allocation, guest: Allocation): string[] {
  const { user_ids: before } = host.request;
  return [...before, ...guest.request.user_ids.filter((userId) => !before.includes(userId))];
}
