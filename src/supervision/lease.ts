import { SECOND } from '../config';
import type { Nakama } from '../nakama/runtime';
import { CONTROL, readRows, writeRows } from '../nakama/storage';

/*
 * A job that only one node does at a time: a record names who, until when. Whoever does it renews the record; when that
 * stays away, another takes over. Two may overlap for a moment, when one was held up longer than its lease: what they do
 * must bear that.
 */

/** Longer than the longest request of a job and what comes with it. */
export const LEASE_MS = 20 * SECOND;

/** What the job keeps from one holder to the next is stored with its lease. */
export interface Leased<T> {
  holder: string;
  until_ms: number;
  memory: T;
}

/** The record as this node saw it, and since when it has not changed. */
export interface Sighting {
  version: string;
  since_ms: number;
}

/** What trying to take a lease leads to. */
export type Claim<T> = { held: true; version: string; memory: T } | { held: false; seen: Sighting };

/**
 * Takes the lease when nobody has it. The other nodes' clocks may be wrong: a record that did not change for as long as a
 * lease lasts, by our own clock, is nobody's either; and what this node held before it was restarted is its own.
 */
export function claim<T>(
  nk: Nakama,
  job: string,
  holder: string,
  first: T,
  seen: Sighting | undefined,
  now: number,
): Claim<T> {
  const row = readRows<Leased<T>>(nk, CONTROL, [job])[0];
  const sighting = seen && row?.version === seen.version ? seen : { version: row?.version ?? '', since_ms: now };
  const isFree = !row || row.value.until_ms < now || now - sighting.since_ms > LEASE_MS;
  if (!isFree && nodeOf(row.value.holder) !== nodeOf(holder)) return { held: false, seen: sighting };
  const memory = row?.value.memory ?? first;
  const version = renew(nk, job, holder, memory, row?.version ?? '*', now);
  return version === 'conflict' ? { held: false, seen: sighting } : { held: true, version, memory };
}

/** Prolongs a lease and stores the job's memory. `conflict`: another has it now. */
export function renew<T>(
  nk: Nakama,
  job: string,
  holder: string,
  memory: T,
  version: string,
  now: number,
): string | 'conflict' {
  const value: Leased<T> = { holder, until_ms: now + LEASE_MS, memory };
  const versions = writeRows(nk, [{ collection: CONTROL, key: job, value, version }]);
  return versions === 'conflict' ? 'conflict' : (versions[0] ?? '');
}

/** What the job last stored; undefined when it never ran. */
export function readMemory<T>(nk: Nakama, job: string): T | undefined {
  return readRows<Leased<T>>(nk, CONTROL, [job])[0]?.value.memory;
}

/** Holders are matches, `<uuid>.<node>`; a node has one for a job. */
function nodeOf(holder: string): string {
  return holder.slice(holder.indexOf('.') + 1);
}
