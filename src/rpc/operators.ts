import { overrideVersion, VERSION_CACHE_SECONDS } from '../allocation/version';
import { SECOND } from '../config';
import type { Selection } from '../database/operators';
import { invalid, optionalFlag, optionalText, sessionId, wholeNumber, type Payload } from '../fields';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { changeBy } from '../operations/changes';
import { drain, drainOne, type Drained } from '../operations/drain';
import { sessionArtifact, sessionLogs, type Logs } from '../operations/output';
import { readCursor } from '../operations/selection';
import { terminate, terminateOne, type Terminated } from '../operations/terminate';
import { requireVersion } from '../operations/version';
import { Code, rpcError } from '../refusal';
import { ReadyJson } from '../text';

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
  const version = versionField(payload);
  const force = optionalFlag(payload, 'force');
  if (version !== undefined && !force) requireVersion(call, version);
  const change = changeBy(call, 'gameye_set_version', { version: version ?? '', ...(force ? { force } : {}) });
  const set = overrideVersion(call.nk, call.config, version, Date.now(), change);
  withFields(call.logger, { ...set, unchecked: force }).info('Gameye: an operator set the version of new sessions.');
  return { ...set, everywhere_in_ms: VERSION_CACHE_SECONDS * SECOND };
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

function versionField(payload: Payload): string | undefined {
  const value = payload['version'];
  if (value === null || value === '') return undefined;
  // The form of an image's tag; anything else would lead elsewhere in the path of the request that checks it.
  if (typeof value === 'string' && /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(value)) return value;
  return invalid(
    'version',
    'must be a version of the image such as 1.2.3; "" or null goes back to the configured one.',
  );
}
