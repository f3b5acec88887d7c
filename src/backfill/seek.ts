import { SECOND } from '../config';
import type { Instance } from '../instances/instance';
import { fullest, hasRoomFor, withPlayersTold, type Seeker } from '../instances/pool';
import { alteration, readInstance, readInstances, updateInstance } from '../instances/store';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import type { Row, Write } from '../nakama/storage';
import { nextTurn } from '../nakama/turn';
import { assign, startingAssignments } from '../players/assignment';
import type { Allocation } from '../allocation/allocation';
import { reread, store, type Hold } from '../allocation/ownership';
import { becomeGuest, isAnnouncing, seatedIn, seatsLeft, takesGuests } from '../allocation/host';
import { instanceOf } from '../allocation/launch';
import { locateInstance } from '../allocation/locate';
import { findInIndex, openingsOf, readOpenings, withOpening, type Newest, type Openings } from '../allocation/openings';
import { decided } from './pool';

/*
 * Seats for a group before a session of its own. The group goes, whole, to the fullest running session that has room; else to
 * one that is just being started; else it starts one, and says so where the others look. Each of the three is a single
 * transaction that names the versions of all it changes: the seats and the allocation that holds them are never apart, and
 * of many at once one goes first. The others look again, one after the other.
 */

/** A group that others overtake goes on for this part of its time to get a server; then it starts a session. */
const PATIENCE = 1 / 4;
/** The longest wait for a turn; the lease lasts longer. */
const LONGEST_WAIT_MS = 5 * SECOND;
/** After so many sessions that turned out to be gone. */
const MOST_PASSED = 4;
/** Telling players takes milliseconds; a worker looks whether its game server is ready four times a second. */
const SOON_MS = 50;

type Place =
  | { kind: 'running'; instance: Row<Instance> }
  | { kind: 'starting'; allocation: Row<Allocation>; instance?: Row<Instance> }
  /** A session with room runs, and its own players are just being told. */
  | { kind: 'soon' }
  | { kind: 'none'; openings: Openings };

/**
 * One try. Who was overtaken is stored and waits for its turn: it has `next: 'join'` still. Undefined: the group's answer is
 * another allocation's now, or another worker's.
 */
export function join(call: Call, hold: Hold): Hold | undefined {
  const { nk, config } = call;
  const startedAt = Date.now();
  const a: Allocation = { ...decided(nk, config, hold.allocation), state: 'starting' };
  const seeker = seekerOf(a);
  // Another configuration after a restart: nobody looks for seats any more.
  if (!seeker || !a.backfill || a.backfill.passed.length >= MOST_PASSED) return startOne({ ...hold, allocation: a });
  const found = a.backfill.found ? storedNow(call, a.backfill.found) : findInIndex(call, seeker);
  const until_ms = a.created_at_ms + PATIENCE * (a.deadline_ms - a.created_at_ms);
  const backfill = { ...a.backfill, found: found.map(({ value }) => value.id) };
  const current: Hold = { ...hold, allocation: { ...a, backfill } };
  const place = look(call, current.allocation, seeker, found);
  const taken = takePlace(call, current, place);
  if (taken !== 'conflict') return taken === 'merged' ? undefined : taken;
  const kept = keep(call, current);
  if (!kept || kept.allocation.next !== 'join' || kept.allocation.state !== 'starting') return kept;
  // Becoming another allocation's guest needs a stored one: nothing was lost to anybody.
  if (place.kind === 'starting' && hold.version === '*') return kept;
  const now = Date.now();
  if (now >= until_ms) {
    count(nk, 'gameye_backfills', { outcome: 'gave_up' });
    return startOne(kept);
  }
  if (place.kind !== 'soon') count(nk, 'gameye_conflicts', { record: 'backfill' });
  const { key } = openingsOf(nk, seeker);
  const turn = place.kind === 'soon' ? now + SOON_MS : nextTurn(nk, key, now - startedAt, now);
  const next_at_ms = Math.min(turn, until_ms, now + LONGEST_WAIT_MS);
  return { ...kept, allocation: { ...kept.allocation, next_at_ms } };
}

function seekerOf({ backfill, regions, request }: Allocation): Seeker | undefined {
  return backfill && { pool: backfill.pool, regions, user_ids: request.user_ids };
}

function startOne(hold: Hold): Hold {
  return { ...hold, allocation: { ...hold.allocation, next: 'run' } };
}

function storedNow(call: Call, ids: string[]): Row<Instance>[] {
  return ids.length === 0 ? [] : Object.values(readInstances(call.nk, ids));
}

