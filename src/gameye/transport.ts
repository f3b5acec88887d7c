import type { HttpResponse, Nakama, RequestMethod } from '../nakama/runtime';
import { errorText } from '../nakama/log';
import { time } from '../nakama/metrics';
import { SECOND } from '../config';
import { storable } from '../text';
import { secureTwin, whatBroke } from './connection';
import { classifyStatus, mayHaveHappened, type Failure, type Operation, type Outcome } from './failure';
import { redactionFor, type Redaction } from './redaction';

export interface Endpoint {
  apiUrl: string;
  apiToken: string;
}

export interface Request {
  operation: Operation;
  method: RequestMethod;
  /** Below the API's URL, already encoded. */
  path: string;
  body?: object;
  /** Beside, or instead of, those that every request has. */
  headers?: { [header: string]: string };
  timeoutMs: number;
  /** The longest answer that is read, in characters. */
  maxBody?: number;
  /** The body of a 2xx comes as it is, not parsed: what the database reads, or what is no JSON. */
  raw?: boolean;
}

/** What a 2xx brought: parsed JSON, or undefined for an empty body; with `raw` its text. */
export interface Reply {
  status: number;
  body: unknown;
}

// Single answers are below 10 KB; whatever is larger is not one, and parsing it would only cost memory.
const MAX_BODY = 256 * 1024;

/** Operations whose 404 says something about one session. */
const ABOUT_SESSION: Operation[] = ['describe-session', 'session-stop', 'stream-logs', 'artifacts'];

/** Nobody waits longer because the API asks for it: neither players nor a session that has to be stopped. */
const LONGEST_WAIT_SECONDS = 30;

/**
 * Sends one request: the only caller of `nk.httpRequest`. Never throws. It blocks its VM until the answer or the
 * timeout, so only workers and RPCs may call it, never the matchmaker hook.
 */
export function send(nk: Nakama, endpoint: Endpoint, request: Request): Outcome<Reply> {
  const sentAt = Date.now();
  const outcome = exchange(nk, endpoint, request);
  const labels = { operation: request.operation, outcome: outcome.kind === 'done' ? 'done' : outcome.failure.kind };
  time(nk, 'gameye_api', labels, Date.now() - sentAt);
  return outcome;
}

function exchange(nk: Nakama, endpoint: Endpoint, request: Request): Outcome<Reply> {
  const headers: { [header: string]: string } = {
    Accept: 'application/json',
    Authorization: `Bearer ${endpoint.apiToken}`,
  };
  if (request.body) headers['Content-Type'] = 'application/json';
  Object.assign(headers, request.headers);
  const { operation } = request;
  const redaction = redactionFor(endpoint.apiToken, request.body);
  let response;
  try {
    response = nk.httpRequest(
      endpoint.apiUrl + request.path,
      request.method,
      headers,
      request.body ? JSON.stringify(request.body) : '',
      Math.max(1, Math.round(request.timeoutMs)),
    );
  } catch (error) {
    return broken(endpoint, operation, redaction, error instanceof Error ? error.message : String(error));
  }
  const { code: status, body } = response;
  const isDone = status >= 200 && status < 300;
  const maxBody = request.maxBody ?? MAX_BODY;
  if (isDone && request.raw && body.length <= maxBody) return { kind: 'done', value: { status, body } };
  const parsed = parse(body, maxBody, redaction);
  if (isDone) {
    if (answersGet(operation, response, parsed)) return redirected(endpoint, operation, status);
    if ('unreadable' in parsed) return unreadable(endpoint, operation, status, parsed.unreadable);
    return { kind: 'done', value: { status, body: parsed.body } };
  }
  const message = 'unreadable' in parsed ? parsed.unreadable : describe(parsed.body);
  const identifier = 'unreadable' in parsed ? undefined : stringField(parsed.body, 'identifier');
  const retryAfter = retryAfterMs(response.headers);
  const classified = classifyStatus(operation, status, message);
  // A session is over when the API says so. A proxy that has lost the API answers 404 as well, with a page of its own.
  const isProxys = 'unreadable' in parsed || !isRecord(parsed.body);
  const isAboutSession = ABOUT_SESSION.includes(operation);
  const kind = classified === 'not-found' && isAboutSession && isProxys ? 'unavailable' : classified;
  if (kind === 'redirected') return redirected(endpoint, operation, status);
  return {
    kind: mayHaveHappened(kind) ? 'unknown' : 'refused',
    failure: {
      kind,
      operation,
      message: storable(redaction.words(message), 500),
      status,
      ...(identifier === undefined ? {} : { identifier: storable(redaction.words(identifier), 200) }),
      ...(retryAfter === undefined ? {} : { retry_after_ms: retryAfter }),
    },
  };
}

