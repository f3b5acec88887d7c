import type { AllocationRequest } from '../allocation/request';
import { SECOND, type Config } from '../config';
import { adviceFor } from '../gameye/failure';
import { tagExists } from '../gameye/session-api';
import type { Call } from '../nakama/caller';
import type { Nakama } from '../nakama/runtime';
import { CONTROL, deleteRow, readRows, writeRows, type Row } from '../nakama/storage';
import { Code, rpcError, sessionApiError } from '../refusal';

const KEY = 'version';
const CACHE_KEY = 'gameye_version';

/** All nodes start sessions of another version at most this much later. */
export const VERSION_CACHE_SECONDS = 2;

/** Somebody was faster each time: an error is better than a busy loop. */
const MOST_TRIES = 10;

/** Asking every region ends in time for the RPC's answer (Nakama cuts it off after 10 s). */
const CHECK_MS = 8 * SECOND;
const ASK_MS = 3 * SECOND;

/** The version that an operator set instead of GAMEYE_API_IMAGE_VERSION. */
export interface VersionOverride {
  /** It is of no use to another image: after a change of GAMEYE_API_IMAGE it does not count. */
  image: string;
  version: string;
  /** RFC 3339. */
  set_at: string;
}

/**
 * The version of new sessions; empty: Gameye's tag with the highest priority. Read from storage at most once in
 * VERSION_CACHE_SECONDS per process: a read costs a database round trip, and a burst of matches would make hundreds.
 */
export function versionInForce(nk: Nakama, config: Config): string {
  const cached = nk.localcacheGet(CACHE_KEY);
  if (typeof cached === 'string') return effective(config, cached === '' ? undefined : parse(cached));
  const override = readOverride(nk);
  remember(nk, override?.value);
  return effective(config, override?.value);
}

/**
 * The request with the version that its session is started with: decided once, before the first attempt, and stored with it,
 * so that a repetition of the attempt asks for the same and the instance shows it. A request for another image is its own.
 */
export function withVersion(nk: Nakama, config: Config, request: AllocationRequest): AllocationRequest {
  const { image = config.image, version } = request;
  if (version !== undefined || image !== config.image) return request;
  const inForce = versionInForce(nk, config);
  return inForce === '' ? request : { ...request, version: inForce };
}

/** What is in force now, past the cache, and what an operator set. */
export function readVersion(nk: Nakama, config: Config): { version: string; override?: VersionOverride } {
  const override = readOverride(nk)?.value;
  const version = effective(config, override);
  return override?.image === config.image ? { version, override } : { version };
}

/**
 * Sets the version of new sessions, or goes back to the configured one (undefined). On this node at once, on the others when
 * their cache has run out. Code 10 when others set it at the same time, again and again.
 */
export function overrideVersion(
  nk: Nakama,
  config: Config,
  version: string | undefined,
  now: number,
): { version: string; previous: string } {
  for (let i = 0; i < MOST_TRIES; i++) {
    const row = readOverride(nk);
    const previous = effective(config, row?.value);
    const next: VersionOverride | undefined =
      version === undefined ? undefined : { image: config.image, version, set_at: new Date(now).toISOString() };
    if (store(nk, row, next) === 'conflict') continue;
    remember(nk, next);
    return { version: effective(config, next), previous };
  }
  return rpcError(Code.ABORTED, 'Others set the version at the same time. Look at gameye_status, then try again.');
}

/** Ends the RPC unless every configured region has this version of the image. */
export function requireVersion(call: Call, version: string): void {
  const { nk, config } = call;
  const deadline = Date.now() + CHECK_MS;
  const missing: string[] = [];
  for (const region of config.regions) {
    const timeoutMs = Math.min(ASK_MS, deadline - Date.now());
    if (timeoutMs < 100) {
      return rpcError(Code.UNAVAILABLE, `There was no time to ask for ${region}. Try again, or set it with "force".`);
    }
    const outcome = tagExists(nk, config, region, config.image, version, timeoutMs);
    if (outcome.kind === 'done') {
      if (!outcome.value) missing.push(region);
    } else if (outcome.failure.kind === 'not-found') {
      return rpcError(
        Code.FAILED_PRECONDITION,
        `Gameye knows no image ${config.image} in ${region}. ${adviceFor(outcome.failure)}`,
      );
    } else if (outcome.failure.kind === 'forbidden') {
      return rpcError(
        Code.FAILED_PRECONDITION,
        `The version cannot be checked. ${adviceFor(outcome.failure)} Or set it unchecked, with "force": true.`,
      );
    } else {
      return sessionApiError(outcome.failure);
    }
  }
  if (missing.length === 0) return;
  return rpcError(
    Code.FAILED_PRECONDITION,
    `${config.image} has no version ${version} in ${missing.join(', ')}. Push it there first.`,
  );
}

function readOverride(nk: Nakama): Row<VersionOverride> | undefined {
  return readRows<VersionOverride>(nk, CONTROL, [KEY])[0];
}

function effective(config: Config, override: VersionOverride | undefined): string {
  return override?.image === config.image ? override.version : (config.version ?? '');
}

function store(nk: Nakama, row: Row<VersionOverride> | undefined, next: VersionOverride | undefined): unknown {
  if (next) return writeRows(nk, [{ collection: CONTROL, key: KEY, value: next, version: row?.version ?? '*' }]);
  return row && deleteRow(nk, CONTROL, KEY, row.version);
}

function remember(nk: Nakama, override: VersionOverride | undefined): void {
  nk.localcachePut(CACHE_KEY, override ? JSON.stringify(override) : '', VERSION_CACHE_SECONDS);
}

function parse(text: string): VersionOverride {
  return JSON.parse(text) as VersionOverride;
}
