import { noteIndexed } from './indexed';
import type { Nakama, StorageObject, StorageWriteRequest } from './runtime';

/** Owner of all records that are not a player's: invisible to clients (read 0, write 0). */
export const SYSTEM_USER = '00000000-0000-0000-0000-000000000000';

/** What belongs to the fleet as a whole, a record for each thing: leases, the version override, its owner id, … */
export const CONTROL = '_gameye_control';

/** A stored record and the version that a later write or delete has to name. */
export interface Row<T> {
  value: T;
  version: string;
}

export interface Write {
  collection: string;
  key: string;
  value: object;
  /** `*` inserts only; anything else must be the version that was read. */
  version: string;
  /** The player who may read it; the system when missing, then nobody may. */
  owner?: string;
}

/** Reads records by key; missing ones are left out. */
export function readRows<T>(nk: Nakama, collection: string, keys: string[]): Row<T>[] {
  return nk
    .storageRead(keys.map((key) => ({ collection, key, userId: SYSTEM_USER })))
    .map((object) => toRow<T>(object));
}

/** Reads records by key, as an object by key; missing ones are left out. */
export function readByKey<T>(nk: Nakama, collection: string, keys: string[]): { [key: string]: Row<T> } {
  const rows: { [key: string]: Row<T> } = {};
  for (const object of nk.storageRead(keys.map((key) => ({ collection, key, userId: SYSTEM_USER })))) {
    rows[object.key] = toRow<T>(object);
  }
  return rows;
}

/** Reads one record of each of these players; who has none is left out. */
export function readOwned<T>(
  nk: Nakama,
  collection: string,
  key: string,
  owners: string[],
): { [owner: string]: Row<T> } {
  const rows: { [owner: string]: Row<T> } = {};
  for (const object of nk.storageRead(owners.map((userId) => ({ collection, key, userId })))) {
    rows[object.userId] = toRow<T>(object);
  }
  return rows;
}

/** A stored object as a typed row. The value is a Go map until here: copied, so that it can be changed and written back. */
export function toRow<T>(object: StorageObject): Row<T> {
  return { value: JSON.parse(JSON.stringify(object.value)) as T, version: object.version };
}

/**
 * Writes records in one transaction, all or nothing. Answers the new versions in the order of the writes, or `conflict`
 * when a record is not at the version that its write names. Other errors are thrown.
 */
export function writeRows(nk: Nakama, writes: Write[]): string[] | 'conflict' {
  // Sorted, because the server pairs the sorted operations of a batch with unsorted results (core_storage.go).
  const sorted = writes.slice().sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  const acks = orConflict(() => nk.storageWrite(sorted.map(writeRequest)));
  if (acks === 'conflict') return 'conflict';
  noteIndexed(nk, acks);
  const versions: { [key: string]: string } = {};
  for (const ack of acks) versions[sortKey({ ...ack, owner: ack.userId })] = ack.version;
  return writes.map((write) => versions[sortKey(write)] ?? '');
}

/** Deletes one record at the version that was read; `conflict` when it changed or is gone. Other errors are thrown. */
export function deleteRow(
  nk: Nakama,
  collection: string,
  key: string,
  version: string,
  owner = SYSTEM_USER,
): 'deleted' | 'conflict' {
  return orConflict(() => {
    nk.storageDelete([{ collection, key, userId: owner, version }]);
    return 'deleted' as const;
  });
}

/** Writes records and deletes another in one transaction; `conflict` when one of them is not at its version. */
export function replaceRows(
  nk: Nakama,
  writes: Write[],
  gone: { collection: string; key: string; version: string },
): '' | 'conflict' {
  return orConflict(() => {
    const done = nk.multiUpdate(null, writes.map(writeRequest), [{ ...gone, userId: SYSTEM_USER }], null);
    noteIndexed(nk, done.storageWriteAcks ?? []);
    return '' as const;
  });
}

/** Nakama tells a version conflict by its text only (core_storage.go: ErrStorageRejectedVersion, …RejectedDelete). */
function orConflict<T>(act: () => T): T | 'conflict' {
  try {
    return act();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (text.includes('version check failed')) return 'conflict';
    throw error;
  }
}

function writeRequest(write: Write): StorageWriteRequest {
  return {
    collection: write.collection,
    key: write.key,
    userId: write.owner ?? SYSTEM_USER,
    value: JSON.parse(JSON.stringify(write.value)) as { [key: string]: unknown },
    version: write.version,
    permissionRead: write.owner === undefined ? 0 : 1,
    permissionWrite: 0,
  };
}

function sortKey(row: { collection: string; key: string; owner?: string }): string {
  return `${row.collection}\n${row.key}\n${row.owner ?? SYSTEM_USER}`;
}
