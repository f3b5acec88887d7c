import { errorText } from '../nakama/log';
import { indexPage } from '../nakama/index-page';
import type { Context, Initializer, Nakama, StorageObject } from '../nakama/runtime';
import { SYSTEM_USER, toRow, type Row } from '../nakama/storage';
import { listIndex, registerStorageIndex } from '../nakama/version';
import { Code, isRpcError, rpcError } from '../refusal';
import type { Instance } from './instance';
import { INSTANCES } from './store';

const INDEX = '_gameye_instances_idx';
// Every field makes every write dearer: Nakama builds a dictionary for each (about a millisecond on 3.40.0).
const FIELDS = ['id', 'status', 'region', 'version', 'player_count', 'open_seats', 'create_time', 'metadata'];

// Any player may write into a collection of any name, and the index takes those records in. A player's id has a digit that
// is not 0; the system's has none. In front, and a term that only excludes: so it changes nothing else of the query.
const OURS_ONLY = '-user_id:/.*[1-9a-f].*/';

/** What a list can be sorted by; `-` in front of one turns it around. */
export const SORTABLE = ['player_count', 'open_seats', 'create_time'];

/** Fullest first, then newest: what Nakama's GameLift plugin answers as well. */
const ORDER = ['-player_count', '-create_time'];

/** Registers the index of instances, with `backfill` also by pool. Only possible while InitModule runs. */
export function registerInstanceIndex(ctx: Context, initializer: Initializer, backfill: boolean): void {
  registerStorageIndex(ctx, initializer, {
    name: INDEX,
    collection: INSTANCES,
    fields: backfill ? [...FIELDS, 'pool'] : FIELDS,
    sortable: SORTABLE,
    maxEntries: 1_000_000,
  });
}

/**
 * A page of instances. `query` is Nakama's storage index language over the indexed fields, such as
 * `+value.region:eu-central-1 +value.open_seats:>=2`; empty is everything. Only the system's records come back, whatever the
 * query does to the terms in front of it. Refuses with 3 a query or cursor that Nakama cannot read, with 9 what its version
 * cannot answer.
 */
export function listInstances(
  ctx: Context,
  nk: Nakama,
  query: string,
  limit: number,
  cursor = '',
  order: string[] = ORDER,
): { instances: Instance[]; cursor: string } {
  try {
    const page = indexPage(ctx, nk, {
      index: INDEX,
      query: query === '' || query === '*' ? OURS_ONLY : `${OURS_ONLY} ${query}`,
      // `_id` is collection, key and owner, which the index can always sort by (bluge, document.go).
      order: order.map((field) => field.replace(/^(-?)/, '$1value.')).concat('_id'),
      limit,
      cursor,
      compare: byFields(order),
    });
    const ours = page.objects.filter((object) => object.userId === SYSTEM_USER);
    return { instances: ours.map((object) => toRow<Instance>(object).value), cursor: page.cursor };
  } catch (error) {
    if (isRpcError(error)) throw error;
    // The text does not tell a bad query from a bad database; a query that is always good does.
    listIndex(ctx, nk, INDEX, '*', 1, []);
    return rpcError(Code.INVALID_ARGUMENT, `"query" was refused: ${errorText(error)}`);
  }
}

/**
 * Instances that a query finds, with their versions, by one field upwards. For the module itself: the query is right, and
 * there are no pages. As the database has them now, whatever the index remembers.
 */
export function findInstances(ctx: Context, nk: Nakama, query: string, limit: number, field: string): Row<Instance>[] {
  const { objects } = listIndex(ctx, nk, INDEX, `${OURS_ONLY} ${query}`, limit, [`value.${field}`]);
  return objects.filter((object) => object.userId === SYSTEM_USER).map((object) => toRow<Instance>(object));
}

function byFields(order: string[]): (a: StorageObject, b: StorageObject) => number {
  const keys = order.concat('id').map((field) => ({ field: field.replace(/^-/, ''), sign: field[0] === '-' ? -1 : 1 }));
  return (a, b) => {
    for (const { field, sign } of keys) {
      const left = a.value[field] as number | string;
      const right = b.value[field] as number | string;
      if (left !== right) return left < right ? -sign : sign;
    }
    return 0;
  };
}