/** The best place that there is now. */
function look(call: Call, a: Allocation, seeker: Seeker, found: Row<Instance>[]): Place {
  const { nk, config } = call;
  const now = Date.now();
  const passed = a.backfill?.passed ?? [];
  const fits = ({ value }: Row<Instance>): boolean =>
    !passed.includes(value.id) && hasRoomFor(value, seeker, config.ttlMs, now);
  const known = fullest(found.filter(fits), seeker.user_ids);
  if (known) return { kind: 'running', instance: known };
  const openings = readOpenings(nk, seeker);
  const stored = openings.newest.flatMap(({ instance }) => (instance && fits(instance) ? [instance] : []));
  const running = fullest(stored, seeker.user_ids);
  if (running) return { kind: 'running', instance: running };
  const starting = openings.newest.flatMap(({ allocation, instance }) => {
    if (!allocation || !takesGuests(allocation.value, a, call.ctx.node, now)) return [];
    if (!instance) return [{ allocation }];
    return seatedIn(config, instance.value, seeker.user_ids, now) ? [{ allocation, instance }] : [];
  });
  starting.sort((one, other) => seatsLeft(one.allocation.value) - seatsLeft(other.allocation.value));
  const [first] = starting;
  if (first) return { kind: 'starting', ...first };
  return justStarted(call, openings, fits) ?? { kind: 'none', openings };
}

/** A session of which the players were told, and that is not stored yet: it is stored now, so that seats can be taken. */
function justStarted(call: Call, openings: Openings, fits: (row: Row<Instance>) => boolean): Place | undefined {
  const now = Date.now();
  for (const { allocation, instance } of openings.newest) {
    const host = allocation?.value;
    const value = host && isAnnouncing(host, now) ? (instance?.value ?? instanceOf(call.config, host, now)) : undefined;
    if (!host || !value || !fits({ value: withPlayersTold(value), version: '' })) continue;
    if (!host.told) return { kind: 'soon' };
    if (instance) updateInstance(call.nk, value.id, withPlayersTold);
    else locateInstance(call, host.id);
    const row = readInstance(call.nk, value.id);
    if (row && fits(row)) return { kind: 'running', instance: row };
  }
  return undefined;
}

function takePlace(call: Call, hold: Hold, place: Place): Hold | 'merged' | 'conflict' | undefined {
  const { nk, config } = call;
  const { allocation: a } = hold;
  const now = Date.now();
  switch (place.kind) {
    case 'running': {
      const seated = seatedIn(config, place.instance.value, a.request.user_ids, now);
      if (!seated || !a.backfill) return 'conflict';
      const joined: Allocation = { ...a, state: 'joined', backfill: { ...a.backfill, joins: seated } };
      return storeAll(call, hold, joined, [alteration(place.instance, seated)]);
    }
    case 'starting': {
      // Only a stored group can end in the same transaction, which is what tells it after a lost answer that it did.
      if (hold.version === '*') return 'conflict';
      const own = { value: a, version: hold.version };
      const merged = becomeGuest(call, place, own, now);
      if (merged === 'merged') logMerged(call, a, place.allocation.value);
      return merged;
    }
    case 'soon':
      return 'conflict';
    case 'none': {
      const hosted: Allocation = { ...a, next: 'run' };
      if (seatsLeft(a) <= 0) return { ...hold, allocation: hosted };
      const isFull = (one: Newest): boolean => (one.instance?.value.open_seats ?? 1) === 0;
      const taken = storeAll(call, hold, hosted, [withOpening(config, place.openings, a.id, isFull, now)]);
      if (taken !== 'conflict') count(nk, 'gameye_backfills', { outcome: 'started' });
      return taken;
    }
  }
}

/** Stores the allocation with other records; with the first store the players' assignments, as for any new allocation. */
function storeAll(call: Call, hold: Hold, next: Allocation, others: Write[]): Hold | 'conflict' {
  if (next.superseded !== undefined) return store(call, hold, next, others) ?? 'conflict';
  const { writes, superseded } = startingAssignments(call.nk, next);
  try {
    return store(call, hold, { ...next, superseded }, [...others, ...writes]) ?? 'conflict';
  } catch {
    // A deleted account refuses the batch; a database that fails throws again.
    const stored = store(call, hold, { ...next, superseded }, others);
    if (stored) assign(call.nk, call.logger, stored.allocation);
    return stored ?? 'conflict';
  }
}

/**
 * After a lost race: the allocation as it is now. Stored, when it was not, before it waits for its turn, and with a lease that
 * lasts until then: one that was only queued has none, and a supervisor would look for a worker.
 */
function keep(call: Call, hold: Hold): Hold | undefined {
  if (hold.version === '*' || hold.allocation.lease.until_ms < Date.now() + 2 * LONGEST_WAIT_MS) {
    const stored = storeAll(call, hold, { ...hold.allocation }, []);
    if (stored !== 'conflict') return stored;
  }
  return reread(call, hold);
}

function logMerged(call: Call, a: Allocation, host: Allocation): void {
  count(call.nk, 'gameye_backfills', { outcome: 'merged' });
  withFields(call.logger, { allocation: a.id, host: host.id, players: a.request.user_ids.length }).info(
    'Gameye: players were added to a session that is just being started.',
  );
}
