import {
  changeOrders,
  ORDERS_CACHE_SECONDS,
  type RegionOrder,
  type VersionOrder,
  type VersionRule,
} from '../allocation/orders';
import { versionInForce, versionOrder } from '../allocation/version';
import { SECOND } from '../config';
import { modeConfig } from '../mode-config';
import { inMode, type Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { Code, rpcError } from '../refusal';
import { changeBy } from './changes';
import { requireVersion } from './version';

/* What operators change while the servers run: versions of new sessions, and regions. Nothing is applied by half. */

/** What is said about the versions of a mode; undefined fields stay as they are. */
export interface VersionChange {
  mode: string;
  /** The rule is that of this region only. */
  region?: string;
  /** Empty: the configured version again. */
  rule?: VersionRule;
  allow?: string[];
  draining?: string[];
}

/** Sets which versions new sessions get, and answers what is in force then and was before. `force`: Gameye is not asked. */
export function setVersions(call: Call, change: VersionChange, force: boolean, now: number): object {
  const { mode, region, rule, allow } = change;
  const config = modeConfig(call.config, mode);
  if (!force) {
    for (const version of [...named(rule), ...(allow ?? [])]) {
      requireVersion(inMode(call, { mode }), version, region === undefined ? config.regions : [region]);
    }
  }
  const noted = changeBy(call, 'gameye_set_version', meantBy(change, force));
  const set_at = new Date(now).toISOString();
  const { before, after } = changeOrders(call.nk, call.config, noted, (orders) => {
    const next = changed(versionOrder(orders, config) ?? { image: config.image, set_at }, change);
    refuseContradiction(next);
    return { ...orders, versions: { ...orders.versions, [mode]: { ...next, set_at } } };
  });
  const version = versionInForce(after, config, region);
  const previous = versionInForce(before, config, region);
  const scope = { ...(mode === '' ? {} : { mode }), ...(region === undefined ? {} : { region }) };
  withFields(call.logger, { ...scope, version, previous, unchecked: force }).info(
    'Gameye: an operator set the version of new sessions.',
  );
  const { allow: allowed = [], draining = [], weights, regions } = versionOrder(after, config) ?? {};
  const weighted = region === undefined ? weights : regions?.[region]?.weights;
  return {
    ...{ version, previous, ...scope, allow: allowed, draining, ...(weighted ? { weights: weighted } : {}) },
    everywhere_in_ms: ORDERS_CACHE_SECONDS * SECOND,
  };
}

/** As the operator said it. */
function meantBy({ mode, rule, ...rest }: VersionChange, force: boolean): object {
  const said = rule && (rule.weights ? { weights: rule.weights } : { version: rule.version ?? '' });
  return { ...(mode === '' ? {} : { mode }), ...said, ...rest, ...(force ? { force } : {}) };
}

function named({ version, weights = {} }: VersionRule = {}): string[] {
  return version === undefined ? Object.keys(weights) : [version];
}

function changed(order: VersionOrder, { region, rule, allow, draining }: VersionChange): VersionOrder {
  const { version: _version, weights: _weights, ...rest } = order;
  const lists = { ...(allow ? { allow } : {}), ...(draining ? { draining } : {}) };
  if (!rule) return { ...order, ...lists };
  if (region === undefined) return { ...rest, ...rule, ...lists };
  const { [region]: _own, ...others } = order.regions ?? {};
  const isNone = named(rule).length === 0;
  return { ...order, ...lists, regions: isNone ? others : { ...others, [region]: rule } };
}

/** New sessions would get a version of which none is started. */
function refuseContradiction({ draining = [], regions = {}, ...own }: VersionOrder): void {
  const inForce = [own, ...Object.values(regions)].flatMap(named);
  const both = inForce.find((version) => draining.includes(version));
  if (both === undefined) return;
  rpcError(Code.FAILED_PRECONDITION, `${both} would drain and be in force. Set another version first.`);
}

/** Opens a region for new sessions, or closes it, and answers what it was before. */
export function setRegion(call: Call, region: string, next: RegionOrder | undefined): object {
  const noted = changeBy(call, 'gameye_set_region', { region, state: next?.state ?? 'on', reason: next?.reason });
  const { before } = changeOrders(call.nk, call.config, noted, (orders) => {
    const { [region]: _before, ...others } = orders.regions;
    return { ...orders, regions: next ? { ...others, [region]: next } : others };
  });
  const state = next?.state ?? 'on';
  const previous = before.regions[region]?.state ?? 'on';
  withFields(call.logger, { region, state, previous }).info('Gameye: an operator switched a region.');
  return { region, state, previous, everywhere_in_ms: ORDERS_CACHE_SECONDS * SECOND };
}

/** All regions of the variables and of the modes. */
export function allRegions({ config }: Call): string[] {
  return [...new Set(['', ...Object.keys(config.modes)].flatMap((mode) => modeConfig(config, mode).regions))];
}
