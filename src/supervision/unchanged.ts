import type { Config } from '../config';
import type { ListedEntry } from '../gameye/wire';
import type { Instance } from '../instances/instance';
import { retirement } from './retire';

/*
 * What the last comparison found of records that needed nothing. Reading a record's fields out of Nakama costs a hundred times
 * more than its key and version, and of ten thousand records few change from one pass to the next.
 */

/** About one record: at this version, and listed like that, there is nothing to do for a while. */
export interface Unchanged {
  version: string;
  listed: string;
  quiet_until_ms: number;
  created_ms: number;
}

/** What a comparison reads of a listed session that has a record, as a text to compare. */
export function fingerprint({ status, host, port, ports }: ListedEntry): string {
  return JSON.stringify([status, host, port ?? ports]);
}

/** When time alone will change what has to be done: a reservation runs out, or the session has to be stopped. */
export function quietUntil(config: Config, instance: Instance, now: number): number {
  let until = retirement(config, instance, now)?.at_ms ?? Infinity;
  for (const userId of Object.keys(instance.seats)) {
    const seat = instance.seats[userId];
    if (seat?.state === 'reserved') until = Math.min(until, seat.until_ms);
  }
  return until;
}
