import type { Nakama } from '../nakama/runtime';
import type { EndReason, Instance } from '../records';
import { INSTANCE, WHO_WAS_THERE } from './instances';
import { answer, ask, json } from './sql';

/*
 * Statements about what game servers say of their game, and about what the module's callbacks are still to hear: one row a
 * result, one row a session that is over. A row is claimed before its callback is called and settled after it, so that a
 * process that dies in between leads to one more call, by whoever finds the row.
 */

const STORE = `
WITH known AS (
  SELECT r.document = $4::text::jsonb AS same FROM gameye_result r WHERE r.id = $3::text
), place AS (
  SELECT i.* FROM gameye_instance i WHERE i.id = $2::text AND i.fleet = $1::text FOR UPDATE
), stored AS (
  INSERT INTO gameye_result (id, fleet, kind, session_id, round, document, user_ids, instance, keep_until, callback, due)
  SELECT $3::text, $1::text, 'result', i.id, $5::text, $4::text::jsonb, ${WHO_WAS_THERE}, ${INSTANCE}::jsonb, now() + interval '7 days',
    CASE WHEN $6::boolean THEN 'waiting' END, CASE WHEN $6::boolean THEN now() END
  FROM place i WHERE i.results < $7::int4 ON CONFLICT (id) DO NOTHING RETURNING 1
), counted AS (
  UPDATE gameye_instance i SET results = i.results + 1, reported = true FROM stored WHERE i.id = $2::text
)
${answer(`json_build_object('found', EXISTS (SELECT 1 FROM place), 'stored', EXISTS (SELECT 1 FROM stored),
  'same', (SELECT same FROM known), 'full', (SELECT results >= $7::int4 FROM place))`)}`;

const MOST_TRIES = 3;

/**
 * Stores what the game server of a session says of a round, once, with who was there and the instance as it is now. With
 * `isHeard` the module's callback is due. `known`: the same was stored before. `other`: something else was. `full`: so many
 * rounds were. `gone`: no such session.
 */
export function storeResult(
  nk: Nakama,
  fleet: string,
  result: { session_id: string; id: string; round: string | undefined; document: object },
  isHeard: boolean,
  most: number,
): 'stored' | 'known' | 'other' | 'full' | 'gone' {
  const { session_id, id, round = null, document } = result;
  const values = [fleet, session_id, id, json(document), round, isHeard, most];
  for (let tries = 1; ; tries++) {
    const found = ask<{ found: boolean; stored: boolean; same: boolean | null; full: boolean | null }>(
      nk,
      STORE,
      values,
    );
    if (found.stored) return 'stored';
    if (found.same !== null) return found.same ? 'known' : 'other';
    if (!found.found) return 'gone';
    // Neither stored nor known: somebody stored it after this statement had begun, and the next one sees it.
    if (found.full || tries >= MOST_TRIES) return 'full';
  }
}

/** A result as it is kept. `callback`: whether the module's `onResult` has heard of it; missing where there was none. */
export interface StoredResult {
  id: string;
  session_id: string;
  round: string | null;
  result: { [field: string]: unknown };
  user_ids: string[];
  instance: Instance;
  create_time: string;
  callback?: 'waiting' | 'done' | 'failed';
}

