import { Code, rpcError } from './refusal';
import { hasUnstorable } from './text';

/** The fields of an RPC's JSON payload. Readers end the RPC with code 3 and a sentence that names the field. */
export type Payload = { [field: string]: unknown };

const MOST_USERS = 1000;
/** Far more than any payload of ours needs, far less than makes a parser run out of stack. */
const DEEPEST = 32;

/**
 * Parses a payload; a field that the RPC does not know is an error, because it is a spelling mistake. Many serializers write
 * null for what is not there, so it is the same as missing, except in `nulls`.
 */
export function parsePayload(text: string | undefined, known: string[], nulls?: string[]): Payload {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text === undefined || text === '' ? '{}' : text);
  } catch {
    return rpcError(
      Code.INVALID_ARGUMENT,
      'The payload is not JSON. Send an object, as a JSON string or with ?unwrap.',
    );
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return rpcError(Code.INVALID_ARGUMENT, 'The payload must be a JSON object.');
  }
  const payload = knownFieldsOnly(parsed as Payload, known, nulls);
  if (isTooDeep(payload, DEEPEST)) {
    return rpcError(Code.INVALID_ARGUMENT, `The payload is nested too deeply: ${DEEPEST} levels at most.`);
  }
  if (hasUnstorable(payload)) {
    return rpcError(Code.INVALID_ARGUMENT, 'The payload has a text with a NUL character or half a surrogate pair.');
  }
  return payload;
}

/** True when a value has more levels of objects and lists than this. */
function isTooDeep(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isTooDeep(inner, levels - 1));
}

/** The payload without fields that are null, except those that may be, when it has no other fields than these. */
export function knownFieldsOnly(payload: Payload, known: string[], nulls: string[] = []): Payload {
  const unknown = Object.keys(payload).filter((field) => !known.includes(field));
  if (unknown.length === 0) {
    return Object.fromEntries(
      Object.entries(payload).filter(([field, value]) => value !== null || nulls.includes(field)),
    );
  }
  const named = unknown.slice(0, 10).map((field) => JSON.stringify(field.slice(0, 50)));
  const names = named.join(', ') + (unknown.length > 10 ? ' and more' : '');
  return rpcError(Code.INVALID_ARGUMENT, `Unknown field ${names}. Known here: ${known.join(', ') || 'no field'}.`);
}

/** A session id: 1 to 128 letters, digits and `._:-`. */
export function sessionId(payload: Payload, field = 'id'): string {
  const value = payload[field];
  if (typeof value === 'string' && /^[A-Za-z0-9._:-]{1,128}$/.test(value)) return value;
  return invalid(field, 'must be a session id, as fleet_create and fleet_list give it.');
}

/** Nakama user ids, without repetitions, in the order given. */
export function userIds(payload: Payload, field: string, fewest: number): string[] {
  const value = payload[field] ?? [];
  const rule = `must be a list of ${fewest} to ${MOST_USERS} Nakama user ids.`;
  if (!Array.isArray(value) || value.length < fewest || value.length > MOST_USERS) return invalid(field, rule);
  const ids = (value as unknown[]).map((id) => (isUserId(id) ? id.toLowerCase() : invalid(field, rule)));
  return ids.filter((id, position) => ids.indexOf(id) === position);
}

/** A whole number within bounds. */
export function wholeNumber(payload: Payload, field: string, least: number, most: number): number {
  const value = payload[field];
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  return invalid(field, `must be a whole number from ${least} to ${most}.`);
}

/** A text, or the fallback when the field is missing. */
export function optionalText(payload: Payload, field: string, longest: number, fallback: string): string {
  const value = payload[field] ?? fallback;
  if (typeof value === 'string' && value.length <= longest) return value;
  return invalid(field, `must be a text of at most ${longest} characters.`);
}

/** True or false, and one of them has to be there. */
export function flag(payload: Payload, field: string): boolean {
  const value = payload[field];
  return typeof value === 'boolean' ? value : invalid(field, 'must be true or false.');
}

/** True or false; false when the field is missing. */
export function optionalFlag(payload: Payload, field: string): boolean {
  const value = payload[field] ?? false;
  return typeof value === 'boolean' ? value : invalid(field, 'must be true or false.');
}

/** A JSON object, or an empty one when the field is missing. */
export function optionalObject(payload: Payload, field: string): { [key: string]: unknown } {
  const value = payload[field] ?? {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as { [key: string]: unknown };
  return invalid(field, 'must be a JSON object.');
}

/** Ends the RPC because of one field. */
export function invalid(field: string, rule: string): never {
  return rpcError(Code.INVALID_ARGUMENT, `"${field}" ${rule}`);
}

function isUserId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value);
}
