import { SECOND } from '../config';
import { isFinal, reasonFor, type Failure, type Outcome } from '../gameye/failure';
import type { SessionView, Started as Where } from '../gameye/wire';
import type { FailureReason } from '../records';
import { common, type Abandoned, type Allocation, type Ended, type Started, type Waiting } from './allocation';
import { noCapacityDelayMs, retryDelayMs } from './backoff';
import { hasImageSomewhere, nextRegion, withoutImageHere } from './next-region';

/*
 * What follows for an allocation from what its worker did or somebody asked for: pure functions from one record to the
 * next. What the states mean stands in allocation.ts.
 */

/** After this a POST that was on its way when its id was given up has arrived or never will. */
export const SETTLE_MS = 30 * SECOND;

/** After a timeout an API that is only slow may carry the POST out for as long as this. */
const LATE_MS = 10 * SECOND;

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
  a: Waiting,
  outcome: Exclude<Outcome<Where>, { kind: 'done' }>,
  now: number,
  chance: Chance,
): Waiting | Ended {
  const { failure } = outcome;
  const failed: Waiting = { ...answered(a), last_failure: failure };
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
function answered(a: Waiting): Waiting {
  const { answer_by_ms: _by, ...rest } = a;
  return rest;
}

/** The API started another session than the one asked for, and would start one more with every try. Both are stopped. */
function withOther(a: Waiting, otherId: string | undefined, now: number): Ended {
  const other: Abandoned[] = otherId === undefined ? [] : [{ session_id: otherId, since_ms: now, named_by_api: true }];
  return fail({ ...a, in_doubt: true, abandoned: [...a.abandoned, ...other] }, 'error', now);
}

/** What a GET of the id found: ours and reachable, still starting, without the port that players need, and so on. */
export type Finding = 'adoptable' | 'starting' | 'port-missing' | 'ended' | 'not-ours';

/** After a 201 without the port that players need: a second look, because the API may not have had it yet. */
export function afterPortMissing(a: Waiting, message: string, now: number): Waiting {
  const last_failure: Failure = { kind: 'invalid', operation: 'session-run', message };
  return { ...answered(a), in_doubt: true, last_failure, next: 'look-up', next_at_ms: now };
}

/** After the id was looked up, unless it was found `adoptable`. */
export function afterLookUp(
  a: Waiting,
  outcome: Outcome<SessionView>,
  finding: Finding | undefined,
  now: number,
  chance: Chance,
): Waiting | Ended {
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
    const giveUp = (tired: Waiting): Waiting => giveUpId(tired, now);
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
  a: Waiting,
  outcome: Outcome<'stopped' | 'absent'>,
  now: number,
  chance: Chance,
): Waiting | Ended {
  if (outcome.kind !== 'done') {
    // A session that a DELETE of ours may still end is not asked for again: its players would lose it at once.
    const next = outcome.kind === 'unknown' ? 'give-up-id' : 'run';
    const failed: Waiting = { ...a, last_failure: outcome.failure, failures: a.failures + 1, next };
    return backOff(failed, now, chance, outcome.failure.retry_after_ms);
  }
  // Taken, not there, and nothing to stop: nobody knows what runs, and another id could be the second session.
  if (outcome.value === 'absent' && a.taken === true) return fail(a, 'error', now);
  const left =
    outcome.value === 'stopped' ? { ...a, in_doubt: false } : { ...a, in_doubt: false, abandoned: abandonedBy(a, now) };
  return otherRegion(withId(left, chance.newId()), now, chance);
}

/** Another id, of which nothing is known yet. */
function withId(a: Waiting, session_id: string): Waiting {
  const { held_until_ms: _held, ...rest } = a;
  return { ...rest, session_id, in_doubt: false, taken: false, next: 'run' };
}

/** The session runs: the players are told next, or once the game server says that it is ready. */
export function afterStart(a: Waiting, where: Where, waits: boolean, now: number): Started {
  const { host, ports } = where;
  return { ...common(a), state: 'started', started: { host, ports }, waits, failures: 0, next_at_ms: now };
}

/** Nobody could be notified, which may be the database's fault: tried again while there is time. */
export function afterNobodyTold<A extends Allocation>(a: A, now: number, chance: Pick<Chance, 'random'>): A | Ended {
  if (now >= a.deadline_ms) return fail(a, 'error', now);
  const failures = a.failures + 1;
  return { ...a, failures, next_at_ms: now + retryDelayMs(failures, chance.random()) };
}

/** The create timeout passed: the reason is what kept failing last. */
export function timeOut(a: Allocation, now: number): Ended {
  const never = a.state === 'started' || !a.last_failure;
  // Nothing was ever stored: it is the database that did not work.
  if (never && a.version === 0) return fail(a, 'unavailable', now);
  return fail(a, never || !a.last_failure ? 'timeout' : reasonFor(a.last_failure.kind), now);
}

/** Gives up: the players are told first, then whatever may run is stopped. */
export function fail(a: Allocation, reason: FailureReason, now: number): Ended {
  return ended(a, 'failed', reason, now);
}

/** Somebody deleted the session, or nobody needs it any more. */
export function cancel(a: Allocation, now: number): Ended {
  return ended(a, 'cancelled', 'error', now);
}

function ended(a: Allocation, state: Ended['state'], reason: FailureReason, now: number): Ended {
  return { ...common(a), abandoned: abandonedBy(a, now), state, reason, told: false, failures: 0, next_at_ms: 0 };
}

/** The ids that have to be stopped when its present one is given up as well. */
function abandonedBy(a: Allocation, now: number): Abandoned[] {
  const isDoubtful = a.state === 'started' || (a.state === 'starting' && a.in_doubt);
  if (!isDoubtful) return a.abandoned;
  // Its POST may be on its way even now, when it is not its sender who gives up.
  const since_ms = Math.max(now, a.state === 'starting' ? (a.answer_by_ms ?? 0) : 0);
  return [...a.abandoned, { session_id: a.session_id, since_ms }];
}

/** After a DELETE of an abandoned id, which may turn out to be somebody else's. One that cannot be stopped dies at its ttl. */
export function afterStop<A extends Allocation>(
  a: A,
  sessionId: string,
  outcome: Outcome<'stopped' | 'absent' | 'not-ours'>,
  ttlMs: number,
  now: number,
  chance: Pick<Chance, 'random'>,
): A {
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
  a: Waiting,
  now: number,
  chance: Chance,
  tired: (a: Waiting) => Waiting | Ended,
  hintMs?: number,
  most = PATIENCE,
): Waiting | Ended {
  const failures = a.failures + 1;
  return failures < most ? backOff({ ...a, failures }, now, chance, hintMs) : tired({ ...a, failures });
}

/** `hintMs` is what the API asked for just now: an older Retry-After must not hold up something else. */
function backOff(a: Waiting, now: number, chance: Chance, hintMs?: number): Waiting {
  return { ...a, next_at_ms: now + retryDelayMs(Math.max(1, a.failures), chance.random(), hintMs) };
}

/** The region does not know the image or the version. Another one may; when none does, somebody has to change something. */
function withoutRegion(a: Waiting, now: number, chance: Chance): Waiting | Ended {
  const left = withoutImageHere(a);
  return hasImageSomewhere(left) ? otherRegion(left, now, chance) : fail(left, reasonFor('not-found'), now);
}

/** The next region at once; after the last one a pause, then the first again. Never with an id in doubt. */
function otherRegion(a: Waiting, now: number, chance: Chance): Waiting {
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
function giveUpId(a: Waiting, now: number): Waiting {
  return { ...a, next: 'give-up-id', next_at_ms: Math.max(now, a.held_until_ms ?? 0) };
}
