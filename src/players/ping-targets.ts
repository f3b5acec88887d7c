import { openRegions } from '../allocation/decide';
import { ordersInForce } from '../allocation/orders';
import { SECOND } from '../config';
import { askLocations } from '../gameye/locations';
import { inMode, type Call } from '../nakama/caller';
import { Code, rpcError } from '../refusal';

/** A VM of the pool waits as long: matchmaker hooks need one too. */
const ASK_MS = 3 * SECOND;

/** A region that a player may measure, and how the measurement is called on a ticket. */
export interface PingTarget {
  region: string;
  /** Answers ICMP echo requests; Gameye promises nothing else of it. */
  host: string;
  /** All addresses of the region, `host` first. */
  hosts: string[];
  /** The numeric property of a ticket that takes the milliseconds. */
  property: string;
}

/**
 * The regions of a mode that can run the image now and say where they can be pinged, in the configured order. Code 9 when
 * the API token may not ask (the log says so once an hour), 14 when the list is not known just now.
 */
export function pingTargets(base: Call, mode: string): PingTarget[] {
  const call = inMode(base, { mode });
  const { config } = call;
  const locations = askLocations(call, config.image, ASK_MS, 'usable');
  if ('refused' in locations) {
    return locations.refused === 'forbidden' || locations.refused === 'not-found'
      ? rpcError(Code.FAILED_PRECONDITION, 'This server has no ping targets. Queue without measurements.')
      : rpcError(
          Code.UNAVAILABLE,
          'The ping targets are not known now. Try again in a few seconds, or queue without measurements.',
        );
  }
  return openRegions(ordersInForce(call.nk, config), config.regions).flatMap((region) => {
    const hosts = locations.value.find(({ id }) => id === region)?.ips ?? [];
    const [host] = hosts;
    return host === undefined ? [] : [{ region, host, hosts, property: `${config.pingPrefix}${region}` }];
  });
}
