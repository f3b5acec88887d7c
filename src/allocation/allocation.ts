import { SECOND } from '../config';
import type { Failure, FailureReason } from '../gameye/failure';
import type { Ports } from '../gameye/wire';
import type { AllocationRequest } from './request';
import { nextWhenJoined, type Backfill } from './vacating';

/*
 * An allocation is one request for one game server, from the moment it is stored until everybody concerned was told.
 *
 *   queued ──► starting ──► started ──► announced ──► (the row is deleted)
 *                 │  └────► failed ───► (told, sessions stopped: the row is deleted)
 *                 └───────► cancelled ► (likewise)
 *
 * queued     Stored by somebody else than its worker; nothing was sent. A crash: the next worker begins.
 * starting   A POST with `session_id` may have been sent. `in_doubt` says that one may have been carried out without our
 *            knowing. A crash: the next worker sends the same id again; if it runs, the API answers 409 and we adopt it.
 * joined     Its players have seats in a session that ran already (backfill.ts), taken in the write that led here; nothing was
 *            started. Gameye hears of them, then they do. A crash: they are told again. From `starting`; goes back there when
 *            that session is gone, is deleted at the end.
 * started    The session runs, its address is in `started`. The players are told (`told`), then, when a burst of matches
 *            has passed, its instance is stored: indexing that costs Nakama more than everything before. A crash: whoever
 *            takes over tells the players (again, unless `told`) and stores the instance.
 * announced  The players were told, the instance is stored. Only kept while `abandoned` ids have to be stopped, or because
 *            the session has another id than the allocation. A crash: nothing is lost.
 * failed     Given up for `reason`. A crash: the players are told (again), whatever may run is stopped.
 * cancelled  Somebody deleted the session before it was announced. Its worker finds out at its next write. As failed.
 *
 * `session_id` is chosen before anything is sent and is the idempotency key. It is replaced only when the old one cannot
 * run (it ended, somebody else has it) or after a DELETE; ids that might still come to life stay in `abandoned` until a
 * DELETE found them running, or found nothing SETTLE_MS after they were given up. An API that does not keep to our ids is
 * never asked twice: the session that it named instead goes to `abandoned` as well.
 */
export type AllocationState = 'queued' | 'starting' | 'joined' | 'started' | 'announced' | 'failed' | 'cancelled';

export interface Allocation {
  /** The first session id; the record's key. */
  id: string;
  state: AllocationState;
  session_id: string;
  in_doubt: boolean;
  request: AllocationRequest;
  /** In the order in which they are tried. */
  regions: string[];
  region_index: number;
  /** Those of them that do not know the image or the version: not tried again. */
  without_image?: string[];
  /** What has to be asked next while starting. */
  next: 'join' | 'run' | 'look-up' | 'give-up-id';
  next_at_ms: number;
  created_at_ms: number;
  deadline_ms: number;
  /** POSTs sent so far. */
  attempts: number;
  /** While a POST is on its way: when its sender ceases to wait for the answer. */
  answer_by_ms?: number;
  /** A POST of this id got no answer in time and may still arrive: until then no other id is sent. */
  held_until_ms?: number;
  /** The API said that the id is taken: its session ran, runs, or is about to. */
  taken?: boolean;
  /** Failures in a row that say nothing about capacity, in this region. */
  failures: number;
  last_failure?: Failure;
  /** The players are told only when the game server has said that it is ready (GAMEYE_READY=server). */
  wait_for_server?: boolean;
  server_ready?: boolean;
  /** Where the session is reached, and since when. */
  started?: { host: string; ports: Ports; at_ms: number };
  reason?: FailureReason;
  /** Seats that its players still had elsewhere; they are freed once this session is announced. */
  superseded?: Superseded[];
  /** With GAMEYE_BACKFILL: seats in other sessions, and groups that found theirs here. */
  backfill?: Backfill;
  /** Players were told how it ended. */
  told: boolean;
  abandoned: Abandoned[];
  lease: { holder: string; until_ms: number };
}

/** What a player had when this allocation was made; `allocation_id` when that was only being started. */
export interface Superseded {
  user_id: string;
  session_id: string;
  allocation_id?: string;
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
  holder: string,
  createTimeoutMs: number,
  now: number,
): Allocation {
  return {
    id,
    state: 'starting',
    session_id: id,
    in_doubt: false,
    request,
    regions,
    region_index: 0,
    next: 'run',
    next_at_ms: 0,
    created_at_ms: now,
    deadline_ms: now + createTimeoutMs,
    attempts: 0,
    failures: 0,
    told: false,
    abandoned: [],
    lease: { holder, until_ms: 0 },
  };
}

/** How long a request for an allocation may take: less than usual when its players have to be told soon. */
export function timeFor(a: Allocation, mostMs: number, now: number): number {
  return Math.max(SECOND, Math.min(mostMs, a.deadline_ms - now));
}

/** What its worker has to do now. */
export type Step =
  | { do: 'join' | 'register' | 'welcome' | 'vacate' }
  | { do: 'run' | 'look-up' | 'give-up-id' | 'await-server' | 'announce' | 'record' | 'tell-failure' | 'finish' }
  | { do: 'stop'; sessionId: string }
  | { do: 'wait'; untilMs: number }
  | { do: 'time-out' };

/** The next step of an allocation: a function of the record and the time only, so that any worker can take over. */
export function nextStep(a: Allocation, now: number): Step {
  switch (a.state) {
    case 'queued':
    case 'starting':
      if (now >= a.deadline_ms) return { do: 'time-out' };
      if (now < a.next_at_ms) return { do: 'wait', untilMs: Math.min(a.next_at_ms, a.deadline_ms) };
      return { do: a.next };
    case 'joined':
      return now < a.next_at_ms ? { do: 'wait', untilMs: a.next_at_ms } : nextWhenJoined(a);
    case 'started': {
      const awaited = a.wait_for_server === true && a.server_ready !== true && !a.told;
      if (awaited && now >= a.deadline_ms) return { do: 'time-out' };
      if (now < a.next_at_ms) return { do: 'wait', untilMs: a.next_at_ms };
      return { do: awaited ? 'await-server' : a.told ? 'record' : 'announce' };
    }
    case 'announced':
      return cleanUp(a, now);
    case 'failed':
    case 'cancelled':
      return a.told ? cleanUp(a, now) : { do: 'tell-failure' };
  }
}

/** Whichever id is due first: one that cannot be stopped must not hold up the others. */
function cleanUp(a: Allocation, now: number): Step {
  if (a.backfill && a.backfill.vacates.length > 0) return { do: 'vacate' };
  const due = (one: Abandoned): number => one.next_at_ms ?? 0;
  const [first] = a.abandoned.slice().sort((one, other) => due(one) - due(other));
  if (!first) return { do: 'finish' };
  return now < due(first) ? { do: 'wait', untilMs: due(first) } : { do: 'stop', sessionId: first.session_id };
}
