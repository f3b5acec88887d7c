import type { Config } from '../config';
import type { Nakama } from '../nakama/runtime';
import { withVersion } from '../operations/version';
import type { Allocation } from '../allocation/allocation';
import { imageOf } from '../allocation/launch';
import { ENV_KEY, publicMetadata, type AllocationRequest } from '../allocation/request';

/**
 * A new allocation that looks for seats in running sessions before it starts one: with GAMEYE_BACKFILL, and unless its
 * request says no. Takes no time: the matchmaker hook waits for it.
 */
export function seekingSeats(config: Config, a: Allocation): Allocation {
  return config.backfill && a.request.backfill !== false ? { ...a, next: 'join' } : a;
}

/** What is decided once, before anything is sent: the version of its session, and with GAMEYE_BACKFILL its pool. */
export function decided(nk: Nakama, config: Config, a: Allocation): Allocation {
  const request = withVersion(nk, config, a.request);
  if (!config.backfill || request.backfill === false || a.backfill) return { ...a, request };
  return { ...a, request, backfill: { pool: poolOf(nk, config, request), passed: [], vacates: [], guests: [] } };
}

/**
 * Requests with the same pool can share a session, as far as its game server knows: same fleet, image, version, size,
 * metadata and environment. A short hash, because it is indexed; it begins with a letter, or a query takes it for a number.
 */
export function poolOf(nk: Nakama, config: Config, request: AllocationRequest): string {
  const { image, version = '' } = imageOf(config, request);
  const { max_players, metadata } = request;
  const wanted = [config.fleet, image, version, max_players, publicMetadata(metadata), metadata[ENV_KEY] ?? {}];
  return `p${shortHash(nk, canonical(wanted))}`;
}

/** 64 bits of a hash, in hexadecimal. */
export function shortHash(nk: Nakama, text: string): string {
  return nk.base16Encode(nk.hmacSha256Hash(text, 'gameye-backfill')).toLowerCase().slice(0, 16);
}

/** JSON in which the order of an object's keys does not matter. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one)}`).join(',')}}`;
}
