import { ENV_KEY, metadataProblem } from '../metadata';
import type { AllocationRequest, Latency } from '../records';
import { callbackNames } from '../extension/callbacks';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { Code, rpcError } from '../refusal';
import { isRegionName } from '../text';
import { invalid, optionalObject, userIds, wholeNumber, type Payload } from '../fields';

/** What a request may say about its session, whoever makes it: `fleet_create` or a module's `onMatched`. */
export const SHAPE_FIELDS = ['regions', 'image', 'version', 'env', 'metadata', 'callback'];

/** Reads the payload of `fleet_create`. */
export function allocationRequest(call: Call, payload: Payload): AllocationRequest {
  const players = userIds(payload, 'user_ids', 0);
  const maxPlayers = wholeNumber(payload, 'max_players', 1, 10_000);
  if (players.length > maxPlayers) return invalid('max_players', 'is less than the number of user_ids.');
  return { user_ids: players, max_players: maxPlayers, latencies: latencies(payload), ...shapeOf(call, payload) };
}

/** Reads the SHAPE_FIELDS of a payload. `env` becomes part of the metadata, where launch.ts finds it. */
export function shapeOf(
  call: Call,
  payload: Payload,
): Pick<AllocationRequest, 'metadata' | 'regions' | 'image' | 'version' | 'callback'> {
  const metadata = metadataFrom(payload);
  const env = payload['env'] === undefined ? {} : environment(payload, metadata);
  return {
    metadata: { ...metadata, ...env },
    ...(payload['regions'] === undefined ? {} : { regions: regions(payload) }),
    ...(payload['image'] === undefined ? {} : { image: name(payload, 'image') }),
    ...(payload['version'] === undefined ? {} : { version: name(payload, 'version') }),
    ...(payload['callback'] === undefined ? {} : { callback: callback(call, payload['callback']) }),
  };
}

export function metadataFrom(payload: Payload): { [key: string]: unknown } {
  const metadata = optionalObject(payload, 'metadata');
  const problem = metadataProblem(metadata);
  return problem === undefined ? metadata : rpcError(Code.INVALID_ARGUMENT, problem);
}

function environment(payload: Payload, metadata: { [key: string]: unknown }): { [key: string]: unknown } {
  const env = optionalObject(payload, 'env');
  const valid = Object.entries(env).every(
    ([key, value]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) && typeof value === 'string' && value !== '',
  );
  if (!valid) return invalid('env', 'must be an object of non-empty texts, with names such as GAME_MODE.');
  return { [ENV_KEY]: { ...(metadata[ENV_KEY] as object | undefined), ...env } };
}

/** An image or a version, which nobody but Gameye can check. */
function name(payload: Payload, field: string): string {
  const value = payload[field];
  if (typeof value === 'string' && /^[\x21-\x7e]{1,200}$/.test(value)) return value;
  return invalid(field, 'must be a text of 1 to 200 characters without spaces.');
}

function callback(call: Call, value: unknown): string {
  const names = callbackNames();
  if (typeof value === 'string' && names.includes(value)) return value;
  const asked = typeof value === 'string' ? value.slice(0, 100) : `(${typeof value})`;
  withFields(call.logger, { callback: asked, known: names.join(', ') }).warn(
    'Gameye: a request names a callback that does not exist.',
  );
  const known = names.length > 0 ? `There are: ${names.join(', ')}.` : 'There is none.';
  return invalid('callback', `must be the name of a callback that the module gave to configure(). ${known}`);
}

function latencies(payload: Payload): Latency[] {
  const value = payload['latencies'] ?? [];
  const rule = 'must be a list of at most 10000 {user_id, region, ms}.';
  if (!Array.isArray(value) || value.length > 10_000) return invalid('latencies', rule);
  return (value as unknown[]).map((entry) => {
    const one = (typeof entry === 'object' && entry !== null ? entry : {}) as { [key: string]: unknown };
    const { user_id, region, ms } = one;
    if (typeof user_id !== 'string' || typeof region !== 'string') return invalid('latencies', rule);
    if (typeof ms !== 'number' || !(ms >= 0 && ms < 1e6)) return invalid('latencies', rule);
    return { user_id, region, ms };
  });
}

function regions(payload: Payload): string[] {
  const value = payload['regions'];
  const valid =
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= 50 &&
    value.every((one) => typeof one === 'string' && isRegionName(one)) &&
    new Set(value).size === value.length;
  return valid ? (value as string[]) : invalid('regions', 'must be a list of 1 to 50 different regions.');
}
