import type { Config } from '../config';
import { databaseNow } from '../database/clock';
import type { Wanted } from '../database/warm';
import { leastLeftMs } from '../instances/instance';
import { modeConfig, withModeMetadata } from '../mode-config';
import type { Call } from '../nakama/caller';
import type { AllocationRequest } from '../records';
import { warmWanted } from '../warm-rule';
import { ordersInForce } from './orders';
import { warmOf } from './pool';
import { isDraining, versionInForce } from './version';

/* Which sessions the warm buffer shall have now, and whom they suit. */

/** Its successor is started so long before, which is about as long as that may take. */
function startMarginMs({ createTimeoutMs, ttlMs }: Config): number {
  return Math.min(createTimeoutMs, ttlMs / 8);
}

/** One kind of session that is kept, and how it is asked for. */
export interface WarmKind extends Wanted {
  config: Config;
  request: AllocationRequest;
}

/** True when the configuration asks for warm sessions, at whatever time of day. */
export function hasWarm(config: Config): boolean {
  return config.warm !== undefined || Object.values(config.modes).some(({ warm }) => warm !== undefined);
}

/** What shall be there now, mode by mode and region by region; nothing in a region that an operator closed. */
export function warmPlan({ nk, config: base }: Call): WarmKind[] {
  const now = databaseNow();
  const orders = ordersInForce(nk, base);
  return ['', ...Object.keys(base.modes)].flatMap((mode) => {
    const config = modeConfig(base, mode);
    const { warm: rule, regions, maxPlayers } = config;
    if (!rule || maxPlayers === undefined) return [];
    const asked = { user_ids: [], max_players: maxPlayers, latencies: [], metadata: {}, ...(mode ? { mode } : {}) };
    const request = withModeMetadata(config, { ...asked, warm: true });
    const least_ms = leastLeftMs(config);
    const fresh_ms = least_ms + startMarginMs(config);
    return regions.map((region) => {
      // Of several versions by weight the one that most sessions get; a group that drew another starts its own.
      const version = versionInForce(orders, config, region);
      const own = version === '' ? request : { ...request, version };
      const isOff = orders.regions[region] !== undefined || isDraining(orders, config, version);
      const wanted = isOff ? 0 : warmWanted(rule, region, now);
      const warm = warmOf(nk, config, own);
      return { warm, region, wanted, least_ms, fresh_ms, config, request: { ...own, regions: [region] } };
    });
  });
}
