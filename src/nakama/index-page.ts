import { Code, rpcError } from '../refusal';
import type { Context, Nakama, StorageObject } from './runtime';
import { isAtLeast, listIndex } from './version';

/** What to list of a storage index. `order` must end in something unique, or pages overlap. */
export interface IndexQuery {
  index: string;
  query: string;
  order: string[];
  limit: number;
  /** Empty for the first page. */
  cursor: string;
  /** The same order over stored objects, for Nakama to 3.21, whose index does not sort. */
  compare: (a: StorageObject, b: StorageObject) => number;
}

/** The most that any version answers to one query (runtime_javascript_nakama.go). */
const MOST_ROWS = 10_000;

/**
 * One page of an index query on every Nakama. From 3.24 the index has a cursor; before, ours is an offset, and each page asks
 * for everything up to its end. A page can be shorter than its limit, because rows that another node deleted drop out:
 * only an empty cursor is the end. Code 3: a cursor that is not of this query, order and limit; 9: what these versions
 * cannot answer. Whatever else the index throws comes through.
 */
export function indexPage(ctx: Context, nk: Nakama, wanted: IndexQuery): { objects: StorageObject[]; cursor: string } {
  const { index, query, order, limit } = wanted;
  if (isAtLeast(ctx, 3, 24)) {
    const position = wanted.cursor === '' ? undefined : open(nk, wanted, 'n');
    const page = listIndex(ctx, nk, index, query, limit, order, position);
    return { objects: page.objects, cursor: page.cursor === undefined ? '' : seal(nk, wanted, 'n', page.cursor) };
  }
  const offset = wanted.cursor === '' ? 0 : Number(open(nk, wanted, 'o'));
  if (offset >= MOST_ROWS) return tooMany('shows the first 10000 matches only');
  const end = offset + limit;
  const rows = isAtLeast(ctx, 3, 22) ? sortedRows(ctx, nk, wanted, end) : rowsSortedHere(ctx, nk, wanted);
  // With as many as there can be, nobody knows whether there are more: the next page says so.
  const more = rows.length > end || rows.length === MOST_ROWS;
  return {
    objects: rows.slice(offset, end),
    cursor: more ? seal(nk, wanted, 'o', String(Math.min(end, MOST_ROWS))) : '',
  };
}

/** More rows than `end`, or all there are. Fewer can also mean that deleted ones dropped out: then all are asked for. */
function sortedRows(ctx: Context, nk: Nakama, { index, query, order }: IndexQuery, end: number): StorageObject[] {
  if (end + 1 < MOST_ROWS) {
    const { objects } = listIndex(ctx, nk, index, query, end + 1, order);
    if (objects.length > end) return objects;
  }
  return listIndex(ctx, nk, index, query, MOST_ROWS, order).objects;
}

function rowsSortedHere(ctx: Context, nk: Nakama, { index, query, order, compare }: IndexQuery): StorageObject[] {
  const { objects } = listIndex(ctx, nk, index, query, MOST_ROWS, order);
  return objects.length < MOST_ROWS ? objects.slice().sort(compare) : tooMany('cannot sort 10000 matches or more');
}

function tooMany(what: string): never {
  return rpcError(Code.FAILED_PRECONDITION, `This version of Nakama ${what}: narrow the query, or update to 3.24.`);
}

/** Nakama decodes a cursor without distrust, so it only gets those that it made: ours carry a checksum. */
function seal(nk: Nakama, wanted: IndexQuery, kind: 'n' | 'o', position: string): string {
  return `${kind}${position}.${checksum(nk, wanted, kind + position)}`;
}

function open(nk: Nakama, wanted: IndexQuery, kind: 'n' | 'o'): string {
  const [sealed = '', sum] = wanted.cursor.split('.');
  if (sealed.charAt(0) === kind && sum === checksum(nk, wanted, sealed)) return sealed.slice(1);
  return rpcError(
    Code.INVALID_ARGUMENT,
    '"cursor" is not one that this query, order and limit led to: start without a cursor.',
  );
}

function checksum(nk: Nakama, { index, query, order, limit }: IndexQuery, sealed: string): string {
  const text = JSON.stringify([index, query, order, limit, sealed]);
  return nk.base16Encode(nk.hmacSha256Hash(text, 'gameye-cursor')).toLowerCase().slice(0, 16);
}
