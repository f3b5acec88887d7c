import { invalid, optionalObject, optionalText, type Payload } from '../fields';
import type { Json } from '../servers/results';

/* What the RPCs about results read of a payload. */

const LONGEST = 16_000;
const LONGEST_ROUND = 64;
const MOST_FORGOTTEN = 100;
/** A session id, a slash and a round. */
const LONGEST_ID = 200;

/** The document of a game server. */
export function resultIn(payload: Payload): Json {
  if (payload['result'] === undefined) return invalid('result', 'must be a JSON object.');
  const result = optionalObject(payload, 'result');
  if (JSON.stringify(result).length <= LONGEST) return result;
  return invalid('result', `is too large: at most ${LONGEST} characters as JSON.`);
}

/** Which round it is of; undefined: the whole session. */
export function roundIn(payload: Payload): string | undefined {
  if (payload['round'] === undefined) return undefined;
  const round = optionalText(payload, 'round', LONGEST_ROUND, '');
  return round === '' ? invalid('round', `must be a text of 1 to ${LONGEST_ROUND} characters, or missing.`) : round;
}

/** The results that a caller has. */
export function resultIds(payload: Payload): string[] {
  const value = payload['forget'] ?? [];
  const isList = Array.isArray(value) && value.length <= MOST_FORGOTTEN;
  const ids = isList ? (value as unknown[]) : [];
  if (isList && ids.every((id) => typeof id === 'string' && id.length <= LONGEST_ID)) return ids as string[];
  return invalid('forget', `must be a list of at most ${MOST_FORGOTTEN} ids of results.`);
}
