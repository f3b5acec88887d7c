import type { VersionRule } from '../allocation/orders';
import { modeIn } from '../allocation/shape';
import type { Selection } from '../database/operators';
import { invalid, optionalFlag, optionalText, sessionId, wholeNumber, type Payload } from '../fields';
import type { Call } from '../nakama/caller';
import { drain, drainOne, type Drained } from '../operations/drain';
import { sessionArtifact, sessionLogs, type Logs } from '../operations/output';
import { readCursor } from '../operations/selection';
import { terminate, terminateOne, type Terminated } from '../operations/terminate';
import { allRegions, setRegion, setVersions } from '../operations/orders';
import { Code, rpcError } from '../refusal';
import { ReadyJson, storable } from '../text';
import { isObject } from '../values';

/* The RPCs of operators that read more than simple fields. */

export function drainMeant(call: Call, payload: Payload): Drained {
  const { id, selection, cursor } = meant(payload);
  const undo = optionalFlag(payload, 'undo');
  // It never answers one: all instances are drained at once.
  readCursor(cursor, 'gameye_drain');
  return id === undefined ? drain(call, selection, undo) : drainOne(call, id, selection, undo);
}

export function terminateMeant(call: Call, payload: Payload): Terminated {
  const { id, selection, cursor } = meant(payload);
  const confirm = optionalFlag(payload, 'confirm');
  return id === undefined ? terminate(call, selection, confirm, cursor) : terminateOne(call, id, selection);
}

export function setVersion(call: Call, payload: Payload): object {
  const mode = modeIn(call, payload);
  const region = payload['region'] === undefined ? {} : { region: regionIn(call, payload) };
  const rule = ruleIn(payload);
  const allow = versionsIn(payload, 'allow');
  const draining = versionsIn(payload, 'draining');
  if (!rule && !allow && !draining) {
    return rpcError(Code.INVALID_ARGUMENT, '"version", "weights", "allow" or "draining" must be there: what is set?');
  }
  const change = {
    mode,
    ...region,
    ...(rule ? { rule } : {}),
    ...(allow ? { allow } : {}),
    ...(draining ? { draining } : {}),
  };
  return setVersions(call, change, optionalFlag(payload, 'force'), Date.now());
}

export function switchRegion(call: Call, payload: Payload): object {
  const region = regionIn(call, payload);
  const state = payload['state'];
  const reason = storable(optionalText(payload, 'reason', 500, ''), 500).trim();
  if (state !== 'on' && state !== 'off' && state !== 'maintenance') {
    return invalid('state', 'must be "on", "off" or "maintenance".');
  }
  if ((state === 'maintenance') !== (reason !== '')) {
    return invalid('reason', 'must be there with "maintenance", and only then: players are told it.');
  }
  const set_at = new Date(Date.now()).toISOString();
  return setRegion(call, region, state === 'on' ? undefined : { state, ...(reason === '' ? {} : { reason }), set_at });
}

function regionIn(call: Call, payload: Payload): string {
  const region = optionalText(payload, 'region', 128, '');
  const all = allRegions(call);
  return all.includes(region) ? region : invalid('region', `must be one of the configured regions: ${all.join(', ')}.`);
}

/** Undefined: nothing is said about which version is in force. An empty one goes back to the configured version. */
function ruleIn(payload: Payload): VersionRule | undefined {
  const { version, weights } = payload;
  if (weights === undefined) {
    if (version === undefined) return undefined;
    return version === null || version === '' ? {} : { version: versionName('version', version) };
  }
  if (version !== undefined) return invalid('weights', 'cannot be there together with "version".');
  const rule = 'must give versions whole numbers that add up to 100, such as {"1.4.0": 90, "1.4.1": 10}.';
  if (!isObject(weights)) return invalid('weights', rule);
  const shares = Object.values(weights);
  const isShare = (share: unknown): share is number =>
    typeof share === 'number' && Number.isInteger(share) && share > 0;
  if (!shares.every(isShare) || shares.reduce((sum, share) => sum + share, 0) !== 100) return invalid('weights', rule);
  Object.keys(weights).forEach((name) => versionName('weights', name));
  return { weights: weights as { [version: string]: number } };
}

function versionsIn(payload: Payload, field: string): string[] | undefined {
  const value = payload[field];
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length > 50) return invalid(field, 'must be a list of at most 50 versions.');
  return value.map((one) => versionName(field, one));
}

/** The end of what a session's game server wrote. */
export function logsOf(call: Call, payload: Payload): Logs {
  const limit = payload['limit'] === undefined ? 65_536 : wholeNumber(payload, 'limit', 1, 1_000_000);
  return sessionLogs(call, sessionId(payload), limit);
}

/** A file or a folder that a session left. */
export function artifactOf(call: Call, payload: Payload): ReadyJson {
  const { path } = payload;
  if (typeof path !== 'string' || !/^\/[^]{0,999}$/.test(path)) {
    return invalid(
      'path',
      'must be the absolute path of a file or a folder in the container, such as /game/crash.log.',
    );
  }
  const { tar_gz, ...rest } = sessionArtifact(call, sessionId(payload), path);
  // Base64 is JSON as it is.
  return new ReadyJson(`${JSON.stringify(rest).slice(0, -1)},"tar_gz":"${tar_gz}"}`);
}

/** By what instances are selected; at least one must be there. */
export const SELECTING = ['id', 'mode', 'image', 'version', 'region'] as const;

function meant(payload: Payload): { id: string | undefined; selection: Selection; cursor: string } {
  if (SELECTING.every((field) => payload[field] === undefined)) {
    return rpcError(
      Code.INVALID_ARGUMENT,
      '"id", "mode", "image", "version" or "region" must be there: which instances are meant?',
    );
  }
  const id = payload['id'] === undefined ? undefined : sessionId(payload);
  const selection: Selection = {};
  for (const field of SELECTING) {
    if (field !== 'id' && payload[field] !== undefined) selection[field] = name(payload, field);
  }
  return { id, selection, cursor: optionalText(payload, 'cursor', 4000, '') };
}

/** Never empty: a script whose variable is not set must not mean everything. */
function name(payload: Payload, field: string): string {
  const text = optionalText(payload, field, 128, '');
  return text === '' ? invalid(field, 'must be a text of 1 to 128 characters.') : text;
}

function versionName(field: string, value: unknown): string {
  // The form of an image's tag; anything else would lead elsewhere in the path of the request that checks it.
  if (typeof value === 'string' && /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(value)) return value;
  return invalid(
    field,
    'must name versions of the image such as 1.2.3; "version": "" goes back to the configured one.',
  );
}
