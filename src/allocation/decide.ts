import type { Config } from '../config';
import { databaseNow } from '../database/clock';
import type { Nakama } from '../nakama/runtime';
import type { Ended, Waiting } from './allocation';
import { ordersInForce, type Orders } from './orders';
import { poolOf, warmOf } from './pool';
import { acceptableRegions } from './regions';
import { fail } from './transitions';
import { isDraining, withVersion } from './version';

/**
 * What is decided once, before anything is sent, by the orders of operators: regions that are open, the version of its session,
 * and with backfill its pool, or else which warm sessions suit it. One without an open region ends, and so does one for a
 * version that drains. A warm session is decided already.
 */
export function decided(nk: Nakama, config: Config, a: Waiting): Waiting | Ended {
  if (a.attempts > 0 || a.orders !== undefined || a.request.warm) return a;
  const orders = ordersInForce(nk, config);
  const regions = openRegions(orders, a.regions);
  if (regions.length === 0) {
    const message = closedReason(orders, a.regions);
    return { ...fail(a, 'unavailable', databaseNow()), ...(message === undefined ? {} : { message }) };
  }
  const request = withVersion(orders, config, a.request, regions, Math.random());
  if (isDraining(orders, config, request.version ?? '')) return fail(a, 'misconfigured', databaseNow());
  const made = { ...a, orders: orders.count, regions, request };
  if (config.backfill && request.backfill !== false) return { ...made, pool: poolOf(nk, config, request) };
  return config.warm ? { ...made, warm: warmOf(nk, config, request) } : made;
}

/**
 * The same allocation before anything was decided: the orders have changed. It is in no pool, because others may know it by the
 * one that it had: so it gets a session of its own.
 */
export function undecided(config: Config, a: Waiting): Waiting {
  const { orders: _orders, pool: _pool, warm: _warm, ...rest } = a;
  const { version, versions, ...asked } = a.request;
  const request = { ...asked, ...(version === undefined || versions ? {} : { version }), backfill: false };
  return { ...rest, request, regions: acceptableRegions(config, request), region_index: 0, next: 'run' };
}

export function openRegions({ regions }: Orders, asked: string[]): string[] {
  return asked.filter((region) => !regions[region]);
}

/** Why none of the regions is open, in the words of the operator who closed them. */
export function closedReason({ regions }: Orders, asked: string[]): string | undefined {
  return asked.map((region) => regions[region]?.reason).find((reason) => reason !== undefined);
}
