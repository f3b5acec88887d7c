import type { Nakama } from '../nakama/runtime';
import { answer, ask, json, ms } from './sql';

/* What operators changed, for whoever asks afterwards who did that. */

/** A change that an operator asks for, as it is noted. */
export interface Change {
  fleet: string;
  /** The RPC. */
  change: string;
  /** The node that was asked. */
  node: string;
  /** What the network says of who asked; empty when it says nothing. */
  client_ip: string;
  /** What was asked for. */
  meant: object;
}

/** One that was noted, with its time by the database's clock. */
export interface NotedChange extends Omit<Change, 'fleet'> {
  id: number;
  at_ms: number;
  before: unknown;
  /** Null: it was begun, and nobody noted its end. */
  after: unknown;
}

/**
 * One of a statement's `WITH`: notes the change in an argument, as JSON, together with what the statement does; nothing when
 * the argument is null. What was there before and is now, as jsonb, and a condition for noting it at all.
 */
export function noted(
  argument: string,
  {
    before = 'NULL::jsonb',
    after = 'NULL::jsonb',
    where = 'true',
  }: { before?: string; after?: string; where?: string },
): string {
  return `noted AS (
  INSERT INTO gameye_change (fleet, change, node, client_ip, meant, before, after)
  SELECT x.fleet, x.change, x.node, x.client_ip, x.meant, ${before}, ${after}
  FROM jsonb_to_record(${argument}::text::jsonb) AS x(fleet text, change text, node text, client_ip text, meant jsonb)
  WHERE x.fleet IS NOT NULL AND ${where}
  RETURNING id
)`;
}

const NOTE = `WITH ${noted('$1', { after: '$2::text::jsonb' })} ${answer('(SELECT id FROM noted)')}`;

/**
 * Notes a change that is no single statement, before it is made: one that breaks off is in the list all the same. Without
 * `after`, call `endChange` with the id that it answers.
 */
export function noteChange(nk: Nakama, change: Change, after?: object): number {
  return ask<number>(nk, NOTE, [json(change), after ? json(after) : null]);
}

const END = `
WITH ended AS (UPDATE gameye_change SET after = $2::text::jsonb WHERE id = $1::int8 RETURNING 1)
${answer('EXISTS (SELECT 1 FROM ended)')}`;

/** Notes what came of a change. */
export function endChange(nk: Nakama, id: number, after: object): void {
  ask<boolean>(nk, END, [id, json(after)]);
}

const LIST = answer(`(SELECT coalesce(json_agg(x ORDER BY x.id DESC), '[]') FROM (
  SELECT id, ${ms('change_time')} AS at_ms, change, node, client_ip, meant, before, after FROM gameye_change
  WHERE fleet = $1::text AND id < coalesce($2::int8, 9223372036854775807) ORDER BY id DESC LIMIT $3::int4) x)`);

/** The changes of a fleet before one of them, the latest first. */
export function listChanges(nk: Nakama, fleet: string, before: number | undefined, limit: number): NotedChange[] {
  return ask<NotedChange[]>(nk, LIST, [fleet, before ?? null, limit]);
}

const KEPT = 10_000;

const FORGET = `
WITH gone AS (
  DELETE FROM gameye_change WHERE id IN (
    SELECT id FROM gameye_change WHERE fleet = $1::text AND (change_time < now() - interval '90 days'
      OR id <= (SELECT id FROM gameye_change WHERE fleet = $1::text ORDER BY id DESC OFFSET ${KEPT} LIMIT 1))
    ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED)
  RETURNING 1
)
${answer('(SELECT count(*) FROM gone)')}`;

/** Deletes changes older than 90 days, and all but the latest 10,000; a few hundred at a time. */
export function forgetChanges(nk: Nakama, fleet: string): number {
  return ask<number>(nk, FORGET, [fleet]);
}
