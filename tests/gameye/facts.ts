import type { Operation } from '../../dev/gameye/faults.ts';

/*
 * What this module relies on of the Session API, in our own words: an excerpt of the facts, not the document. It is there on
 * every machine; where the official document lies beside the project, contract.test.ts checks that they say the same.
 */

/** What an answer has at least, and what JSON type each of these is. */
export interface Answer {
  [field: string]: 'string' | 'number' | 'boolean' | 'array' | 'object';
}

export interface OperationFacts {
  /** What the answer to a request that succeeds has; a text: its media type; null: it has no body. */
  success: { status: number; body: Answer | string | null };
  /** Every other status that can come. */
  refusals: number[];
  /** Fields that a request's body must have and those that it may have; there are no others. */
  body?: { required: string[]; optional: string[] };
}

/** Every refusal has these. */
export const REFUSAL: Answer = {
  statusCode: 'number',
  code: 'string',
  message: 'string',
  details: 'string',
  path: 'string',
  identifier: 'string',
  timestamp: 'string',
};

const PLAYERS: Answer = { count: 'number', players: 'array' };

export const FACTS: Record<Operation, OperationFacts> = {
  'session-run': {
    success: { status: 201, body: { host: 'string', ports: 'array' } },
    refusals: [401, 402, 403, 404, 409, 420, 422],
    body: {
      required: ['location', 'image'],
      optional: ['id', 'env', 'args', 'restart', 'labels', 'version', 'ttl', 'external_id'],
    },
  },
  'session-list': { success: { status: 200, body: { sessions: 'array' } }, refusals: [401, 403] },
  'describe-session': {
    success: {
      status: 200,
      body: {
        ...{ id: 'string', image: 'string', tag: 'string', location: 'string', host: 'string', created: 'number' },
        ...{ port: 'object', status: 'string', labels: 'object', players: 'object' },
      },
    },
    refusals: [401, 403, 404],
  },
  'session-stop': { success: { status: 204, body: null }, refusals: [401, 403, 404, 409] },
  'join-session': {
    success: { status: 200, body: PLAYERS },
    refusals: [401, 403, 404, 422],
    body: { required: ['session', 'players'], optional: [] },
  },
  // The one operation on players that names no session: they leave whatever session they are in.
  'leave-session': {
    success: { status: 200, body: PLAYERS },
    refusals: [401, 403, 404, 422],
    body: { required: ['players'], optional: [] },
  },
  artifacts: { success: { status: 200, body: 'application/x-tar' }, refusals: [401, 403, 404] },
  'get-available-locations': { success: { status: 200, body: { locations: 'array' } }, refusals: [401, 403, 404] },
  'tag-exists': { success: { status: 200, body: { exists: 'boolean' } }, refusals: [400, 401, 403, 404] },
  'stream-logs': { success: { status: 200, body: 'text/plain' }, refusals: [401, 403, 404] },
};

/** What is wrong with a response, by these facts; undefined when nothing is. */
export function factsObjection(operation: Operation, status: number, type: string, body: unknown): string | undefined {
  const { success, refusals } = FACTS[operation];
  const about = `${operation} ${status}`;
  const isSuccess = status === success.status;
  if (!isSuccess && !refusals.includes(status)) return `${operation} may not answer ${status}`;
  const expected = isSuccess ? success.body : REFUSAL;
  if (expected === null) return body === undefined ? undefined : `${about} must have no body`;
  const mediaType = typeof expected === 'string' ? expected : 'application/json';
  if (!type.startsWith(mediaType)) return `${about} may not be "${type}"`;
  if (typeof expected === 'string') return undefined;
  const fields = (body ?? {}) as Record<string, unknown>;
  const wrong = Object.keys(expected).filter((field) => typeOf(fields[field]) !== expected[field]);
  return wrong.length === 0 ? undefined : `${about} has a wrong body: ${wrong.join(', ')} in ${JSON.stringify(body)}`;
}

function typeOf(value: unknown): string {
  return Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
}
