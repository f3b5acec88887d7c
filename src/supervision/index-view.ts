import { INSTANCES } from '../instances/store';
import { isIndexed, noteIndexed } from '../nakama/indexed';
import { listRows } from '../nakama/pages';
import type { Nakama } from '../nakama/runtime';
import { writeRows, type Write } from '../nakama/storage';

/** Each costs Nakama an index write, in transactions of so many. */
const MOST_PER_PASS = 500;
const BATCH = 100;
const PAGE = 500;

/**
 * Brings this node's index up to date with what other nodes stored: a record is written as it is, at the version that was
 * read, which changes nothing in the database but makes Nakama index it here. What is older than `sinceMs` was there when the
 * node loaded its index. Answers how many were taken in, and whether that is all.
 */
export function refreshIndexView(nk: Nakama, sinceMs: number, deadlineMs: number): { indexed: number; done: boolean } {
  let indexed = 0;
  let cursor = '';
  do {
    const page = listRows<object>(nk, INSTANCES, PAGE, cursor);
    if (page === 'bad-cursor') return { indexed, done: false };
    const foreign = page.rows.filter(({ key, version, updatedAtMs }) => {
      if (isIndexed(nk, key, version)) return false;
      if (updatedAtMs >= sinceMs) return true;
      noteIndexed(nk, [{ collection: INSTANCES, key, version }]);
      return false;
    });
    for (let from = 0; from < foreign.length; from += BATCH) {
      const writes = foreign.slice(from, from + BATCH).map(({ key, value, version }): Write => {
        return { collection: INSTANCES, key, value, version };
      });
      indexed += writeAsTheyAre(nk, writes);
      if (indexed >= MOST_PER_PASS) return { indexed, done: false };
    }
    cursor = page.cursor;
  } while (cursor !== '' && Date.now() < deadlineMs);
  return { indexed, done: cursor === '' };
}

/** One that changes meanwhile refuses the whole batch; then each is tried by itself, and that one comes with the next pass. */
function writeAsTheyAre(nk: Nakama, writes: Write[]): number {
  if (writeRows(nk, writes) !== 'conflict') return writes.length;
  return writes.filter((write) => writeRows(nk, [write]) !== 'conflict').length;
}
