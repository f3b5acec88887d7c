import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { migrationStatement } from '../../../src/database/schema';
import type { Nakama } from '../../../src/nakama/runtime';
import { EMPTY_TABLES } from './tables';

/** One database and many connections to it, as nodes and their workers have them. */
export interface Concurrent {
  /** `user:password@host:port/dbname`. */
  address: string;
  /** Runs functions of the database room, each on a connection of its own, all at the same time. */
  together: <T>(acts: ((nk: Nakama) => T)[]) => Promise<T[]>;
  query: <Row extends object>(text: string, values?: unknown[]) => Promise<Row[]>;
  /** Empties the module's tables: a database with its connections for each test would cost more than the test. */
  clear: () => Promise<void>;
  /** Instances whose counters are not what their seats say. */
  wrongBooks: () => Promise<object[]>;
  close: () => Promise<void>;
}

/** How often the module's door tries a statement that others undid. */
const MOST_TRIES = 3;

/** A database of its own with the module's tables, or `empty`, in the Postgres of this run. */
export async function concurrent(connections: number, tables: 'tables' | 'empty' = 'tables'): Promise<Concurrent> {
  const server = inject('postgres');
  const name = `unit_${randomBytes(6).toString('hex')}`;
  const owner = new pg.Client({ connectionString: `postgres://${server}` });
  await owner.connect();
  await owner.query(`CREATE DATABASE ${name}`);
  await owner.end();
  const address = `${server.slice(0, server.lastIndexOf('/'))}/${name}`;
  const pool = new pg.Pool({
    connectionString: `postgres://${address}`,
    max: connections,
    // Nakama gives int8 as a number.
    types: { getTypeParser: (oid, format) => (oid === 20 ? Number : pg.types.getTypeParser(oid, format as 'text')) },
  });
  pool.on('error', () => undefined);
  const query = async <Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> => {
    const result = await pool.query(text, values);
    return result.rows as Row[];
  };
  if (tables === 'tables') await query(migrationStatement());

  const one = async <T>(act: (nk: Nakama) => T): Promise<T> => {
    const { text, values } = statementOf(act);
    for (let tries = 1; ; tries++) {
      let rows: object[] = [];
      let failure: Error | undefined;
      try {
        rows = await query(text, values);
      } catch (error) {
        const { message, code } = error as { message: string; code?: string };
        if (tries < MOST_TRIES && ['40P01', '40001', '23514'].includes(code ?? '')) continue;
        failure = new Error(`${message} (SQLSTATE ${String(code)})`);
      }
      return act(
        nakamaThat(() => {
          if (failure) throw failure;
          return rows;
        }),
      );
    }
  };
  return {
    address,
    query,
    clear: async () => void (await query(EMPTY_TABLES)),
    together: async (acts) => {
      // All are connected before the first begins.
      const clients = await Promise.all(Array.from({ length: connections }, () => pool.connect()));
      for (const client of clients) client.release();
      return Promise.all(acts.map(one));
    },
    wrongBooks: () =>
      query(
        `SELECT i.* FROM gameye_instance i CROSS JOIN LATERAL (
           SELECT count(*) FILTER (WHERE s.state = 'reserved') AS reserved, count(*) FILTER (WHERE s.state = 'joined') AS joined
           FROM gameye_seat s WHERE s.session_id = i.id) n
         WHERE (i.reserved, i.joined, i.player_count) <> (n.reserved, n.joined, n.reserved + n.joined + i.unseated)
           OR i.open_seats <> greatest(0, i.max_players - i.player_count)`,
      ),
    close: () => pool.end(),
  };
}

function nakamaThat(sqlQuery: (text: string, values?: unknown[]) => unknown): Nakama {
  return { sqlQuery } as Partial<Nakama> as Nakama;
}

/** The one statement that a function runs. */
function statementOf(act: (nk: Nakama) => unknown): { text: string; values: unknown[] } {
  let seen: { text: string; values: unknown[] } | undefined;
  try {
    act(
      nakamaThat((text, values = []) => {
        seen = { text, values };
        throw new Error('only looked at');
      }),
    );
  } catch {
    // It had no answer to work with.
  }
  if (!seen) throw new Error('The function ran no statement.');
  return seen;
}
