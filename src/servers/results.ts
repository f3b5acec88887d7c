import { forgetResults, listResults, storeResult, type LastResult, type StoredResult } from '../database/results';
import { heard } from '../extension/heard';
import { invalid } from '../fields';
import { instanceOf, notFound } from '../fleet/find';
import type { Call } from '../nakama/caller';
import { Code, rpcError } from '../refusal';

/* What came of a game, as its game server says it, and how others get it who do not use the module's callbacks. */

/** A document of the studio's. */
export interface Json {
  [field: string]: unknown;
}

const MOST_ROUNDS = 100;

/**
 * Keeps what a game server says of a round, or of its whole session, and has its scores written and the module's `onResult`
 * called. `stored: false`: the same was there already. Code 10 when something else was said of that round, 8 after a hundred
 * rounds, 5 after the end.
 */
export function reportResult(call: Call, id: string, result: Json, round?: string): { id: string; stored: boolean } {
  const { nk, config } = call;
  const isHeard = heard(config).includes('result');
  const keep = (session_id: string) => {
    const named = round === undefined ? session_id : `${session_id}/${round}`;
    const said = { session_id, id: named, round, document: result };
    return { id: named, kept: storeResult(nk, config.fleet, said, isHeard, MOST_ROUNDS) };
  };
  let { id: named, kept } = keep(id);
  // What `fleet_create` answered may not be the session's own id.
  if (kept === 'gone') ({ id: named, kept } = keep(instanceOf(call, id).id));
  switch (kept) {
    case 'stored':
    case 'known':
      return { id: named, stored: kept === 'stored' };
    case 'other':
      return rpcError(Code.ABORTED, `There is another result ${named} already. Name the next round otherwise.`);
    case 'full':
      return rpcError(Code.RESOURCE_EXHAUSTED, `A session has at most ${MOST_ROUNDS} results.`);
    case 'gone':
      return notFound(id);
  }
}

/** A page of results, after those in `forget` were forgotten. */
export function results(
  { nk, config }: Call,
  asked: { session: string | undefined; limit: number; cursor: string; forget: string[] },
): { results: StoredResult[]; cursor: string } {
  const { session, limit, cursor, forget } = asked;
  const after = readCursor(cursor);
  if (forget.length > 0) forgetResults(nk, config.fleet, forget);
  const page = listResults(nk, config.fleet, session, after, limit);
  return { results: page.results, cursor: page.last ? `${page.last.at_us}:${page.last.id}` : '' };
}

function readCursor(cursor: string): LastResult | undefined {
  if (cursor === '') return undefined;
  const [, at_us, id] = /^(\d{1,16}):([^]+)$/.exec(cursor) ?? [];
  if (at_us !== undefined && id !== undefined) return { at_us, id };
  return invalid('cursor', 'must be one that gameye_results answered, or be left out.');
}
