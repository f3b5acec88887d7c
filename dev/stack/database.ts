import { randomBytes } from 'node:crypto';
import pg from 'pg';

/**
 * Creates an empty database on the server of `address` (`user:password@host:port/dbname`) and answers its address. The
 * name is random, because several processes share one server.
 */
export async function createDatabase(address: string): Promise<string> {
  const name = `nakama_${randomBytes(6).toString('hex')}`;
  await withClient(address, (client) => client.query(`CREATE DATABASE ${name}`));
  return `${address.slice(0, address.lastIndexOf('/'))}/${name}`;
}

const pools = new Map<string, pg.Pool>();

/** Runs one query and answers its rows. Who polls does not connect each time; idle connections close, and keep nobody up. */
export async function query<Row extends object>(address: string, sql: string, values: unknown[] = []): Promise<Row[]> {
  let pool = pools.get(address);
  if (!pool) {
    const connectionString = `postgres://${address}`;
    pool = new pg.Pool({ connectionString, max: 4, idleTimeoutMillis: 3_000, allowExitOnIdle: true });
    pool.on('error', () => {}); // An idle connection was closed by its server: the next query opens another.
    pools.set(address, pool);
  }
  return (await pool.query<Row>(sql, values)).rows;
}

/**
 * Everything that is stored as text in a database, one line per row and table, so that a test can search all of it:
 * whole rows as JSON, binary columns included as hexadecimal and, where they are text, decoded.
 */
export async function dumpText(address: string): Promise<string> {
  return withClient(address, async (client) => {
    const tables = await client.query<{ name: string }>(
      `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
       WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`,
    );
    const lines: string[] = [];
    for (const { name } of tables.rows) {
      const rows = await client.query<Record<string, unknown>>(`SELECT * FROM ${name}`);
      for (const row of rows.rows) lines.push(`${name} ${JSON.stringify(row, decodeBinary)}`);
    }
    return lines.join('\n');
  });
}

function decodeBinary(_key: string, value: unknown): unknown {
  const bytes = value as { type?: unknown; data?: unknown } | null; // A Buffer, as its toJSON has left it.
  if (typeof bytes !== 'object' || bytes === null || bytes.type !== 'Buffer') return value;
  const buffer = Buffer.from(bytes.data as number[]);
  return `${buffer.toString('hex')} ${buffer.toString('utf8')}`;
}

async function withClient<T>(address: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: `postgres://${address}` });
  client.on('error', () => {}); // The server was stopped while we were connected; the query says so.
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
