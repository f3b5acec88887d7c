import type { MatchmakerResult } from '../nakama/runtime';
import type { Config } from '../config';

/** One player's measured latency to one region, in milliseconds. */
export interface Latency {
  user_id: string;
  region: string;
  ms: number;
}

/** What is asked for: a server for these players. Plain JSON, stored inside the allocation. */
export interface AllocationRequest {
  user_ids: string[];
  max_players: number;
  latencies: Latency[];
  /** Becomes the session's labels and the instance's metadata; `gameye.env` and `gameye.external_id` are taken out. */
  metadata: { [key: string]: unknown };
  /** Instead of the configured regions, in order of preference. */
  regions?: string[];
  /** Instead of the configured image; without `version`, its tag with the highest priority. */
  image?: string;
  version?: string;
  /** False: always a session of its own, in which nobody else is seated. Only with GAMEYE_BACKFILL. */
  backfill?: boolean;
  /** The name of the module's function that is called when the allocation has ended. */
  callback?: string;
}

/** Metadata keys with a meaning of their own, as in Gameye's Go plugin. */
export const ENV_KEY = 'gameye.env';
export const EXTERNAL_ID_KEY = 'gameye.external_id';

/** Labels that Gameye or this module set; a caller cannot. */
const RESERVED_LABELS = ['env', 'tags', 'gameye', 'nakama_fleet', 'nakama_owner'];

/**
 * The request of a matched group, or undefined when the group is not ours: with `GAMEYE_MATCH_PROPERTY` every ticket must
 * carry the property. Players are deduplicated. Numeric properties that start with the ping prefix are latencies.
 */
export function requestFromMatch(config: Config, entries: MatchmakerResult[]): AllocationRequest | undefined {
  const userIds: string[] = [];
  const latencies: Latency[] = [];
  for (const entry of entries) {
    const properties: { [key: string]: unknown } = entry.properties;
    if (!isOurs(config, properties)) return undefined;
    const userId = entry.presence.userId;
    if (userIds.includes(userId)) continue;
    userIds.push(userId);
    for (const name of Object.keys(properties)) {
      const ms = properties[name];
      if (name.startsWith(config.pingPrefix) && typeof ms === 'number' && ms >= 0) {
        latencies.push({ user_id: userId, region: name.slice(config.pingPrefix.length), ms });
      }
    }
  }
  if (userIds.length === 0) return undefined;
  const maxPlayers = Math.max(config.maxPlayers ?? 0, userIds.length);
  return { user_ids: userIds, max_players: maxPlayers, latencies, metadata: {} };
}

/** True for a ticket with these properties, strings and numbers. */
export function isOurs(config: Config, properties: { [key: string]: unknown }): boolean {
  if (!config.matchProperty) return true;
  const value = properties[config.matchProperty.name];
  if (value === undefined || value === null) return false;
  return config.matchProperty.value === undefined || String(value) === config.matchProperty.value;
}

/** What is wrong with metadata, as a sentence, or undefined. */
export function metadataProblem(metadata: { [key: string]: unknown }): string | undefined {
  const env = metadata[ENV_KEY];
  if (env !== undefined) {
    const valid =
      typeof env === 'object' &&
      env !== null &&
      !Array.isArray(env) &&
      Object.values(env).every((value) => typeof value === 'string' && value !== '');
    if (!valid) return `metadata["${ENV_KEY}"] must be an object whose values are non-empty strings.`;
  }
  const externalId = metadata[EXTERNAL_ID_KEY];
  if (externalId !== undefined && (typeof externalId !== 'string' || externalId === '')) {
    return `metadata["${EXTERNAL_ID_KEY}"] must be a non-empty string.`;
  }
  const reserved = Object.keys(metadata).find((key) => RESERVED_LABELS.includes(key));
  if (reserved !== undefined) {
    return `metadata may not have the key "${reserved}"${reserved === 'env' ? `: use "${ENV_KEY}" for the container's environment.` : ': it is reserved.'}`;
  }
  return undefined;
}

/** Metadata without the reserved keys: what the instance and the players show. */
export function publicMetadata(metadata: { [key: string]: unknown }): { [key: string]: unknown } {
  // Not by assignment: Nakama freezes Object.prototype, and then `result.toString = …` throws.
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => key !== ENV_KEY && key !== EXTERNAL_ID_KEY));
}

/** Metadata as labels of the session: text as it is, everything else as JSON. */
export function labelsFrom(metadata: { [key: string]: unknown }): { [key: string]: string } {
  const shown = Object.entries(publicMetadata(metadata)).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(
    shown.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}
