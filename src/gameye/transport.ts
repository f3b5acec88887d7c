import type { Nakama, RequestMethod } from '../nakama/runtime';
import { errorText } from '../nakama/log';
import { time } from '../nakama/metrics';
import { storable } from '../text';
import { classifyStatus, mayHaveHappened, type Operation, type Outcome } from './failure';

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
  timeoutMs: number;
  /** The longest answer that is read, in characters. */
  maxBody?: number;
  /** The body of a 2xx comes as it is, not parsed: for what the database reads. */
  raw?: boolean;
}

/** What a 2xx brought: parsed JSON, or undefined for an empty body; with `raw` its text. */
export interface Reply {
  status: number;
  body: unknown;
}

// Single answers are below 10 KB; whatever is larger is not one, and parsing it would only cost memory.
const MAX_BODY = 256 * 1024;

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
    const message = errorText(redact(endpoint, error instanceof Error ? error.message : String(error)));
    // Nothing was sent when nobody listens or the name is unknown; Go's texts are the only sign (net/http, net).
    const nothingSent = /connection refused|no such host|request is invalid/.test(message);
    return nothingSent
      ? { kind: 'refused', failure: { kind: 'unavailable', operation: request.operation, message } }
      : { kind: 'unknown', failure: { kind: 'unknown', operation: request.operation, message, ...timedOut(message) } };
  }
  const isDone = response.code >= 200 && response.code < 300;
  const maxBody = request.maxBody ?? MAX_BODY;
  if (isDone && request.raw && response.body.length <= maxBody) {
    return { kind: 'done', value: { status: response.code, body: response.body } };
  }
  const parsed = parse(endpoint, response.body, maxBody);
  if (isDone) {
    if (!('unreadable' in parsed)) return { kind: 'done', value: { status: response.code, body: parsed.body } };
    return unreadable(endpoint, request.operation, response.code, parsed.unreadable);
  }
  const message = 'unreadable' in parsed ? parsed.unreadable : describe(parsed.body);
  const identifier = 'unreadable' in parsed ? undefined : stringField(parsed.body, 'identifier');
  const retryAfter = retryAfterMs(response.headers);
  const kind = classifyStatus(request.operation, response.code, message);
  return {
    kind: mayHaveHappened(kind) ? 'unknown' : 'refused',
    failure: {
      kind,
      operation: request.operation,
      message: storable(redact(endpoint, message), 500),
      status: response.code,
      ...(identifier === undefined ? {} : { identifier: storable(redact(endpoint, identifier), 200) }),
      ...(retryAfter === undefined ? {} : { retry_after_ms: retryAfter }),
    },
  };
}

/** Go's texts again (context, net). */
function timedOut(message: string): { timed_out?: true } {
  return /deadline exceeded|i\/o timeout/.test(message) ? { timed_out: true } : {};
}

/** A 2xx whose body is not what it should be: the request was probably carried out. */
export function unreadable(endpoint: Endpoint, operation: Operation, status: number, message: string): Outcome<never> {
  const text = storable(redact(endpoint, message), 500);
  return { kind: 'unknown', failure: { kind: 'unknown', operation, message: text, status } };
}

/** An API that echoes the token must not get it into our logs and records. Before any cut: half a token is no token. */
function redact(endpoint: Endpoint, message: string): string {
  return message.split(endpoint.apiToken).join('[token]');
}

function parse(endpoint: Endpoint, text: string, maxBody: number): { body: unknown } | { unreadable: string } {
  if (text === '') return { body: undefined };
  if (text.length > maxBody)
    return { unreadable: `The answer has ${text.length} characters, which no answer of the API has.` };
  try {
    return { body: JSON.parse(text) as unknown };
  } catch {
    return { unreadable: `The answer is not JSON: ${redact(endpoint, text).replace(/\s+/g, ' ').slice(0, 120)}` };
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
  return seconds > 0 && seconds <= 3600 ? Math.round(seconds * 1000) : undefined;
}

/** True for a JSON object. */
export function isRecord(value: unknown): value is { [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function stringField(body: unknown, key: string): string | undefined {
  const value = isRecord(body) ? body[key] : undefined;
  return typeof value === 'string' ? value : undefined;
}
