import type { Config } from '../config';
import { ENV_KEY, EXTERNAL_ID_KEY, publicMetadata } from '../metadata';
import type { Nakama } from '../nakama/runtime';
import type { AllocationRequest } from '../records';
import type { Common } from './allocation';
import { imageOf } from './launch';
import { nearRegions } from './regions';

/**
 * Requests with the same pool can share a session, as far as its game server knows: same fleet, mode, image, version,
 * size, metadata, environment and settings. A short hash.
 */
export function poolOf(nk: Nakama, config: Config, request: AllocationRequest): string {
  const { image, version = '' } = imageOf(config, request);
  const { max_players, metadata } = request;
  const own = request.mode || request.settings ? [request.mode ?? '', request.settings ?? {}] : [];
  const wanted = [config.fleet, image, version, max_players, publicMetadata(metadata), metadata[ENV_KEY] ?? {}, ...own];
  return `p${shortHash(nk, canonical(wanted))}`;
}

/**
 * Which warm sessions suit a request: those that were started as its own would be, of the same pool and with the same of what
 * only a mode says. One that Gameye shall know by a name of its own has none.
 */
export function warmOf(nk: Nakama, config: Config, request: AllocationRequest): string {
  const { args = [], port = '', ttl } = config;
  const wanted = [poolOf(nk, config, request), ttl, port, args, request.metadata[EXTERNAL_ID_KEY] ?? ''];
  return `w${shortHash(nk, canonical(wanted))}`;
}

/**
 * Groups that can wait for one session together: of the same pool, and the same regions are near to
 * them. Null: it takes none, and
 * becomes part of none, because a host does not know what players of its guests demand, nor which
 * version they play when regions have different ones.
 */
export function guestPool(nk: Nakama, config: Config, a: Common): string | null {
  const versions = Object.values(a.request.versions ?? {});
  return a.pool === undefined || a.request.only_in || versions.some((version) => version !== versions[0])
    ? null
    : shortHash(nk, [a.pool, ...nearRegions(config, a).sort()].join('\n'));
}

/** 64 bits of a hash, in hexadecimal. */
export function shortHash(nk: Nakama, text: string): string {
  return nk.base16Encode(nk.hmacSha256Hash(text, 'gameye-backfill')).toLowerCase().slice(0, 16);
}

/** JSON in which the order of an object's keys does not matter. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one)}`).join(',')}}`;
}
