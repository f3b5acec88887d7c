import type { Nakama } from '../nakama/runtime';
import { noted, type Change } from './changes';
import { answer, ask, json } from './sql';

/* What all nodes share beside the records: this deployment's id, what operators set, who does a job at present, and their names. */

const OWNER = 'owner';
const OWNER_CACHE = 'gameye_owner';

const FIRST = `
WITH made AS (
  INSERT INTO gameye_control (key, value) VALUES ($1::text, $2::text::jsonb) ON CONFLICT (key) DO NOTHING RETURNING value
)
${answer(`coalesce((SELECT value FROM made), (SELECT value FROM gameye_control WHERE key = $1::text))`)}`;

/** This deployment's own id: random, stored once, the same on every node of the database. Read once per process. */
export function ownerId(nk: Nakama): string {
  const cached = nk.localcacheGet(OWNER_CACHE);
  if (typeof cached === 'string') return cached;
  // Null when another node stored it between this statement's look and its insertion: then it is there now.
  const id =
    ask<string | null>(nk, FIRST, [OWNER, json(nk.uuidv4())]) ?? ask<string>(nk, FIRST, [OWNER, json(nk.uuidv4())]);
  nk.localcachePut(OWNER_CACHE, id);
  return id;
}

const READ = answer('(SELECT value FROM gameye_control WHERE key = $1::text)');

/** A value that was set; undefined: none was. */
export function readControl<T>(nk: Nakama, key: string): T | undefined {
  return ask<T | null>(nk, READ, [key]) ?? undefined;
}

const ordersOf = (fleet: string): string => `orders:${fleet}`;

/** In a statement: how often the orders of a fleet were changed. */
export const ordersCount = (fleet: string): string =>
  `coalesce((SELECT c.version FROM gameye_control c WHERE c.key = 'orders:' || ${fleet}), 0)`;

const READ_ORDERS = answer(
  `(SELECT json_build_object('value', value, 'count', version) FROM gameye_control WHERE key = $1::text)`,
);

/** What operators ordered for a fleet, and how often that was changed; undefined: never. */
export function readOrdersRow<T>(nk: Nakama, fleet: string): { value: T; count: number } | undefined {
  return ask<{ value: T; count: number } | null>(nk, READ_ORDERS, [ordersOf(fleet)]) ?? undefined;
}

const CHANGE_ORDERS = `
WITH before AS (
  SELECT value FROM gameye_control WHERE key = $1::text
), changed AS (
  INSERT INTO gameye_control AS c (key, value) SELECT $1::text, $2::text::jsonb
  WHERE $3::int8 = 0 OR EXISTS (SELECT 1 FROM gameye_control WHERE key = $1::text)
  ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, version = c.version + 1 WHERE c.version = $3::int8
  RETURNING 1
), ${noted('$4', {
  before: '(SELECT value FROM before)',
  after: '$2::text::jsonb',
  where: 'EXISTS (SELECT 1 FROM changed)',
})}
${answer('EXISTS (SELECT 1 FROM changed)')}`;

/** Replaces the orders of a fleet that were changed so often, and notes who does. False: somebody was faster. */
export function changeOrdersRow<T>(nk: Nakama, fleet: string, orders: T, count: number, change: Change): boolean {
  return ask<boolean>(nk, CHANGE_ORDERS, [ordersOf(fleet), json(orders), count, json(change)]);
}

const reportsOf = (fleet: string): string => `reports:${fleet}`;
const REPORTS_CACHE = 'gameye_reports';

/** Notes that a game server of this fleet has reported with its own credential. Written once, asked for once per process. */
export function noteReport(nk: Nakama, fleet: string): void {
  if (nk.localcacheGet(REPORTS_CACHE) !== undefined) return;
  ask<unknown>(nk, FIRST, [reportsOf(fleet), json({ first_at_ms: Math.round(Date.now()) })]);
  nk.localcachePut(REPORTS_CACHE, 'yes');
}

/** True once a game server of this fleet has reported: what is said to reach this server does. */
export function hasReports(nk: Nakama, fleet: string): boolean {
  return readControl(nk, reportsOf(fleet)) !== undefined;
}

const WRITE = `
WITH before AS (
  SELECT value FROM gameye_control WHERE key = $1::text
), written AS (
  INSERT INTO gameye_control AS c (key, value) VALUES ($1::text, $2::text::jsonb)
  ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, version = c.version + 1 RETURNING 1
)
${answer('(SELECT value FROM before WHERE (SELECT count(*) FROM written) >= 0)')}`;

/** Sets a value, the last one wins; answers the one before. */
export function writeControl<T>(nk: Nakama, key: string, value: T): T | undefined {
  return ask<T | null>(nk, WRITE, [key, json(value)]) ?? undefined;
}

const CLAIM = `
WITH claimed AS (
  INSERT INTO gameye_control AS c (key, value, holder, until)
  VALUES ($1::text, $4::text::jsonb, $2::text, now() + $3::float8 * interval '1 millisecond')
  ON CONFLICT (key) DO UPDATE SET holder = EXCLUDED.holder, until = EXCLUDED.until, version = c.version + 1
  WHERE c.holder = EXCLUDED.holder OR c.until < now()
  RETURNING c.value
)
${answer(`(SELECT json_build_object('memory', value) FROM claimed)`)}`;

/**
 * Takes a job that only one does at a time, or prolongs it, for so many milliseconds by the database's clock. Answers what
 * its last holder left to the next (`first` in the beginning); undefined: another has it.
 */
export function claimJob<T>(nk: Nakama, job: string, holder: string, leaseMs: number, first: T): T | undefined {
  return ask<{ memory: T } | null>(nk, CLAIM, [job, holder, leaseMs, json(first)])?.memory;
}

const KEEP = `
WITH kept AS (
  UPDATE gameye_control c SET value = $4::text::jsonb, until = now() + $3::float8 * interval '1 millisecond', version = c.version + 1
  WHERE c.key = $1::text AND c.holder = $2::text RETURNING 1
)
${answer('EXISTS (SELECT 1 FROM kept)')}`;

/** Stores what the holder of a job leaves to the next, and prolongs it. False: another has it now. */
export function keepJob<T>(nk: Nakama, job: string, holder: string, leaseMs: number, memory: T): boolean {
  return ask<boolean>(nk, KEEP, [job, holder, leaseMs, json(memory)]);
}

const NAME = `
WITH before AS (
  SELECT holder FROM gameye_control WHERE key = $1::text
), taken AS (
  INSERT INTO gameye_control AS c (key, value, holder, until) VALUES ($1::text, 'null', $2::text, now() + interval '1 hour')
  ON CONFLICT (key) DO UPDATE SET holder = EXCLUDED.holder, until = EXCLUDED.until RETURNING 1
), forgotten AS (
  DELETE FROM gameye_control WHERE key LIKE 'node:%' AND key <> $1::text AND until < now()
)
${answer('(SELECT holder FROM before WHERE (SELECT count(*) FROM taken) >= 0)')}`;

/** Notes that this process has this name, whoever else has it; answers which process noted that last. */
export function takeName(nk: Nakama, name: string, process: string): string | undefined {
  return ask<string | null>(nk, NAME, [`node:${name}`, process]) ?? undefined;
}
