import type { Nakama } from '../nakama/runtime';
import { deleteRow, readByKey, readRows, replaceRows, writeRows, type Row, type Write } from '../nakama/storage';
import type { Instance } from '../instances/instance';
import { insertion } from '../instances/store';
import type { Allocation } from './allocation';

export const ALLOCATIONS = '_gameye_allocations';

export function readAllocation(nk: Nakama, id: string): Row<Allocation> | undefined {
  return readRows<Allocation>(nk, ALLOCATIONS, [id])[0];
}

/** Those of these allocations that are there, by id. */
export function readAllocations(nk: Nakama, ids: string[]): { [id: string]: Row<Allocation> } {
  return readByKey<Allocation>(nk, ALLOCATIONS, ids);
}

/** Stores an allocation, and other records with it in one transaction; version `*` for a new one. Answers its new version. */
export function saveAllocation(
  nk: Nakama,
  allocation: Allocation,
  version: string,
  others: Write[] = [],
): string | 'conflict' {
  const versions = writeRows(nk, [write(allocation, version), ...others]);
  return versions === 'conflict' ? 'conflict' : (versions[0] ?? '');
}

/**
 * Stores the instance that an allocation led to, and with it the end of the allocation: its row is deleted, or kept in its
 * new state when it `stays`. All or nothing. Answers the row's new version (empty when deleted).
 */
export function saveRecorded(
  nk: Nakama,
  allocation: Allocation,
  version: string,
  instance: Instance,
  stays: boolean,
): string | 'conflict' {
  if (!stays) {
    return replaceRows(nk, [insertion(instance)], { collection: ALLOCATIONS, key: allocation.id, version });
  }
  const versions = writeRows(nk, [write(allocation, version), insertion(instance)]);
  return versions === 'conflict' ? 'conflict' : (versions[0] ?? '');
}

export function deleteAllocation(nk: Nakama, id: string, version: string): 'deleted' | 'conflict' {
  return deleteRow(nk, ALLOCATIONS, id, version);
}

function write(allocation: Allocation, version: string): Write {
  return { collection: ALLOCATIONS, key: allocation.id, value: allocation, version };
}
