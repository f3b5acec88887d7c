import type { Nakama } from '../nakama/runtime';
import type { Failure, Operation, Outcome } from './failure';
import { comparedOnly, withoutSecrets } from './listing';
import { redactionFor } from './redaction';
import { isRecord, send, unreadable, type Endpoint, type Reply, type Request } from './transport';
import {
  readLocations,
  readSession,
  readStarted,
  readTagExists,
  type Location,
  type SessionView,
  type Started,
} from './wire';

/** The body of `session-run` (SessionRun in the official document). */
export interface SessionRun {
  id: string;
  location: string;
  image: string;
  version?: string;
  ttl: string;
  args?: string[];
  env: { [key: string]: string };
  labels: { [key: string]: string };
  external_id?: string;
}

/**
 * POST /session: starts a session under an id of ours. A 201 that cannot be read is `unknown`: something runs. So is one that
 * names another id, but it is of no use to ask that API again: it does not keep to our ids (`not-idempotent`).
 */
export function runSession(nk: Nakama, api: Endpoint, run: SessionRun, timeoutMs: number): Outcome<Started> {
  const outcome = send(nk, api, { operation: 'session-run', method: 'post', path: '/session', body: run, timeoutMs });
  const started = readReply(api, outcome, 'session-run', readStarted);
  const other = outcome.kind === 'done' ? idOf(outcome.value) : undefined;
  if (outcome.kind !== 'done' || other === undefined || other === run.id) return started;
  const message = 'The answer to POST /session names another session id than the one asked for.';
  const failure: Failure = { kind: 'not-idempotent', operation: 'session-run', message, status: outcome.value.status };
  // What cannot be an id is not asked for either, and an API that repeats a secret must not get it into our records.
  const isSecret = redactionFor(api.apiToken, run).words(other) !== other;
  const isPlausible = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(other) && !isSecret;
  return { kind: 'unknown', failure: isPlausible ? { ...failure, other_id: other } : failure };
}

/** The session id in an answer, however unreadable the rest of it is. */
function idOf(reply: Reply): string | undefined {
  const id = isRecord(reply.body) ? reply.body['id'] : undefined;
  return typeof id === 'string' && id !== '' ? id : undefined;
}

/** GET /session/{id}. A session that ended some time ago is refused with `not-found`. */
export function describeSession(nk: Nakama, api: Endpoint, id: string, timeoutMs: number): Outcome<SessionView> {
  const path = `/session/${encodeURIComponent(id)}`;
  const outcome = send(nk, api, { operation: 'describe-session', method: 'get', path, timeoutMs });
  return readReply(api, outcome, 'describe-session', (body) => {
    const session = readSession(body);
    if (typeof session === 'string' || session.id === id) return session;
    return 'The description is of another session than the one asked for.';
  });
}

/**
 * DELETE /session/{id}. Done in two ways: `stopped` (it ran, or had already ended) and `absent` (no such session now,
 * which says nothing about a POST that is still on its way).
 */
export function stopSession(nk: Nakama, api: Endpoint, id: string, timeoutMs: number): Outcome<'stopped' | 'absent'> {
  const path = `/session/${encodeURIComponent(id)}`;
  const outcome = send(nk, api, { operation: 'session-stop', method: 'delete', path, timeoutMs });
  if (outcome.kind === 'done') return { kind: 'done', value: 'stopped' };
  if (outcome.failure.kind === 'conflict') return { kind: 'done', value: 'stopped' };
  if (outcome.failure.kind === 'not-found') return { kind: 'done', value: 'absent' };
  return outcome;
}

/** PUT /session/player/join: tells Gameye who plays. Repeating it changes nothing. */
export function joinSession(
  nk: Nakama,
  api: Endpoint,
  id: string,
  players: string[],
  timeoutMs: number,
): Outcome<true> {
  const body = { session: id, players };
  const outcome = send(nk, api, {
    operation: 'join-session',
    method: 'put',
    path: '/session/player/join',
    body,
    timeoutMs,
  });
  return outcome.kind === 'done' ? { kind: 'done', value: true } : outcome;
}

/**
 * DELETE /session/player/leave. The official document takes `players` only, Gameye's pages show `session` as well: we send
 * both, and without `session` when that is refused as invalid. Then the players may have left every session (`everywhere`).
 * Who is not in the session has left it: repeating changes nothing.
 */
export function leaveSession(
  nk: Nakama,
  api: Endpoint,
  id: string,
  players: string[],
  timeoutMs: number,
): Outcome<'here' | 'everywhere'> {
  const request = { operation: 'leave-session', method: 'delete', path: '/session/player/leave', timeoutMs } as const;
  const named = send(nk, api, { ...request, body: { session: id, players } });
  const isNamed = named.kind !== 'refused' || named.failure.kind !== 'invalid';
  const outcome = isNamed ? named : send(nk, api, { ...request, body: { players } });
  const hasLeft = outcome.kind === 'done' || (outcome.kind === 'refused' && outcome.failure.kind === 'not-found');
  return hasLeft ? { kind: 'done', value: isNamed ? 'here' : 'everywhere' } : outcome;
}

/** 100,000 sessions with their labels and environments are about 80 MB. */
const MAX_LISTING = 128 * 1024 * 1024;

/**
 * GET /session: the running sessions with a label, as a text for the database to read (gameye/listing.ts). Whether it is
 * complete and up to date, nobody can tell: it has no pages and no time. Not `all`, which may show every session that ever
 * ended. `odd`: the database could not read the last one.
 */
