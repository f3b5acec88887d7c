import { SECOND } from '../config';
import { ENV_KEY, metadataProblem } from '../metadata';
import type { AllocationRequest, Latency } from '../records';
import { callbackNames } from '../extension/callbacks';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { Code, rpcError } from '../refusal';
import { configFor } from '../mode-config';
import { isRegionList, readSettings, REQUEST_SETTINGS } from '../settings';
import { isRegionName } from '../text';
import { isEnvironment, isImageName, isObject } from '../values';
import { flag, invalid, optionalObject, userIds, wholeNumber, type Payload } from '../fields';

/** What a request may say about its session, whoever makes it: `fleet_create` or a module's `onMatched`. */
export const SHAPE_FIELDS = ['mode', 'regions', 'image', 'version', 'env', 'metadata', 'callback', ...REQUEST_SETTINGS];

/** Nothing waits longer for its first player than a day. */
const MOST_EMPTY_SECONDS = 86_400;

/** Reads the payload of `fleet_create`. */
export function allocationRequest(call: Call, payload: Payload): AllocationRequest {
  const players = userIds(payload, 'user_ids', 0);
  const shape = shapeOf(call, payload);
  return {
    user_ids: players,
    max_players: places(payload, players, configFor(call.config, shape).maxPlayers),
    latencies: latencies(payload),
    ...shape,
    ...sharing(payload),
    ...(payload['empty_timeout'] === undefined ? {} : { empty_timeout_ms: emptyTimeoutMs(payload, players) }),
  };
}

/** Reads the payload of `fleet_find_or_create`, but for its query. */
export function findRequest(call: Call, payload: Payload): AllocationRequest {
  const players = userIds(payload, 'user_ids', 1);
  const shape = shapeOf(call, payload);
  return {
    user_ids: players,
    max_players: places(payload, players, configFor(call.config, shape).maxPlayers ?? players.length),
    latencies: latencies(payload),
    ...shape,
    ...sharing(payload),
    ...(payload['notify'] === undefined ? {} : { notify: flag(payload, 'notify') }),
  };
}

function places(payload: Payload, players: string[], usual: number | undefined): number {
  const isUsual = payload['max_players'] === undefined && usual !== undefined;
  const most = isUsual ? usual : wholeNumber(payload, 'max_players', 1, 10_000);
  return players.length > most ? invalid('max_players', 'is less than the number of user_ids.') : most;
}

/** Whether others may be seated there: nothing, unless the payload says no. */
export function sharing(payload: Payload): { backfill?: false } {
  return payload['backfill'] !== undefined && !flag(payload, 'backfill') ? { backfill: false } : {};
}

function emptyTimeoutMs(payload: Payload, players: string[]): number {
  const seconds = wholeNumber(payload, 'empty_timeout', 1, MOST_EMPTY_SECONDS);
  if (players.length === 0) return seconds * SECOND;
  return invalid('empty_timeout', 'is for a session without user_ids: with players GAMEYE_EMPTY_GRACE holds.');
}

/** Reads the SHAPE_FIELDS of a payload. `env` becomes part of the metadata, where launch.ts finds it. */
export function shapeOf(
  call: Call,
  payload: Payload,
): Pick<AllocationRequest, 'metadata' | 'mode' | 'settings' | 'regions' | 'image' | 'version' | 'callback'> {
  const settings = readSettings(payload, REQUEST_SETTINGS, call.config.nakamaUrl !== undefined, invalid);
  const metadata = metadataFrom(payload);
  const env = payload['env'] === undefined ? {} : environment(payload, metadata);
  return {
    metadata: { ...metadata, ...env },
    ...(payload['mode'] === undefined ? {} : { mode: modeIn(call, payload) }),
    ...(Object.keys(settings).length === 0 ? {} : { settings }),
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
  if (!isEnvironment(env)) return invalid('env', 'must be an object of non-empty texts, with names such as GAME_MODE.');
  return { [ENV_KEY]: { ...(metadata[ENV_KEY] as object | undefined), ...env } };
}

/** The name of a mode that there is; an empty one: none. */
export function modeIn({ config }: Call, payload: Payload): string {
  const value = payload['mode'] ?? '';
  if (typeof value === 'string' && (value === '' || config.modes[value])) return value;
  const there = Object.keys(config.modes).join(', ');
  return invalid('mode', there === '' ? 'is unknown: GAMEYE_MODES is not set.' : `must be one of ${there}.`);
}

/** An image or a version, which nobody but Gameye can check. */
function name(payload: Payload, field: string): string {
  const value = payload[field];
  if (isImageName(value)) return value;
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
  const rule = 'must be a list of at most 10000 {user_id, region, ms}.';
  return measured(payload, 10_000, rule, ({ user_id, region, ms }) =>
    typeof user_id === 'string' && typeof region === 'string' && isLatency(ms) ? { user_id, region, ms } : undefined,
  );
}

/** A player's own measurements. */
export function ownLatencies(payload: Payload, user_id: string): Latency[] {
  const rule = 'must be a list of at most 50 {region, ms}.';
  return measured(payload, 50, rule, ({ region, ms }) =>
    typeof region === 'string' && isRegionName(region) && isLatency(ms) ? { user_id, region, ms } : undefined,
  );
}

function measured(
  payload: Payload,
  most: number,
  rule: string,
  read: (entry: Payload) => Latency | undefined,
): Latency[] {
  const value = payload['latencies'] ?? [];
  if (!Array.isArray(value) || value.length > most) return invalid('latencies', rule);
  return value.map((entry: unknown) => read(isObject(entry) ? entry : {}) ?? invalid('latencies', rule));
}

function isLatency(ms: unknown): ms is number {
  return typeof ms === 'number' && ms >= 0 && ms < 1e6;
}

function regions(payload: Payload): string[] {
  const value = payload['regions'];
  return isRegionList(value) ? value : invalid('regions', 'must be a list of 1 to 50 different regions.');
}
