import type { MatchmakerResult } from '../nakama/runtime';
import type { Config } from '../config';
import { modeConfig } from '../mode-config';
import type { AllocationRequest, Latency } from '../records';
import { isRegionName } from '../text';

/**
 * The request of a matched group, or undefined when the group is not ours: with `GAMEYE_MATCH_PROPERTY` every ticket must
 * carry the property. Players are deduplicated. Numeric properties that start with the ping prefix are latencies. `mode`: that
 * of the tickets.
 */
export function requestFromMatch(base: Config, entries: MatchmakerResult[], mode = ''): AllocationRequest | undefined {
  const config = modeConfig(base, mode);
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
      const region = name.slice(config.pingPrefix.length);
      if (name.startsWith(config.pingPrefix) && typeof ms === 'number' && ms >= 0 && isRegionName(region)) {
        latencies.push({ user_id: userId, region, ms });
      }
    }
  }
  if (userIds.length === 0) return undefined;
  return {
    user_ids: userIds,
    max_players: config.maxPlayers ?? userIds.length,
    latencies,
    metadata: {},
    ...(mode === '' ? {} : { mode }),
  };
}

/** True for a ticket with these properties, strings and numbers. */
export function isOurs(config: Config, properties: { [key: string]: unknown }): boolean {
  if (!config.matchProperty) return true;
  const value = properties[config.matchProperty.name];
  if (value === undefined || value === null) return false;
  return config.matchProperty.value === undefined || String(value) === config.matchProperty.value;
}
