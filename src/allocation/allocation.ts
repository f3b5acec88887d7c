import { SECOND } from '../config';
import type { AllocationRow } from '../database/allocation-row';
import type { Failure } from '../gameye/failure';
import type { AllocationRequest, FailureReason, Guest, LeftSeat, Ports } from '../records';

/*
 * An allocation is one request for one game server, from the moment it is stored until everybody concerned was told.
 *
 *   queued ──► starting ──► started ──► (announced) ──► the row is deleted
 *                 │ ▲└────► failed ───► told, sessions stopped: the row is deleted
 *                 │ │└────► cancelled ► likewise
 *                 ▼ │
 *               seated ───► told: the row is deleted
 *
 * queued     Stored by somebody else than its worker; nothing was sent. A crash: the next worker begins.
 * starting   A POST with `session_id` may have been sent. `in_doubt` says that one may have been carried out without our
 *            knowing. A crash: the next worker sends the same id again; if it runs, the API answers 409 and we adopt it.
 * seated     Its players have seats in a session that ran already (backfill), taken in the statement that led here; nothing
 *            was started. Gameye hears of them, then they do. A crash: they are told again. Goes back to `starting` when that
 *            session is gone.
 * started    The session runs, its instance and its players' seats are stored. They are told, and Gameye hears of them. With
 *            `waits` its game server has to say first that it is ready. A crash: whoever takes over tells the players again.
 * announced  The players were told. Only kept while `abandoned` ids have to be stopped. A crash: nothing is lost.
 * failed     Given up for `reason`. A crash: the players are told again, whatever may run is stopped.
 * cancelled  Somebody deleted the session, or all of its players went away, before they were told. As failed.
 *
 * `session_id` is chosen before anything is sent and is the idempotency key. It is replaced only when the old one cannot
 * run (it ended, somebody else has it) or after a DELETE; ids that might still come to life stay in `abandoned` until a
 * DELETE found them running, or found nothing SETTLE_MS after they were given up. An API that does not keep to our ids is
 * never asked twice: the session that it named instead goes to `abandoned` as well.
 */
export type Allocation = Waiting | Seated | Started | Announced | Ended;

/** What every allocation has, whatever its state. */
export interface Common {
  /** The first session id; the record's key. */
  id: string;
  session_id: string;
  /** Of the row; 0 until it is stored. */
  version: number;
  request: AllocationRequest;
  /** In the order in which they are tried. */
  regions: string[];
  region_index: number;
  /** Those of them that do not know the image or the version: not tried again. */
  without_image: string[];
  created_at_ms: number;
  deadline_ms: number;
  /** Nothing to do before this. */
  next_at_ms: number;
  /** POSTs sent so far. */
  attempts: number;
  /** Failures in a row that say nothing about capacity, in this region. */
  failures: number;
  last_failure?: Failure;
  abandoned: Abandoned[];
  /** With GAMEYE_BACKFILL: which sessions suit its players, and whom its own session suits. */
  pool?: string;
  /** By which orders of operators its regions and version were decided; missing: by none yet. */
  orders?: number;
  /** Which empty sessions of the warm buffer suit its players, who then have it alone; of such a session: which it is. */
  warm?: string;
  /** Running sessions that turned out to be gone. */
  passed: string[];
  /** Groups that became part of it while its session was being started. */
  guests: Guest[];
  /** Seats that its players had elsewhere. They are free; Gameye hears of it once the players were told. */
  before: LeftSeat[];
  /** The row stays so long after its end, for whoever asks what became of it. */
  keep_ms?: number;
  /** What stands for the payload that asked for it under a name of the caller's (once.ts). */
  asked?: string;
  /** Somebody asked to end it. */
  cancelled: boolean;
  /** Its game server said that it is ready. */
  server_ready: boolean;
}

export interface Waiting extends Common {
  state: 'queued' | 'starting';
  /** What has to be asked next. */
  next: 'seek' | 'run' | 'look-up' | 'give-up-id';
  in_doubt: boolean;
  /** While a POST is on its way: when its sender ceases to wait for the answer. */
  answer_by_ms?: number;
  /** A POST of this id got no answer in time and may still arrive: until then no other id is sent. */
  held_until_ms?: number;
  /** The API said that the id is taken: its session ran, runs, or is about to. */
  taken?: boolean;
  /** When GAMEYE_MAX_SESSIONS refused it first. It waits until the sessions that count were looked at after that. */
  full_since_ms?: number;
}

export interface Seated extends Common {
  state: 'seated';
  /** The running session in which its players have seats. */
  place: string;
  /** Who was told; only in the memory of the worker that told them. */
  told?: string[];
}

export interface Started extends Common {
  state: 'started';
  started: { host: string; ports: Ports };
  /** The players are told only when the game server has said that it is ready (GAMEYE_READY=server). */
  waits: boolean;
  /** Who was told; only in the memory of the worker that told them. */
  told?: string[];
}

export interface Announced extends Common {
  state: 'announced';
}

export interface Ended extends Common {
  state: 'failed' | 'cancelled';
  reason: FailureReason;
  /** More about it, for the players. */
  message?: string;
  /** Players were told how it ended. */
  told: boolean;
}

/** An id that may run, and must not. */
export interface Abandoned {
  session_id: string;
  /** Since when nobody sends it any more. */
  since_ms: number;
  /** Nothing to do before this; missing: now. */
  next_at_ms?: number;
  /** DELETEs in a row that were not answered. */
  failures?: number;
  /** Not an id of ours but one that the API named, so it may be somebody else's. */
  named_by_api?: boolean;
}

