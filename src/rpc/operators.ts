import { SECOND } from '../config';
import { drain, drainOne } from '../operations/drain';
import { checkHealth } from '../operations/health';
import type { Selection } from '../operations/selection';
import { fleetStatus } from '../operations/status';
import { terminate, terminateOne } from '../operations/terminate';
import { overrideVersion, requireVersion, VERSION_CACHE_SECONDS } from '../operations/version';
import { withFields } from '../nakama/log';
import type { Rpc } from './callers';
import { Code, rpcError } from '../refusal';
import { invalid, optionalFlag, optionalText, sessionId, wholeNumber, type Payload } from '../fields';

/** `gameye_status {limit?}` → what runs, what is being started, and what new sessions are started with */
export const status: Rpc<undefined> = {
  fields: ['limit'],
  answer: (call, payload) => {
    const limit = payload['limit'] === undefined ? 10_000 : wholeNumber(payload, 'limit', 1, 100_000);
    return fleetStatus(call, limit, Date.now());
  },
};

/** `gameye_health {}` → `{healthy, checks: [{check, region?, ok, advice?}]}` */
export const health: Rpc<undefined> = {
  fields: [],
  answer: (call) => checkHealth(call),
};

/** `gameye_drain {id?, version?, region?, undo?, cursor?}` → `{changed, starting, more, cursor}` */
export const drainInstances: Rpc<undefined> = {
  fields: ['id', 'version', 'region', 'undo', 'cursor'],
  answer: (call, payload) => {
    const { id, selection, cursor } = meant(payload);
    const undo = optionalFlag(payload, 'undo');
    return id === undefined ? drain(call, selection, undo, cursor) : drainOne(call, id, selection, undo);
  },
};

/** `gameye_terminate {id?, version?, region?, confirm?, cursor?}` → `{stopped, failed, starting, more, cursor}` */
export const terminateSessions: Rpc<undefined> = {
  fields: ['id', 'version', 'region', 'confirm', 'cursor'],
  answer: (call, payload) => {
    const { id, selection, cursor } = meant(payload);
    const confirm = optionalFlag(payload, 'confirm');
    return id === undefined ? terminate(call, selection, confirm, cursor) : terminateOne(call, id, selection);
  },
};

/** `gameye_set_version {version, force?}` → `{version, previous, everywhere_in_ms}`; empty or null: the configured one again */
export const setVersion: Rpc<undefined> = {
  fields: ['version', 'force'],
  answer: (call, payload) => {
    const version = versionField(payload);
    const force = optionalFlag(payload, 'force');
    if (version !== undefined && !force) requireVersion(call, version);
    const set = overrideVersion(call.nk, call.config, version, Date.now());
    withFields(call.logger, { ...set, unchecked: force }).info('Gameye: an operator set the version of new sessions.');
    return { ...set, everywhere_in_ms: VERSION_CACHE_SECONDS * SECOND };
  },
};

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
