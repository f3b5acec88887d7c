import type { Guest } from '../records';
import { json, ms, type Value } from './sql';

/*
 * The row of an allocation: what is read of it, and what every change writes. `version` fences them: whoever changes a row
 * raises it, and a change that names an older one updates no row.
 */

/** A row as it is read. `doc` is what allocation/allocation.ts keeps of it as JSON. */
export interface AllocationRow {
  id: string;
  state: string;
  session_id: string;
  version: number;
  created_at_ms: number;
  deadline_ms: number;
  lease_until_ms: number;
  /** Somebody asked to end it; its worker does. */
  cancelled: boolean;
  /** Its game server said that it is ready. */
  server_ready: boolean;
  guests: Guest[];
  doc: object;
}

/** What every change of a row writes. */
export interface AllocationChange {
  id: string;
  state: string;
  session_id: string;
  attempts: number;
  /** Places that groups of the same pool may still take while its session is being started; 0: it takes none. */
  free_seats: number;
  doc: object;
}

/** Who works on it, and for how long nobody else does (milliseconds). */
export interface Lease {
  holder: string;
  ms: number;
}

/** How many sessions of the fleet and of one mode may run or start at once; null: any number. */
export interface MostSessions {
  of_fleet: number | null;
  of_mode: number | null;
}

export const NO_LIMIT: MostSessions = { of_fleet: null, of_mode: null };

export const ROW = `json_build_object('id', a.id, 'state', a.state, 'session_id', a.session_id, 'version', a.version,
  'created_at_ms', ${ms('a.create_time')}, 'deadline_ms', ${ms('a.deadline')}, 'lease_until_ms', ${ms('a.lease_until')},
  'cancelled', a.cancelled, 'server_ready', a.server_ready, 'guests', a.guests, 'doc', a.doc)`;

export const LEASE = (milliseconds: string): string => `now() + ${milliseconds}::float8 * interval '1 millisecond'`;

/** What every change of a row sets; its arguments are `changeValues`. */
export const CHANGED = `state = $3::text, session_id = $4::text, attempts = $5::int4, free_seats = $6::int4, doc = $7::text::jsonb,
  version = a.version + 1, holder = $8::text, lease_until = ${LEASE('$9')}`;

export const changeValues = (a: AllocationChange, version: number, lease: Lease): Value[] => [
  a.id,
  version,
  a.state,
  a.session_id,
  a.attempts,
  a.free_seats,
  json(a.doc),
  lease.holder,
  lease.ms,
];
