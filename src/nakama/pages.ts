import { errorText } from './log';
import type { Nakama } from './runtime';
import { SYSTEM_USER, type Row } from './storage';

/** Some records of a collection, in the order of their keys. */
export interface Page<T> {
  /** The values are the runtime's own objects: for reading only, `toRow` copies what is to be changed and written. */
  rows: ({ key: string; updatedAtMs: number } & Row<T>)[];
  /** Where the next page begins; empty at the end. */
  cursor: string;
}

/**
 * A page of the system's records in a collection: of all nodes, as the database has them, which an index has not. Players
 * may write into a collection of any name; theirs are left out. `bad-cursor`: it is none that this function answered.
 */
export function listRows<T>(nk: Nakama, collection: string, limit: number, cursor: string): Page<T> | 'bad-cursor' {
  try {
    const page = nk.storageList(SYSTEM_USER, collection, limit, cursor === '' ? undefined : cursor);
    const rows = (page.objects ?? []).map(({ key, value, version, updateTime }) => {
      return { key, value: value as T, version, updatedAtMs: updateTime * 1000 };
    });
    return { rows, cursor: page.cursor ?? '' };
  } catch (error) {
    // Nakama tells it by its text only (core_storage.go).
    if (errorText(error).includes('Malformed cursor')) return 'bad-cursor';
    throw error;
  }
}

/**
 * Visits the records of a collection page by page until they or the time end, or `visit` answers false. Answers false when
 * there may be more.
 */
export function visitRows<T>(
  nk: Nakama,
  collection: string,
  deadlineMs: number,
  visit: (value: T, key: string, version: string) => boolean,
): boolean {
  let cursor = '';
  do {
    const page = listRows<T>(nk, collection, PAGE, cursor);
    if (page === 'bad-cursor') return false;
    for (const { key, value, version } of page.rows) if (!visit(value, key, version)) return false;
    cursor = page.cursor;
  } while (cursor !== '' && Date.now() < deadlineMs);
  return cursor === '';
}

/** A page of instances is about half a megabyte, which is read in some milliseconds. */
const PAGE = 500;