export function newAllocation(
  id: string,
  request: AllocationRequest,
  regions: string[],
  createTimeoutMs: number,
  now: number,
): Waiting {
  return {
    id,
    session_id: id,
    version: 0,
    state: 'starting',
    next: 'run',
    in_doubt: false,
    request,
    regions,
    region_index: 0,
    without_image: [],
    created_at_ms: now,
    deadline_ms: now + createTimeoutMs,
    next_at_ms: 0,
    attempts: 0,
    failures: 0,
    abandoned: [],
    passed: [],
    guests: [],
    before: [],
    cancelled: false,
    server_ready: false,
  };
}

/** The allocation as its row has it. */
export function fromRow(row: AllocationRow): Allocation {
  const { doc, lease_until_ms: _lease, ...columns } = row;
  return { ...(doc as Allocation), ...columns } as Allocation;
}

/** What of an allocation stands in `doc` of its row; the rest are columns. */
export function toDoc(a: Allocation): object {
  const {
    id,
    session_id,
    version,
    state,
    attempts,
    created_at_ms,
    deadline_ms,
    guests,
    cancelled,
    server_ready,
    ...doc
  } = a;
  return { ...doc, attempts };
}

/** What every state has: to go on in another one. */
export function common(a: Allocation): Common {
  const { id, session_id, version, request, regions, region_index, without_image, created_at_ms, deadline_ms } = a;
  const { next_at_ms, attempts, failures, abandoned, passed, guests, before, cancelled, server_ready } = a;
  return {
    ...{ id, session_id, version, request, regions, region_index, without_image, created_at_ms, deadline_ms },
    ...{ next_at_ms, attempts, failures, abandoned, passed, guests, before, cancelled, server_ready },
    ...(a.last_failure ? { last_failure: a.last_failure } : {}),
    ...(a.pool === undefined ? {} : { pool: a.pool }),
    ...(a.orders === undefined ? {} : { orders: a.orders }),
    ...(a.warm === undefined ? {} : { warm: a.warm }),
    ...(a.keep_ms === undefined ? {} : { keep_ms: a.keep_ms }),
    ...(a.asked === undefined ? {} : { asked: a.asked }),
  };
}

/** Everybody it was asked for: its own players and those of its guests. Some may have gone since. */
export function askedFor(a: Common): string[] {
  return a.guests.reduce((all, guest) => all.concat(guest.user_ids), a.request.user_ids);
}

/** True when somebody waits for its session by name; one for nobody is wanted anyway. */
export function hasPlayers(a: Common): boolean {
  return a.request.user_ids.length > 0 || a.guests.length > 0;
}

/** True while its players are not being told yet, so that others of its pool can still join them. */
export function takesGuests(a: Allocation): boolean {
  return a.pool !== undefined && !a.cancelled && (a.state === 'starting' || (a.state === 'started' && a.waits));
}

/** Places that are left for guests. */
export function freeSeats(a: Allocation): number {
  return takesGuests(a) ? Math.max(0, a.request.max_players - askedFor(a).length) : 0;
}

/** How long a request for an allocation may take: less than usual when its players have to be told soon. */
export function timeFor(a: Common, mostMs: number, now: number): number {
  return Math.max(SECOND, Math.min(mostMs, a.deadline_ms - now));
}

/** What its worker has to do now. */
export type Step =
  | { do: 'seek' | 'run' | 'look-up' | 'give-up-id' }
  | { do: 'cancel' | 'time-out' }
  | { do: 'welcome' | 'await-server' | 'announce' | 'close' }
  | { do: 'tell-failure' | 'finish' }
  | { do: 'stop'; sessionId: string }
  | { do: 'wait'; untilMs: number };

/** The next step of an allocation: a function of the record and the time only, so that any worker can take over. */
export function nextStep(a: Allocation, now: number): Step {
  switch (a.state) {
    case 'queued':
    case 'starting':
      if (a.cancelled) return { do: 'cancel' };
      if (now >= a.deadline_ms) return { do: 'time-out' };
      if (now < a.next_at_ms) return { do: 'wait', untilMs: Math.min(a.next_at_ms, a.deadline_ms) };
      return { do: a.next };
    case 'seated':
      if (a.told) return { do: 'close' };
      return now < a.next_at_ms ? { do: 'wait', untilMs: a.next_at_ms } : { do: 'welcome' };
    case 'started':
      if (a.told) return { do: 'close' };
      if (a.waits && a.cancelled) return { do: 'cancel' };
      if (a.waits && now >= a.deadline_ms) return { do: 'time-out' };
      if (now < a.next_at_ms) return { do: 'wait', untilMs: a.next_at_ms };
      return { do: a.waits ? 'await-server' : 'announce' };
    case 'announced':
      return cleanUp(a, now);
    case 'failed':
    case 'cancelled':
      return a.told
        ? cleanUp(a, now)
        : now < a.next_at_ms
          ? { do: 'wait', untilMs: a.next_at_ms }
          : { do: 'tell-failure' };
  }
}

/** Whichever id is due first: one that cannot be stopped must not hold up the others. */
function cleanUp(a: Common, now: number): Step {
  const due = (one: Abandoned): number => one.next_at_ms ?? 0;
  const [first] = a.abandoned.slice().sort((one, other) => due(one) - due(other));
  if (!first) return { do: 'finish' };
  return now < due(first) ? { do: 'wait', untilMs: due(first) } : { do: 'stop', sessionId: first.session_id };
}