/** There was no answer. */
function broken(endpoint: Endpoint, operation: Operation, { words }: Redaction, text: string): Outcome<never> {
  const { kind, nothingSent, timedOut, redirectedTo } = whatBroke(text, endpoint.apiUrl);
  const failure: Failure = {
    kind,
    operation,
    message: errorText(words(text)),
    ...(timedOut ? { timed_out: true } : {}),
    ...(redirectedTo === undefined ? {} : { set_url: storable(words(redirectedTo), 200) }),
  };
  return { kind: nothingSent ? 'refused' : 'unknown', failure };
}

/**
 * Go follows redirects, and after most of them it asks with a GET what was sent as a POST or a DELETE. The runtime does not
 * tell, but no start is answered with a list of sessions, and no stop with the description of one.
 */
function answersGet(operation: Operation, { code, body }: HttpResponse, parsed: Parsed): boolean {
  if (operation === 'session-run') return code === 200 && /^\s*\{\s*"sessions"\s*:/.test(body);
  if (operation !== 'session-stop' || 'unreadable' in parsed) return false;
  return ['id', 'status', 'host'].every((field) => stringField(parsed.body, field) !== undefined);
}

function redirected(endpoint: Endpoint, operation: Operation, status: number): Outcome<never> {
  const url = secureTwin(endpoint.apiUrl);
  const message = 'GAMEYE_API_URL redirects: what was answered is not what was asked.';
  return {
    kind: 'refused',
    failure: { kind: 'redirected', operation, message, status, ...(url === undefined ? {} : { set_url: url }) },
  };
}

/** A 2xx whose body is not what it should be: the request was probably carried out. */
export function unreadable(endpoint: Endpoint, operation: Operation, status: number, message: string): Outcome<never> {
  const text = storable(redactionFor(endpoint.apiToken, undefined).words(message), 500);
  return { kind: 'unknown', failure: { kind: 'unknown', operation, message: text, status } };
}

type Parsed = { body: unknown } | { unreadable: string };

function parse(text: string, maxBody: number, redaction: Redaction): Parsed {
  if (text === '') return { body: undefined };
  if (text.length > maxBody)
    return { unreadable: `The answer has ${text.length} characters, which no answer of the API has.` };
  try {
    // Written with escapes, a secret would be one only after it was read.
    const plain = text.includes('\\u') ? JSON.stringify(JSON.parse(text)) : text;
    return { body: JSON.parse(redaction.body(plain)) as unknown };
  } catch {
    return { unreadable: `The answer is not JSON: ${redaction.words(text).replace(/\s+/g, ' ').slice(0, 120)}` };
  }
}

/** The words of the API's ErrorResponse: message, details and the fields that it names. */
function describe(body: unknown): string {
  const words = [stringField(body, 'message'), stringField(body, 'details')];
  const violations = isRecord(body) && Array.isArray(body['violations']) ? (body['violations'] as unknown[]) : [];
  for (const violation of violations.slice(0, 5)) {
    words.push(`${stringField(violation, 'field') ?? ''} ${stringField(violation, 'description') ?? ''}`.trim());
  }
  return words.filter((word) => word !== undefined && word !== '').join(': ') || 'no message';
}

function retryAfterMs(headers: unknown): number | undefined {
  const values = isRecord(headers) ? headers['Retry-After'] : undefined;
  const seconds = Array.isArray(values) ? Number(values[0]) : NaN;
  // More than an hour is no wait that anybody means.
  return seconds > 0 && seconds <= 3600 ? Math.round(Math.min(seconds, LONGEST_WAIT_SECONDS) * SECOND) : undefined;
}

/** True for a JSON object. */
export function isRecord(value: unknown): value is { [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function stringField(body: unknown, key: string): string | undefined {
  const value = isRecord(body) ? body[key] : undefined;
  return typeof value === 'string' ? value : undefined;
}
