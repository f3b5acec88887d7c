import type { FailureReason } from '../records';
import { tlsAdvice } from './connection';

/** The operations of the Session API that this module uses, by the operation ids of its official document. */
export type Operation =
  | 'session-run'
  | 'session-list'
  | 'describe-session'
  | 'session-stop'
  | 'join-session'
  | 'leave-session'
  | 'get-available-locations'
  | 'tag-exists'
  | 'stream-logs'
  | 'artifacts';

export type FailureKind =
  | 'invalid' // the request is not what the API takes
  | 'unauthorized' // the API token is wrong
  | 'quota-exceeded' // the account may run no more sessions
  | 'forbidden' // the API token lacks a scope
  | 'not-found' // create: no such region, image or version; otherwise: no such session
  | 'conflict' // create: the id was used before; stop: already ended
  | 'not-idempotent' // create: another session was started than the one asked for
  | 'no-capacity' // the region is full, or too many starts in a short time
  | 'redirected' // GAMEYE_API_URL redirects: nothing was done
  | 'untrusted' // no TLS connection that can be trusted: nothing was sent
  | 'unavailable' // 5xx, or nobody listens
  | 'unknown'; // timeout, lost or unreadable answer: the request may have been carried out

/** Why a request did not do what it should. Plain data: it is stored as `last_failure`, logged and compared. */
export interface Failure {
  kind: FailureKind;
  operation: Operation;
  message: string;
  status?: number;
  /** The API's own id of the failed request, for Gameye's support. */
  identifier?: string;
  /** There was no answer in time: the request may still be on its way. */
  timed_out?: true;
  /** What GAMEYE_API_URL should be instead, as far as that is known; for `redirected`. */
  set_url?: string;
  /** What the API asked for with Retry-After, within bounds; it outranks our own backoff. */
  retry_after_ms?: number;
  /** The session that the API says it started instead of ours; for `not-idempotent`. */
  other_id?: string;
}

/**
 * Every request ends in one of three ways: it did what was asked, it did nothing (`refused`), or nobody can tell
 * (`unknown`): the connection broke, the time ran out, or the answer was not readable.
 */
export type Outcome<T> =
  { kind: 'done'; value: T } | { kind: 'refused'; failure: Failure } | { kind: 'unknown'; failure: Failure };

/** The one table that gives a status its meaning. A 2xx is not in it: whether that is readable, the caller finds out. */
export function classifyStatus(operation: Operation, status: number, message: string): FailureKind {
  switch (status) {
    case 301:
    case 302:
    case 307:
    case 308:
      return 'redirected';
    case 400:
    case 422:
      return 'invalid';
    case 401:
      return 'unauthorized';
    case 402:
      return 'quota-exceeded';
    case 403:
      // The official document says 402 for an exhausted quota, Gameye's page of error codes says 403.
      return operation === 'session-run' && /quota/i.test(message) ? 'quota-exceeded' : 'forbidden';
    case 404:
      return 'not-found';
    case 409:
      return 'conflict';
    case 420:
    case 429:
      return 'no-capacity';
    case 408:
      return 'unknown';
  }
  if (status >= 500) return 'unavailable';
  // Another 4xx refuses the request; a stray 1xx, 2xx or 3xx does not say what happened.
  return status >= 400 ? 'invalid' : 'unknown';
}

/** True when the request may have been carried out although it failed. A 5xx can follow work that was done. */
export function mayHaveHappened(kind: FailureKind): boolean {
  return kind === 'unavailable' || kind === 'unknown';
}

/** True when asking again cannot help: somebody has to change the configuration or the account first. */
export function isFinal(kind: FailureKind): boolean {
  return (
    kind === 'invalid' ||
    kind === 'unauthorized' ||
    kind === 'quota-exceeded' ||
    kind === 'forbidden' ||
    kind === 'not-found' ||
    kind === 'redirected' ||
    kind === 'untrusted'
  );
}

/** The reason that players read for a failure that ended their allocation. */
export function reasonFor(kind: FailureKind): FailureReason {
  switch (kind) {
    case 'quota-exceeded':
      return 'quota_exceeded';
    case 'no-capacity':
      return 'no_capacity';
    case 'unavailable':
      return 'unavailable';
    case 'unknown':
      return 'timeout';
    case 'conflict':
    case 'not-idempotent':
      return 'error';
    case 'invalid':
    case 'unauthorized':
    case 'forbidden':
    case 'not-found':
    case 'redirected':
    case 'untrusted':
      return 'misconfigured';
  }
}

/** What an operator should do about a failure; the end of a log line or an RPC error. */
export function adviceFor(failure: Failure): string {
  switch (failure.kind) {
    case 'invalid':
      return failure.operation === 'artifacts'
        ? 'Gameye refused the request: check "path".'
        : 'Gameye refused the request: check image, version, port and metadata.';
    case 'unauthorized':
      return 'Check GAMEYE_API_TOKEN, and that GAMEYE_API_URL is the environment it was made for.';
    case 'quota-exceeded':
      return 'Raise the quota of the Gameye account, or stop sessions.';
    case 'forbidden':
      return scopeAdvice(failure.operation);
    case 'not-found':
      if (isCatalogue(failure.operation)) return 'Check GAMEYE_API_IMAGE and GAMEYE_API_REGION.';
      if (failure.operation === 'stream-logs') {
        return 'Gameye has no output of such a session: it never ran, or its container is gone.';
      }
      if (failure.operation === 'artifacts') {
        return 'Gameye has no such artifact: nothing is at this path, the session still runs, or its container is gone.';
      }
      return failure.operation === 'session-run'
        ? 'Check GAMEYE_API_IMAGE, GAMEYE_API_REGION and the version: GAMEYE_API_IMAGE_VERSION, or that of gameye_set_version.'
        : 'The session does not exist (any more).';
    case 'conflict':
      return 'The session id is taken by another session.';
    case 'not-idempotent':
      return 'The Session API ignores the session id that it is given, so trying again would start one more server: check that GAMEYE_API_URL is the Session API itself, and report this to Gameye.';
    case 'no-capacity':
      return 'Add a region to GAMEYE_API_REGION, or ask Gameye for capacity.';
    case 'redirected':
      return `GAMEYE_API_URL redirects, which turns a start or a stop into a question: set it to ${failure.set_url ?? 'the URL that it redirects to'}.`;
    case 'untrusted':
      return tlsAdvice(failure.message);
    case 'unavailable':
      return 'The Session API does not work at present: check GAMEYE_API_URL and try again.';
    case 'unknown':
      return 'The Session API did not answer in time or not readably: try again.';
  }
}

function scopeAdvice(operation: Operation): string {
  if (operation === 'stream-logs') return 'Give the API token the scope logs:read.';
  if (operation === 'artifacts') return 'Give the API token the scope artifact:read.';
  return isCatalogue(operation)
    ? 'Give the API token the scope regions:read.'
    : 'Give the API token the scopes session:start, session:read and session:stop.';
}

/** Questions about images and regions, not about a session. */
function isCatalogue(operation: Operation): boolean {
  return operation === 'get-available-locations' || operation === 'tag-exists';
}
