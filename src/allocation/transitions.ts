import { SECOND } from '../config';
import { isFinal, reasonFor, type Failure, type FailureReason, type Outcome } from '../gameye/failure';
import type { SessionView, Started } from '../gameye/wire';
import type { Abandoned, Allocation } from './allocation';
import { noCapacityDelayMs, retryDelayMs } from './backoff';
import { hasImageSomewhere, nextRegion, withoutImageHere } from './next-region';
import { withoutPlace, withVacated } from './vacating';

/*
 * What follows for an allocation from what its worker did or somebody asked for: pure functions from one record to the
 * next. What the states mean stands in allocation.ts.
 */

/** After this a POST that was on its way when its id was given up has arrived or never will. */
export const SETTLE_MS = 30 * SECOND;

/** The shortest wait between telling the players and storing the instance; the longest is twice this. */
const RECORD_DELAY_MS = SECOND;

/** How many unknown outcomes or contradictions in a row before another id is tried. */
const PATIENCE = 3;

/** The same for unknown outcomes when there is another region to go to: people wait. */
const REGION_PATIENCE = 2;

/** The same for an id that is taken and yet cannot be found, as while its session starts: ten seconds and more. */
const START_PATIENCE = 6;

/** Another session id, or a random number from 0 to 1, from the outside: this file is pure. */
export interface Chance {
  newId: () => string;
  random: () => number;
}

/** After a POST that did not start a session. */
export function afterRun(
  a: Allocation,
  outcome: Exclude<Outcome<Started>, { kind: 'done' }>,
  now: number,
  chance: Chance,
): Allocation {
  const { failure } = outcome;
  const failed: Allocation = { ...answered(a), last_failure: failure };
  if (failure.kind === 'not-idempotent') return withOther(failed, failure.other_id, now);
  if (outcome.kind === 'unknown') {
    const held = failure.timed_out ? { held_until_ms: now + LATE_MS } : {};
    const doubtful = { ...failed, ...held, in_doubt: true };
    const most = nextRegion(a) === a.region_index ? PATIENCE : REGION_PATIENCE;
    return patience(doubtful, now, chance, (tired) => otherRegion(tired, now, chance), failure.retry_after_ms, most);
  }
  // The id is a UUID of ours: who has it is an earlier delivery of this request, ours or one that a proxy repeated.
  if (failure.kind === 'conflict') {
    return { ...failed, in_doubt: true, taken: true, next: 'look-up', next_at_ms: now };
  }
  if (failure.kind === 'not-found') return withoutRegion(failed, now, chance);
  if (isFinal(failure.kind)) return fail(failed, reasonFor(failure.kind), now);
  if (failure.kind === 'no-capacity') {
    // The region can be full because our own session fills it: an earlier POST of this id may have been carried out.
    if (a.in_doubt) return { ...failed, next: 'look-up', next_at_ms: now };
    return otherRegion(failed, now, chance);
  }
  return backOff({ ...failed, failures: a.failures + 1 }, now, chance, failure.retry_after_ms);
}

/** The POST is not on its way any more. */
function answered(a: Allocation): Allocation {
  const { answer_by_ms: _by, ...rest } = a;
  return rest;
}

/** After a timeout an API that is only slow may carry the POST out for as long as this. */
const LATE_MS = 10 * SECOND;

/** The API started another session than the one asked for, and would start one more with every try. Both are stopped. */
function withOther(a: Allocation, otherId: string | undefined, now: number): Allocation {
  const other: Abandoned[] = otherId === undefined ? [] : [{ session_id: otherId, since_ms: now, named_by_api: true }];
  return fail({ ...a, in_doubt: true, abandoned: [...a.abandoned, ...other] }, 'error', now);
}

/** What a GET of the id found: ours and reachable, still starting, without the port that players need, and so on. */
export type Finding = 'adoptable' | 'starting' | 'port-missing' | 'ended' | 'not-ours';

/** After a 201 without the port that players need: a second look, because the API may not have had it yet. */
export function afterPortMissing(a: Allocation, message: string, now: number): Allocation {
  const last_failure: Failure = { kind: 'invalid', operation: 'session-run', message };
  return { ...answered(a), in_doubt: true, last_failure, next: 'look-up', next_at_ms: now };
}

