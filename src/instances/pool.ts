import { MINUTE } from '../config';
import { takesPlayers, withSeats, type Instance } from './instance';
import { fitting } from './seats';

/*
 * An instance's `pool` says which requests may be seated in it: those of the same pool (allocation/pool.ts). In front of it
 * stands why nobody may at the moment, in the same field because every indexed field makes each write dearer:
 *
 * `p4f…`         open to backfill
 * `closed-p4f…`  the game server closed its door
 * `early-p4f…`   stored before its own players were told: it may still come to nothing
 *
 * Without a pool nobody is ever seated by backfill.
 */
const CLOSED = 'closed-';
const EARLY = 'early-';

/** Nobody is sent to a session that ends so soon. */
const LAST_MS = 5 * MINUTE;

/** Who looks for seats. */
export interface Seeker {
  pool: string;
  /** Those that are acceptable to all of them. */
  regions: string[];
  user_ids: string[];
}

/** The pool of an instance whose own players have not been told yet. */
export function earlyPool(pool: string): string {
  return EARLY + pool;
}

/** The players of an instance were told: from now on others may join them, unless its game server does not want that. */
export function withPlayersTold(instance: Instance): Instance {
  return instance.pool?.startsWith(EARLY) ? { ...instance, pool: instance.pool.slice(EARLY.length) } : instance;
}

/** With the door closed to backfill, or opened again. The object itself when that changes nothing. */
export function withDoor(instance: Instance, open: boolean): Instance {
  const { pool } = instance;
  if (pool === undefined || isClosed(instance) !== open) return instance;
  return { ...instance, pool: open ? pool.slice(CLOSED.length) : CLOSED + pool.replace(EARLY, '') };
}

/** Undefined when the door leads nowhere: the session takes no part in backfill. */
export function isDoorOpen(instance: Instance): boolean | undefined {
  return instance.pool === undefined ? undefined : !isClosed(instance);
}

function isClosed({ pool }: Instance): boolean {
  return pool?.startsWith(CLOSED) === true;
}

/** True when all of a group may take seats in an instance, and there are as many. Who has a seat already needs no other. */
export function hasRoomFor(instance: Instance, seeker: Seeker, ttlMs: number, now: number): boolean {
  if (instance.pool !== seeker.pool || !takesPlayers(instance) || instance.status !== 'running') return false;
  if (!seeker.regions.includes(instance.region)) return false;
  const { expires_at_ms: end = Infinity } = instance;
  if (end - now < Math.min(LAST_MS, ttlMs / 4)) return false;
  const { seats, open_seats } = withSeats(instance, now, (same) => same);
  return fitting(seats, seeker.user_ids, open_seats).length === seeker.user_ids.length;
}

/** The instance in which a group is best seated: where all of them are already, else the fullest. */
export function fullest<T extends { value: Instance }>(rows: T[], userIds: string[]): T | undefined {
  const rank = ({ value }: T): number =>
    userIds.every((userId) => value.seats[userId] !== undefined) ? -1 : value.open_seats;
  return rows.slice().sort((a, b) => rank(a) - rank(b))[0];
}