export function listSessions(
  nk: Nakama,
  api: Endpoint,
  label: { name: string; value: string },
  timeoutMs: number,
  odd: boolean,
): Outcome<string> {
  const path = `/session?${labelFilter(label.name, label.value)}`;
  const list = { operation: 'session-list', method: 'get', path, timeoutMs, maxBody: MAX_LISTING, raw: true } as const;
  const outcome = send(nk, api, list);
  if (outcome.kind !== 'done') return outcome;
  const body = String(outcome.value.body);
  return { kind: 'done', value: odd ? comparedOnly(body, api.apiToken) : withoutSecrets(body, api.apiToken) };
}

/**
 * GET /session of a fleet that does not exist: an answer of a few bytes that proves that this is the Session API and that
 * the token may read. Answers how many sessions it shows.
 */
export function listNothing(nk: Nakama, api: Endpoint, timeoutMs: number): Outcome<number> {
  const path = `/session?${labelFilter('nakama_fleet', nk.uuidv4())}`;
  const outcome = send(nk, api, { operation: 'session-list', method: 'get', path, timeoutMs });
  return readReply(api, outcome, 'session-list', (body) => {
    const shown = isRecord(body) ? body['sessions'] : undefined;
    return Array.isArray(shown) ? shown.length : 'The list of sessions has no sessions.';
  });
}

function labelFilter(name: string, value: string): string {
  return `${encodeURIComponent(`filter[${name}]`)}=${encodeURIComponent(value)}`;
}

/**
 * POST /session without any field, which no API can carry out: refused as `invalid` when the token may start sessions, as
 * `forbidden` when it may not (scopes are checked before bodies), and as `redirected` when it arrives as a GET. The filter
 * means nothing to a POST, and keeps the list short that a GET is answered with.
 */
export function runNothing(nk: Nakama, api: Endpoint, timeoutMs: number): Outcome<Reply> {
  const path = `/session?${labelFilter('nakama_fleet', nk.uuidv4())}`;
  return send(nk, api, { operation: 'session-run', method: 'post', path, body: {}, timeoutMs });
}

/** GET /available-location/{image}: the regions that can run the image now. Needs the scope regions:read. */
export function availableLocations(nk: Nakama, api: Endpoint, image: string, timeoutMs: number): Outcome<Location[]> {
  const path = `/available-location/${encodeURIComponent(image)}`;
  const outcome = send(nk, api, { operation: 'get-available-locations', method: 'get', path, timeoutMs });
  return readReply(api, outcome, 'get-available-locations', readLocations);
}

/** GET /tag/{region}/{image}/{version}: whether the region has this version. Needs the scope regions:read. */
export function tagExists(
  nk: Nakama,
  api: Endpoint,
  region: string,
  image: string,
  version: string,
  timeoutMs: number,
): Outcome<boolean> {
  const path = `/tag/${[region, image, version].map(encodeURIComponent).join('/')}`;
  const outcome = send(nk, api, { operation: 'tag-exists', method: 'get', path, timeoutMs });
  return readReply(api, outcome, 'tag-exists', readTagExists);
}

/**
 * GET /logs: what the game server of a session has written so far, also after its end. It has no pages: all of it comes.
 * Without `follow` the API would be free to keep the answer open.
 */
export function readLogs(nk: Nakama, api: Endpoint, id: string, timeoutMs: number): Outcome<string> {
  const path = `/logs?id=${encodeURIComponent(id)}&follow=false`;
  const outcome = sendForBytes(nk, api, {
    operation: 'stream-logs',
    path,
    timeoutMs,
    headers: { Accept: 'text/plain' },
  });
  if (outcome.kind !== 'done' || !/^\s*<(!doctype|html)/i.test(outcome.value)) return outcome;
  return unreadable(api, 'stream-logs', 200, 'The output of the session is a web page: a proxy answered.');
}

/**
 * GET /artifacts: a file or a folder of a session that has ended, as .tar.gz in base64. Compressed once more on its way, it
 * would be unpacked on arrival.
 */
export function readArtifact(nk: Nakama, api: Endpoint, id: string, file: string, timeoutMs: number): Outcome<string> {
  const path = `/artifacts?session=${encodeURIComponent(id)}&path=${encodeURIComponent(file)}`;
  const headers = { Accept: '*/*', 'Accept-Encoding': 'identity' };
  const outcome = sendForBytes(nk, api, { operation: 'artifacts', path, timeoutMs, headers });
  if (outcome.kind !== 'done') return outcome;
  // The bytes are in the text for as long as nobody takes it apart.
  const value = nk.base64Encode(outcome.value);
  if (value.startsWith(GZIP)) return { kind: 'done', value };
  return unreadable(api, 'artifacts', 200, 'The artifact is no .tar.gz archive.');
}

/** How a gzip file begins, in base64. */
const GZIP = 'H4sI';

/** A GET whose 200 is no JSON. What is too long has arrived already, so whoever reads it decides. */
function sendForBytes(nk: Nakama, api: Endpoint, request: Omit<Request, 'method'>): Outcome<string> {
  const outcome = send(nk, api, { ...request, method: 'get', raw: true, maxBody: Infinity });
  return outcome.kind === 'done' ? { kind: 'done', value: String(outcome.value.body) } : outcome;
}

function readReply<T>(
  api: Endpoint,
  outcome: Outcome<Reply>,
  operation: Operation,
  read: (body: unknown) => T | string,
): Outcome<T> {
  if (outcome.kind !== 'done') return outcome;
  const value = read(outcome.value.body);
  if (typeof value !== 'string') return { kind: 'done', value };
  return unreadable(api, operation, outcome.value.status, value);
}
