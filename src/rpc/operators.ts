import { overrideVersion, VERSION_CACHE_SECONDS } from '../allocation/version';
import { SECOND } from '../config';
import type { Selection } from '../database/operators';
import { invalid, optionalFlag, optionalText, sessionId, type Payload } from '../fields';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { drain, drainOne, type Drained } from '../operations/drain';
import { readCursor } from '../operations/selection';
import { terminate, terminateOne, type Terminated } from '../operations/terminate';
import { requireVersion } from '../operations/version';
import { Code, rpcError } from '../refusal';

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
  const set = overrideVersion(call.nk, call.config, version, Date.now());
  withFields(call.logger, { ...set, unchecked: force }).info('Gameye: an operator set the version of new sessions.');
  return { ...set, everywhere_in_ms: VERSION_CACHE_SECONDS * SECOND };
}

/** Which instances an operator means: at least one of the three must be there. */
function meant(payload: Payload): { id: string | undefined; selection: Selection; cursor: string } {
  const names = ['id', 'version', 'region'];
  if (names.every((name) => payload[name] === undefined)) {
    return rpcError(Code.INVALID_ARGUMENT, '"id", "version" or "region" must be there: which instances are meant?');
  }
  const id = payload['id'] === undefined ? undefined : sessionId(payload);
  const selection: Selection = {};
  if (payload['version'] !== undefined) selection.version = name(payload, 'version');
  if (payload['region'] !== undefined) selection.region = name(payload, 'region');
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
