import type { Config } from '../config';
import type { Change } from '../database/changes';
import { changeOrdersRow, readOrdersRow } from '../database/control';
import type { Nakama } from '../nakama/runtime';
import { Code, rpcError } from '../refusal';

/*
 * What operators ordered while the servers run: versions of new sessions, and regions that are closed. One row a fleet, which
 * counts its changes: the statement that stores an allocation answers the count, so that one decided by older orders is
 * decided anew before anything is sent.
 */

/** One version, or several with whole numbers that add up to 100. Neither: the configured one. */
export interface VersionRule {
  version?: string;
  weights?: { [version: string]: number };
}

/** For one mode. */
export interface VersionOrder extends VersionRule {
  /** It is of no use to another image: after a change of the configuration it does not count. */
  image: string;
  /** Regions with a rule of their own. */
  regions?: { [region: string]: VersionRule };
  /** Versions that a ticket may demand beside those in force. */
  allow?: string[];
  /** Versions of which no session is started any more. */
  draining?: string[];
  /** RFC 3339. */
  set_at: string;
}

export interface RegionOrder {
  state: 'off' | 'maintenance';
  /** What players are told. */
  reason?: string;
  /** RFC 3339. */
  set_at: string;
}

export interface Orders {
  /** How often they were changed. */
  count: number;
  versions: { [mode: string]: VersionOrder };
  regions: { [region: string]: RegionOrder };
}

type Content = Omit<Orders, 'count'>;

const NONE: Content = { versions: {}, regions: {} };
const CACHE_KEY = 'gameye_orders';

/** Ticket checks of all nodes know other orders at most this much later; new sessions know them at once. */
export const ORDERS_CACHE_SECONDS = 2;

const MOST_TRIES = 10;

/** The orders, read at most once in ORDERS_CACHE_SECONDS per process: a burst of matches would ask hundreds of times. */
export function ordersInForce(nk: Nakama, config: Config): Orders {
  const cached = nk.localcacheGet(CACHE_KEY);
  return typeof cached === 'string' && cached !== '' ? (JSON.parse(cached) as Orders) : readOrders(nk, config);
}

/** The orders past the cache. */
export function readOrders(nk: Nakama, { fleet }: Config): Orders {
  const row = readOrdersRow<Content>(nk, fleet);
  const orders = { ...(row?.value ?? NONE), count: row?.count ?? 0 };
  nk.localcachePut(CACHE_KEY, JSON.stringify(orders), ORDERS_CACHE_SECONDS);
  return orders;
}

/** Others were given meanwhile: the next look asks the database. */
export function forgetOrders(nk: Nakama): void {
  nk.localcachePut(CACHE_KEY, '', 1);
}

/**
 * Changes the orders, on top of whatever others changed at the same time; answers them before and after. Code 10 when that
 * does not succeed.
 */
export function changeOrders(
  nk: Nakama,
  config: Config,
  noted: Change,
  change: (orders: Orders) => Content,
): { before: Orders; after: Orders } {
  for (let i = 0; i < MOST_TRIES; i++) {
    const before = readOrders(nk, config);
    const { versions, regions } = change(before);
    if (changeOrdersRow(nk, config.fleet, { versions, regions }, before.count, noted)) {
      return { before, after: readOrders(nk, config) };
    }
  }
  return rpcError(Code.ABORTED, 'Others change the same just now. Try again.');
}