/** After the id was looked up, unless it was found `adoptable`. */
export function afterLookUp(
  a: Allocation,
  outcome: Outcome<SessionView>,
  finding: Finding | undefined,
  now: number,
  chance: Chance,
): Allocation {
  if (outcome.kind === 'done') {
    switch (finding) {
      case 'ended':
      case 'not-ours':
        return patience(withId(a, chance.newId()), now, chance, (tired) => fail(tired, 'error', now));
      case 'port-missing':
        return patience({ ...a, in_doubt: true, next: 'look-up' }, now, chance, (tired) =>
          fail(tired, 'misconfigured', now),
        );
      default:
        return backOff({ ...a, in_doubt: true, next: 'look-up', failures: a.failures + 1 }, now, chance);
    }
  }
  if (outcome.failure.kind === 'not-found') {
    if (a.last_failure?.kind === 'no-capacity') return giveUpId(a, now);
    // The API says that the id is taken and that it does not exist: it is just starting, or was used up long ago.
    const giveUp = (tired: Allocation): Allocation => giveUpId(tired, now);
    return patience({ ...a, next: 'run' }, now, chance, giveUp, undefined, START_PATIENCE);
  }
  const failed = { ...a, last_failure: outcome.failure };
  if (outcome.kind === 'refused' && isFinal(outcome.failure.kind)) {
    return fail({ ...failed, in_doubt: true }, reasonFor(outcome.failure.kind), now);
  }
  return backOff({ ...failed, failures: a.failures + 1 }, now, chance, outcome.failure.retry_after_ms);
}

/** After the DELETE that makes way for another id. Only when it was answered may another id be sent. */
export function afterGiveUpId(
  a: Allocation,
  outcome: Outcome<'stopped' | 'absent'>,
  now: number,
  chance: Chance,
): Allocation {
  if (outcome.kind !== 'done') {
    const failed: Allocation = { ...a, last_failure: outcome.failure, failures: a.failures + 1, next: 'run' };
    return backOff(failed, now, chance, outcome.failure.retry_after_ms);
  }
  // Taken, not there, and nothing to stop: nobody knows what runs, and another id could be the second session.
  if (outcome.value === 'absent' && a.taken === true) return fail(a, 'error', now);
  const left = outcome.value === 'stopped' ? { ...a, in_doubt: false } : withoutDoubt(a, now);
  return otherRegion(withId(left, chance.newId()), now, chance);
}

/** Another id, of which nothing is known yet. */
function withId(a: Allocation, session_id: string): Allocation {
  const { held_until_ms: _held, ...rest } = a;
  return { ...rest, session_id, in_doubt: false, taken: false, next: 'run' };
}

/** The session runs: the players are told next, or once the game server says that it is ready. */
export function afterStart(a: Allocation, where: Started, waitForServer: boolean, now: number): Allocation {
  const started = { host: where.host, ports: where.ports, at_ms: now };
  const waits = waitForServer ? { wait_for_server: true } : {};
  return { ...answered(a), ...waits, state: 'started', started, in_doubt: false, failures: 0, next_at_ms: now };
}

/** The game server is ready, which it may say before the API has answered that it runs. */
export function withServerReady(a: Allocation): Allocation {
  return { ...a, server_ready: true };
}

/** A player does not want the session any more. Nobody is left: it is cancelled, and nobody has to be told. */
export function withoutPlayer(a: Allocation, userId: string, now: number): Allocation {
  const userIds = a.request.user_ids.filter((id) => id !== userId);
  const left: Allocation = { ...withVacated(a, [userId]), request: { ...a.request, user_ids: userIds } };
  return userIds.length > 0 ? left : { ...cancel(left, now), told: true };
}

/** The players were told. Bursts of matches end within a second: the slow part waits until then, each at its own time. */
export function afterAnnouncement(a: Allocation, now: number, chance: Chance): Allocation {
  return { ...a, told: true, failures: 0, next_at_ms: now + Math.round(RECORD_DELAY_MS * (1 + chance.random())) };
}

/** Nobody could be notified: tried again, then the session is of no use to anybody. */
export function afterNobodyTold(a: Allocation, now: number, chance: Chance): Allocation {
  // It may have been the database's answer that was lost: as long as there is time, they are told again.
  if (now >= a.deadline_ms) return fail({ ...a, in_doubt: hasSent(a) }, 'error', now);
  return backOff({ ...a, failures: a.failures + 1 }, now, chance);
}

/** The create timeout passed: the reason is what kept failing last. */
export function timeOut(a: Allocation, now: number): Allocation {
  // It runs, but its game server never was ready.
  if (a.state === 'started') return fail({ ...a, in_doubt: true }, 'timeout', now);
  return fail(a, a.last_failure ? reasonFor(a.last_failure.kind) : 'timeout', now);
}

/** Gives up: the players are told first, then whatever may run is stopped. */
export function fail(a: Allocation, reason: FailureReason, now: number): Allocation {
  return { ...withoutDoubt(withoutPlace(a), now), state: 'failed', reason, failures: 0, next_at_ms: now };
}