const LIST = `
WITH page AS (
  SELECT r.* FROM gameye_result r WHERE r.fleet = $1::text AND r.kind = 'result' AND r.keep_until > now()
    AND ($2::text IS NULL OR r.session_id = $2::text)
    AND ($3::text IS NULL OR (r.create_time, r.id) > (to_timestamp(0) + $3::text::int8 * interval '1 microsecond', $4::text))
  ORDER BY r.create_time, r.id LIMIT $5::int4 + 1
), shown AS (
  SELECT * FROM page ORDER BY create_time, id LIMIT $5::int4
), last AS (
  SELECT (extract(epoch FROM create_time) * 1000000)::int8::text AS at_us, id FROM shown ORDER BY create_time DESC, id DESC LIMIT 1
)
${answer(`json_build_object('last', (SELECT json_build_object('at_us', at_us, 'id', id) FROM last WHERE (SELECT count(*) FROM page) > $5::int4),
  'results', (SELECT coalesce(json_agg(json_strip_nulls(json_build_object('callback', r.callback))::jsonb || jsonb_build_object(
      'id', r.id, 'session_id', r.session_id, 'round', r.round, 'result', r.document, 'user_ids', r.user_ids, 'instance', r.instance,
      'create_time', to_char(r.create_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) ORDER BY r.create_time, r.id), '[]') FROM shown r))`)}`;

/** Where a page ended: the time of its last result in microseconds, and its id. */
export interface LastResult {
  at_us: string;
  id: string;
}

/** The results of a fleet or of one session that nobody has forgotten, oldest first; `last` when there are more. */
export function listResults(
  nk: Nakama,
  fleet: string,
  session: string | undefined,
  after: LastResult | undefined,
  limit: number,
): { results: StoredResult[]; last: LastResult | null } {
  return ask(nk, LIST, [fleet, session ?? null, after?.at_us ?? null, after?.id ?? null, limit]);
}

const FORGET = `
WITH forgotten AS (
  UPDATE gameye_result r SET keep_until = now()
  WHERE r.fleet = $1::text AND r.kind = 'result' AND r.keep_until > now() AND r.id IN (SELECT jsonb_array_elements_text($2::text::jsonb)) RETURNING 1
)
${answer('(SELECT count(*) FROM forgotten)')}`;

/** These results need not be kept: somebody has them. Repeating it changes nothing. Answers how many there were. */
export function forgetResults(nk: Nakama, fleet: string, ids: string[]): number {
  return ask<number>(nk, FORGET, [fleet, json(ids)]);
}

const CLEAN = `
WITH gone AS (
  DELETE FROM gameye_result WHERE id IN (
    SELECT r.id FROM gameye_result r WHERE r.fleet = $1::text AND r.keep_until <= now()
      -- While its session runs a row tells a repetition from a second result, and onEnded lists those that were forgotten.
      AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = r.session_id)
      AND (r.create_time < now() - interval '8 days'
        OR r.due IS NULL AND NOT EXISTS (SELECT 1 FROM gameye_result o WHERE o.session_id = r.session_id AND o.due IS NOT NULL))
    LIMIT 500 FOR UPDATE SKIP LOCKED) RETURNING 1
)
${answer('(SELECT count(*) FROM gone)')}`;

/** Deletes what nobody needs any more; some hundreds at a time. Answers how many there were. */
export function cleanResults(nk: Nakama, fleet: string): number {
  return ask<number>(nk, CLEAN, [fleet]);
}

/** Which callbacks a module has. */
export type Heard = ('result' | 'end')[];

/** A row `r` whose callback is due. A session's end waits until all of its results were heard. */
const DUE = `r.fleet = $1::text AND r.due <= now() AND r.kind IN (SELECT jsonb_array_elements_text($2::text::jsonb))
  AND (r.kind <> 'end' OR NOT EXISTS (SELECT 1 FROM gameye_result o
    WHERE o.session_id = r.session_id AND o.kind = 'result' AND o.due IS NOT NULL))`;

const WAITING = answer(`EXISTS (SELECT 1 FROM gameye_result r WHERE ${DUE})`);

/** Whether a callback is due. */
export function isCallbackDue(nk: Nakama, fleet: string, heard: Heard): boolean {
  return ask<boolean>(nk, WAITING, [fleet, json(heard)]);
}

/** What a callback is to hear. `attempts`: how often it was claimed, this time included. */
export interface DueCallback {
  id: string;
  kind: 'result' | 'end';
  session_id: string;
  round: string | null;
  /** Of a result. */
  document: { [field: string]: unknown } | null;
  /** Of an end. */
  reason: EndReason | null;
  results: { id: string; round: string | null; result: { [field: string]: unknown } }[];
  user_ids: string[];
  instance: Instance;
  attempts: number;
}

const CLAIM = `
WITH next AS (
  SELECT r.id FROM gameye_result r WHERE ${DUE} ORDER BY r.due LIMIT 1 FOR UPDATE SKIP LOCKED
), claimed AS (
  UPDATE gameye_result r SET due = now() + $3::float8 * interval '1 millisecond', attempts = r.attempts + 1
  FROM next WHERE r.id = next.id RETURNING r.*
)
${answer(`(SELECT json_build_object('id', r.id, 'kind', r.kind, 'session_id', r.session_id, 'round', r.round, 'document', r.document,
  'reason', r.reason, 'user_ids', r.user_ids, 'instance', r.instance, 'attempts', r.attempts,
  'results', (SELECT coalesce(json_agg(json_build_object('id', o.id, 'round', o.round, 'result', o.document) ORDER BY o.create_time, o.id), '[]')
    FROM gameye_result o WHERE r.kind = 'end' AND o.session_id = r.session_id AND o.kind = 'result')) FROM claimed r)`)}`;

/** Takes the next row whose callback is due: nobody else gets it until the lease is over. Undefined: there is none. */
export function claimCallback(nk: Nakama, fleet: string, heard: Heard, leaseMs: number): DueCallback | undefined {
  return ask<DueCallback | null>(nk, CLAIM, [fleet, json(heard), leaseMs]) ?? undefined;
}

const SETTLE = `
WITH settled AS (
  UPDATE gameye_result r SET callback = $2::text, due = now() + $3::float8 * interval '1 millisecond'
  WHERE r.id = $1::text AND r.callback = 'waiting' AND ($2::text = 'done' OR r.attempts = $4::int4) RETURNING 1
)
${answer('EXISTS (SELECT 1 FROM settled)')}`;

/**
 * Stores what came of a call: it is `done`, or has `failed` for good, or is called again after so many milliseconds. What was
 * claimed again meanwhile is left to that call, unless this one is done.
 */
export function settleCallback(
  nk: Nakama,
  { id, attempts }: DueCallback,
  outcome: 'done' | 'failed' | { again_ms: number },
): void {
  const [callback, pause] = typeof outcome === 'string' ? [outcome, null] : ['waiting', outcome.again_ms];
  ask<boolean>(nk, SETTLE, [id, callback, pause, attempts]);
}
