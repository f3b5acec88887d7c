import type { Config } from '../config';
import type { Change } from '../database/changes';
import { readControl, writeControl } from '../database/control';
import type { Nakama } from '../nakama/runtime';
import type { AllocationRequest } from '../records';

const KEY = 'version';
const CACHE_KEY = 'gameye_version';

/** All nodes start sessions of another version at most this much later. */
export const VERSION_CACHE_SECONDS = 2;

/** The version that an operator set instead of GAMEYE_API_IMAGE_VERSION. */
export interface VersionOverride {
  /** It is of no use to another image: after a change of GAMEYE_API_IMAGE it does not count. */
  image: string;
  version: string;
  /** RFC 3339. */
  set_at: string;
}

/** As stored: nothing set is an empty object. */
type Stored = VersionOverride | { image?: undefined };

/**
 * The version of new sessions; empty: Gameye's tag with the highest priority. Read from the database at most once in
 * VERSION_CACHE_SECONDS per process: a burst of matches would ask hundreds of times.
 */
export function versionInForce(nk: Nakama, config: Config): string {
  const cached = nk.localcacheGet(CACHE_KEY);
  if (typeof cached === 'string') return effective(config, JSON.parse(cached) as Stored);
  return readVersion(nk, config).version;
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
  const stored = readControl<Stored>(nk, KEY) ?? {};
  remember(nk, stored);
  const version = effective(config, stored);
  return stored.image !== undefined && stored.image === config.image ? { version, override: stored } : { version };
}

/**
 * Sets the version of new sessions, or goes back to the configured one (undefined). On this node at once, on the others when
 * their cache has run out. Of several at once the last one counts.
 */
export function overrideVersion(
  nk: Nakama,
  config: Config,
  version: string | undefined,
  now: number,
  change?: Change,
): { version: string; previous: string } {
  const next: Stored =
    version === undefined ? {} : { image: config.image, version, set_at: new Date(now).toISOString() };
  const before = writeControl<Stored>(nk, KEY, next, change) ?? {};
  remember(nk, next);
  return { version: effective(config, next), previous: effective(config, before) };
}

function effective(config: Config, stored: Stored): string {
  return stored.image !== undefined && stored.image === config.image ? stored.version : (config.version ?? '');
}

function remember(nk: Nakama, stored: Stored): void {
  nk.localcachePut(CACHE_KEY, JSON.stringify(stored), VERSION_CACHE_SECONDS);
}
