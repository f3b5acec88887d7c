import type { Config } from '../config';
import type { AllocationRequest } from '../records';
import type { Orders, VersionOrder, VersionRule } from './orders';

/* Which version of its image a new session gets: pure functions of the orders of operators and the configuration of its mode. */

/** What was ordered for a mode; undefined: nothing, or for another image. */
export function versionOrder({ versions }: Orders, { mode, image }: Config): VersionOrder | undefined {
  const order = versions[mode];
  return order?.image === image ? order : undefined;
}

/** The rule of one region, or that of the mode without a region; empty: the configured version. */
function ruleOf(orders: Orders, config: Config, region?: string): VersionRule {
  const order = versionOrder(orders, config);
  const own = region === undefined ? undefined : order?.regions?.[region];
  const rule = own ?? order;
  if (rule?.version !== undefined || rule?.weights) return rule;
  return config.version === undefined ? {} : { version: config.version };
}

/** The version of most new sessions; empty: Gameye's tag with the highest priority. */
export function versionInForce(orders: Orders, config: Config, region?: string): string {
  const { version = '', weights } = ruleOf(orders, config, region);
  if (!weights) return version;
  return Object.keys(weights).sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0))[0] ?? '';
}

/** Everything that new sessions may be started with, in any region. */
export function versionsInForce(orders: Orders, config: Config): string[] {
  const rules = [undefined, ...config.regions].map((region) => ruleOf(orders, config, region));
  return [...new Set(rules.flatMap(({ version, weights }) => (weights ? Object.keys(weights) : (version ?? []))))];
}

/** True for a version that a ticket may demand. */
export function isServed(orders: Orders, config: Config, version: string): boolean {
  if (isDraining(orders, config, version)) return false;
  const { allow = [] } = versionOrder(orders, config) ?? {};
  return allow.includes(version) || versionsInForce(orders, config).includes(version);
}

/** True for a version of which no session is started any more. */
export function isDraining(orders: Orders, config: Config, version: string): boolean {
  return versionOrder(orders, config)?.draining?.includes(version) ?? false;
}

/**
 * The request with the version that its session is started with in each region, so that a repetition of an attempt asks for
 * the same. One with a version or an image of its own keeps it. `chance`, from 0 to 1, decides by the weights, for all regions
 * alike.
 */
export function withVersion(
  orders: Orders,
  config: Config,
  request: AllocationRequest,
  regions: string[],
  chance: number,
): AllocationRequest {
  const { image = config.image, version } = request;
  if (version !== undefined || image !== config.image) return request;
  const drawn = regions.map((region) => draw(ruleOf(orders, config, region), chance));
  const [first = ''] = drawn;
  if (first === '' && drawn.every((one) => one === '')) return request;
  return {
    ...request,
    version: first,
    versions: Object.fromEntries(regions.map((region, i) => [region, drawn[i] ?? ''])),
  };
}

function draw({ version = '', weights }: VersionRule, chance: number): string {
  if (!weights) return version;
  let left = chance * 100;
  const entries = Object.entries(weights);
  for (const [name, weight] of entries) {
    if (left < weight) return name;
    left -= weight;
  }
  return entries[entries.length - 1]?.[0] ?? '';
}
