import type { Config } from '../config';
import { findInstances } from '../instances/queries';
import type { Instance } from '../instances/instance';
import type { Seeker } from '../instances/pool';
import { readInstances } from '../instances/store';
import type { Call } from '../nakama/caller';
import type { Nakama } from '../nakama/runtime';
import { CONTROL, readRows, type Row, type Write } from '../nakama/storage';
import type { Allocation } from './allocation';
import { shortHash } from '../backfill/pool';
import { readAllocations } from './store';

/*
 * Where backfill looks for seats. Nakama's storage index finds running instances, but only those that its own node stored
 * or loaded at its start, and none that is just being started. So the newest sessions are listed in a record as well, which
 * all nodes share: whoever finds no seats adds its own allocation to the list of its pool, in the transaction that stores
 * it. That is what makes one of many go first.
 */

/** Lists of several pools share a record, so that pools which nobody asks for any more leave nothing behind. */
const RECORDS = 64;
/** The most of one pool that are looked at, and the most that a record holds. */
const MOST_LOOKED_AT = 10;
const MOST_LISTED = 40;
/** From the index: more than one, because others take seats meanwhile. */
const MOST_FOUND = 5;

interface Opening {
  /** Pool and regions, as a hash. */
  pool: string;
  allocation_id: string;
  at_ms: number;
}

/** A record of openings as it was read, and which of its entries are of the pool in question. */
export interface Openings {
  key: string;
  pool: string;
  row: Row<{ openings: Opening[] }> | undefined;
  /** The newest allocations of the pool, with what became of them. */
  newest: Newest[];
}

export interface Newest {
  id: string;
  allocation?: Row<Allocation>;
  instance?: Row<Instance>;
}

/** What all who look for the same seats have in common: the record of their openings, and its key. */
export function openingsOf(nk: Nakama, { pool, regions }: Seeker): { key: string; pool: string } {
  const hash = shortHash(nk, [pool, ...regions.slice().sort()].join('\n'));
  return { key: `backfill-${parseInt(hash.slice(0, 4), 16) % RECORDS}`, pool: hash };
}

/** Reads the openings of a pool, and what became of them. */
export function readOpenings(nk: Nakama, seeker: Seeker): Openings {
  const { key, pool } = openingsOf(nk, seeker);
  const row = readRows<{ openings: Opening[] }>(nk, CONTROL, [key])[0];
  const ids = (row?.value.openings ?? [])
    .filter((one) => one.pool === pool)
    .slice(-MOST_LOOKED_AT)
    .map((one) => one.allocation_id);
  if (ids.length === 0) return { key, pool, row, newest: [] };
  const allocations = readAllocations(nk, ids);
  // An allocation can have led to a session with another id.
  const sessions = ids.map((id) => allocations[id]?.value.session_id ?? id);
  const instances = readInstances(nk, sessions);
  const newest = ids.map((id, i): Newest => {
    const [allocation, instance] = [allocations[id], instances[sessions[i] ?? id]];
    return { id, ...(allocation ? { allocation } : {}), ...(instance ? { instance } : {}) };
  });
  return { key, pool, row, newest };
}

/**
 * The write that adds an allocation to the list, and drops what is of no use: sessions that ended, what is too old to run,
 * and of this pool those that `isFull`.
 */
export function withOpening(
  config: Config,
  openings: Openings,
  allocationId: string,
  isFull: (one: Newest) => boolean,
  now: number,
): Write {
  const useless = openings.newest.filter((one) => (!one.allocation && !one.instance) || isFull(one));
  const dropped = useless.map(({ id }) => id);
  const kept = (openings.row?.value.openings ?? []).filter(
    (one) => one.at_ms > now - config.ttlMs && !dropped.includes(one.allocation_id),
  );
  const added: Opening = { pool: openings.pool, allocation_id: allocationId, at_ms: now };
  const value = { openings: [...kept, added].slice(-MOST_LISTED) };
  return { collection: CONTROL, key: openings.key, value, version: openings.row?.version ?? '*' };
}

/** Running instances of this node's index that may have room for a group, the fullest first. As stored now. */
export function findInIndex(call: Call, seeker: Seeker): Row<Instance>[] {
  const { ctx, nk } = call;
  return findInstances(ctx, nk, queryFor(seeker), MOST_FOUND, 'open_seats');
}

/** Cheap for the index: few terms, the rarest first, one to sort by. */
export function queryFor({ pool, regions, user_ids }: Seeker): string {
  // A region has letters, digits, ".", "_" and "-" (config.ts, rpc/request.ts).
  const anyRegion = regions.map((region) => region.replace(/\./g, '\\.')).join('|');
  return [
    `+value.pool:${pool}`,
    `+value.region:/${anyRegion}/`,
    '+value.status:running',
    `+value.open_seats:>=${user_ids.length}`,
  ].join(' ');
}