/** False while it is only queued, looks for seats or has them in another session: nothing of its own was started then. */
function hasSent(a: Allocation): boolean {
  return a.state !== 'queued' && a.state !== 'joined' && a.next !== 'join';
}

/** The session runs and nothing is waited for: its worker may be telling the players where it is, at this moment. */
export function isBeingTold(a: Allocation): boolean {
  if (a.state === 'joined') return a.backfill?.registered === true;
  return a.state === 'started' && (a.wait_for_server !== true || a.server_ready === true);
}

/** Somebody deleted the session before its instance was stored. */
export function cancel(a: Allocation, now: number): Allocation {
  return {
    ...withoutDoubt({ ...withoutPlace(a), in_doubt: hasSent(a) }, now),
    state: 'cancelled',
    reason: 'error',
    // Who is just told an address must not be told a reason as well; the assignment says how it ended.
    told: a.told || isBeingTold(a),
    failures: 0,
    next_at_ms: now,
  };
}

/** After a DELETE of an abandoned id, which may turn out to be somebody else's. One that cannot be stopped dies at its ttl. */
export function afterStop(
  a: Allocation,
  sessionId: string,
  outcome: Outcome<'stopped' | 'absent' | 'not-ours'>,
  ttlMs: number,
  now: number,
  chance: Chance,
): Allocation {
  const one = a.abandoned.find(({ session_id }) => session_id === sessionId);
  if (!one) return a;
  const put = (...instead: Abandoned[]): Abandoned[] =>
    a.abandoned.flatMap((other) => (other === one ? instead : [other]));
  const age = now - one.since_ms;
  const gone = outcome.kind === 'done' && (outcome.value !== 'absent' || age >= SETTLE_MS);
  if (gone || age > ttlMs + SETTLE_MS) return { ...a, abandoned: put() };
  if (outcome.kind === 'done') return { ...a, abandoned: put({ ...one, next_at_ms: one.since_ms + SETTLE_MS }) };
  const failures = (one.failures ?? 0) + 1;
  const next_at_ms = now + retryDelayMs(failures, chance.random(), outcome.failure.retry_after_ms);
  return { ...a, last_failure: outcome.failure, abandoned: put({ ...one, failures, next_at_ms }) };
}

/** Counts a failure: backs off until the patience is used up, then does what `tired` says. */
function patience(
  a: Allocation,
  now: number,
  chance: Chance,
  tired: (a: Allocation) => Allocation,
  hintMs?: number,
  most = PATIENCE,
): Allocation {
  const failures = a.failures + 1;
  return failures < most ? backOff({ ...a, failures }, now, chance, hintMs) : tired({ ...a, failures });
}

/** `hintMs` is what the API asked for just now: an older Retry-After must not hold up something else. */
function backOff(a: Allocation, now: number, chance: Chance, hintMs?: number): Allocation {
  return { ...a, next_at_ms: now + retryDelayMs(Math.max(1, a.failures), chance.random(), hintMs) };
}

/** The region does not know the image or the version. Another one may; when none does, somebody has to change something. */
function withoutRegion(a: Allocation, now: number, chance: Chance): Allocation {
  const left = withoutImageHere(a);
  return hasImageSomewhere(left) ? otherRegion(left, now, chance) : fail(left, reasonFor('not-found'), now);
}

/** The next region at once; after the last one a pause, then the first again. Never with an id in doubt. */
function otherRegion(a: Allocation, now: number, chance: Chance): Allocation {
  const region_index = nextRegion(a);
  if (a.in_doubt) {
    // A single region has nowhere to go: the same id again is then safest, and finds what may run.
    return region_index !== a.region_index
      ? giveUpId(a, now)
      : { ...backOff(a, now, chance, a.last_failure?.retry_after_ms), next: 'run' };
  }
  const isAnotherRound = region_index <= a.region_index;
  const next_at_ms = isAnotherRound ? now + noCapacityDelayMs(chance.random(), a.last_failure?.retry_after_ms) : now;
  return { ...a, region_index, failures: 0, next: 'run', next_at_ms };
}

/** Not while a POST of it may still arrive: it would start a second session beside that of the next id. */
function giveUpId(a: Allocation, now: number): Allocation {
  return { ...a, next: 'give-up-id', next_at_ms: Math.max(now, a.held_until_ms ?? 0) };
}

/** The id is given up. Its POST may be on its way even now, when it is not its sender who gives up. */
function withoutDoubt(a: Allocation, now: number): Allocation {
  if (!a.in_doubt) return a;
  const since_ms = Math.max(now, a.answer_by_ms ?? 0);
  return { ...answered(a), in_doubt: false, abandoned: [...a.abandoned, { session_id: a.session_id, since_ms }] };
}
