import { errorText } from '../nakama/log';
import type { Nakama } from '../nakama/runtime';
import { Code, rpcError } from '../refusal';
import { noteDatabaseTime } from './clock';

/*
 * The door to the database: the only place that calls nk.sqlQuery and nk.sqlExec. A call is one statement, committed by
 * itself. Values are bound, never part of the text, and never a secret: Nakama logs the arguments of a statement that fails.
 */

/** What can be bound. Numbers need a cast in the statement; lists and objects are bound as JSON, see `json`. */
export type Value = string | number | boolean | null;

/** A list or an object as an argument, for `$1::text::jsonb`. */
export function json(value: unknown): string {
  return JSON.stringify(value);
}

/** The whole milliseconds of a time, or of an interval. */
export function ms(time: string): string {
  return `(extract(epoch FROM ${time}) * 1000)::int8`;
}

/** The milliseconds that an instance `i` has of what its mode sets: an argument with those of modes, and one for all others. */
export function msOfMode(ofMode: string, others: string): string {
  return `coalesce((${ofMode}::text::jsonb->>i.mode)::float8, ${others}::float8)`;
}

/** The end of every statement: what it answers, and what the database's clock says. */
export function answer(value: string, from = ''): string {
  return `SELECT to_json(${value})::text AS answer, ${ms('clock_timestamp()')} AS now_ms ${from}`;
}

/**
 * A deadlock undid the statement, or Nakama gave up on a serialization failure: nothing happened, so it is tried again. So
 * is one that a CHECK refused: Postgres checks a row as the statement's snapshot has it before it notices that somebody
 * changed that row meanwhile, and a new snapshot has the change.
 */
const TRIED_AGAIN = ['40P01', '40001', '23514'];
const MOST_TRIES = 3;

/**
 * Runs a statement that ends with `answer`, and returns the JSON value in it. Types as they arrive in this runtime differ by
 * column type and version (jsonb as bytes, times as opaque objects), so everything comes as one JSON text. Throws an RPC
 * refusal when the database does not do it.
 */
export function ask<T>(nk: Nakama, statement: string, values: Value[]): T {
  const [row] = guarded(() => nk.sqlQuery(statement, values)) as { answer?: unknown; now_ms?: unknown }[];
  if (typeof row?.now_ms === 'number' && row.now_ms > 0) noteDatabaseTime(row.now_ms);
  return (typeof row?.answer === 'string' ? JSON.parse(row.answer) : null) as T;
}

/** Runs statements without values; several may be separated by semicolons. */
export function run(nk: Nakama, statements: string): void {
  guarded(() => nk.sqlExec(statements, []));
}

function guarded<T>(act: () => T): T {
  for (let tries = 1; ; tries++) {
    try {
      return act();
    } catch (error) {
      const state = sqlState(error);
      if (tries < MOST_TRIES && TRIED_AGAIN.includes(state)) continue;
      return refuse(state);
    }
  }
}

/** The SQLSTATE of an error that Nakama threw; empty when the database was not reached. */
function sqlState(error: unknown): string {
  return /\(SQLSTATE ([0-9A-Z]{5})\)/.exec(errorText(error))?.[1] ?? '';
}

/** The one place that gives an SQLSTATE its meaning for whoever called. Nakama has logged the statement. */
function refuse(state: string): never {
  switch (state) {
    case '42P01': // undefined table
    case '42703': // undefined column
    case '42883': // undefined function
    case '42501': // insufficient privilege
      return rpcError(
        Code.FAILED_PRECONDITION,
        `The tables of this module cannot be used (SQLSTATE ${state}). The log of Nakama says at its start what to do.`,
      );
    case '22021': // character not in repertoire
    case '22P02': // invalid text representation
    case '22P05': // untranslatable character
      return rpcError(
        Code.INVALID_ARGUMENT,
        `A text has characters that the database does not take (SQLSTATE ${state}).`,
      );
    case '2201B': // invalid regular expression
      return rpcError(Code.INVALID_ARGUMENT, 'A regular expression is refused by the database.');
    case '23505': // unique violation
    case '23514': // check violation
    case '40P01': // deadlock
    case '40001': // serialization failure
      return rpcError(Code.ABORTED, `Others changed the same records (SQLSTATE ${state}). Try again.`);
    default:
      return rpcError(
        Code.UNAVAILABLE,
        `This could not be done now, probably because of the database${state === '' ? '' : ` (SQLSTATE ${state})`}. Try again.`,
      );
  }
}
