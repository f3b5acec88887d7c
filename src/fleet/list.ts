import { listInstances } from '../database/instances';
import { invalid } from '../fields';
import { cursorAfter, translateOrder, translateQuery } from '../instances/query';
import type { Call } from '../nakama/caller';
import { ReadyJson } from '../text';

/** $1 and $2 of a page are the fleet and the number of rows. */
const FIRST_VALUE = 3;

/**
 * A page of instances and a cursor, in an `order` of instances/query.ts, fullest first when there is none. `query` is the language of
 * Nakama's storage index; `limit` 1 to 1000. The cursor is empty at the end.
 */
export function list(call: Call, query: string, limit: number, cursor: string, order?: string[]): ReadyJson {
  const asked = translateQuery(query, FIRST_VALUE);
  if ('problem' in asked) return invalid('query', asked.problem);
  const sorted = translateOrder(query, order, cursor, FIRST_VALUE + asked.values.length);
  if ('problem' in sorted) return invalid('cursor', sorted.problem);
  const after = sorted.after ?? { sql: 'true', values: [] };
  const { page, last } = listInstances(call.nk, call.config.fleet, limit, {
    where: `(${asked.sql}) AND (${after.sql})`,
    orderBy: sorted.orderBy,
    values: asked.values.concat(after.values),
  });
  const next = last ? cursorAfter(query, order, last) : '';
  return new ReadyJson(`{"instances":${page},"cursor":${JSON.stringify(next)}}`);
}
