import type { ListedEntry, ListedSession } from '../../../src/gameye/wire';
import { newInstance, type Instance } from '../../../src/instances/instance';
import type { Seats } from '../../../src/instances/seats';
import { compare, type Plan } from '../../../src/supervision/reconcile';
import { configWith } from './config';
import { OWNER } from './nakama';

export const NOW = 1_700_000_000_000;
export const MINUTE = 60_000;
export const config = configWith();
const PORTS = { '7777/udp': 20001 };

export function instance(
  id: string,
  more: Partial<Instance> = {},
  seats: Seats = { u1: { state: 'joined' } },
): Instance {
  const session = { id, region: 'eu', maxPlayers: 4, metadata: {}, startedAtMs: NOW - 10 * MINUTE, ttlMs: 30 * MINUTE };
  return { ...newInstance(config, session, { host: '1.2.3.4', ports: PORTS }, seats)!, ...more };
}

export function listed(id: string, more: Partial<ListedSession> = {}): ListedSession {
  const labels = { nakama_fleet: 'default', nakama_owner: OWNER };
  return { id, status: 'running', host: '1.2.3.4', ports: PORTS, region: 'eu', image: 'my-game', labels, ...more };
}

/** As the API writes it. */
export function entryOf({ region, version, createdAtMs, labels, ports, ...rest }: ListedSession): ListedEntry {
  return {
    ...rest,
    location: region,
    tag: version,
    created: createdAtMs,
    port: ports,
    labels: { tags: JSON.stringify(labels) },
  };
}

export interface World {
  records?: Instance[];
  /** Undefined: the list could not be had. */
  list?: ListedSession[] | undefined;
  open?: string[] | undefined;
  strays?: { [id: string]: number };
  unreadable?: number;
}

export function plan(world: World): Omit<Plan, 'unchanged'> {
  const { unchanged: _unchanged, ...rest } = planAfter(new Map(), world);
  return rest;
}

/** With what an earlier plan found unchanged. The version of a record is its content here. */
export function planAfter(before: Plan['unchanged'], world: World, now = NOW): Plan {
  const { records = [], list, strays = {}, unreadable = 0 } = world;
  const listing = list && { entries: new Map(list.map((one) => [one.id, entryOf(one)])), unreadable };
  const comparison = compare(config, OWNER, listing, before, false, now, now + 2 * MINUTE);
  for (const record of records) comparison.visit(record.id, JSON.stringify(record), record);
  return comparison.finish('open' in world ? world.open && new Set(world.open) : new Set(), strays);
}
