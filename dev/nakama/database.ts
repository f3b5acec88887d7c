import pg from 'pg';
import type { Config } from './config.ts';

// A schema of its own: a database that also serves a real Nakama is not disturbed. Tables, columns and constraints bear
// the names that appear in the texts of the real server's errors.
const SCHEMA = `
CREATE SCHEMA IF NOT EXISTS embedded_nakama;
SET search_path TO embedded_nakama;
CREATE TABLE IF NOT EXISTS users (
  id UUID PRIMARY KEY,
  username VARCHAR(128) NOT NULL CONSTRAINT users_username_key UNIQUE,
  display_name VARCHAR(255) NOT NULL DEFAULT '',
  metadata JSONB NOT NULL DEFAULT '{}',
  email VARCHAR(255) CONSTRAINT users_email_key UNIQUE,
  password TEXT,
  custom_id VARCHAR(128) CONSTRAINT users_custom_id_key UNIQUE,
  create_time TIMESTAMPTZ NOT NULL DEFAULT now(),
  update_time TIMESTAMPTZ NOT NULL DEFAULT now()
);
INSERT INTO users (id, username) VALUES ('00000000-0000-0000-0000-000000000000', '') ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS friend (
  user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  friend_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  state SMALLINT NOT NULL,
  update_time TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, friend_id)
);
CREATE TABLE IF NOT EXISTS user_device (
  id VARCHAR(128) PRIMARY KEY,
  user_id UUID NOT NULL CONSTRAINT user_device_user_id_fkey REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS leaderboard (
  id VARCHAR(128) PRIMARY KEY,
  authoritative BOOLEAN NOT NULL DEFAULT false,
  sort_order SMALLINT NOT NULL DEFAULT 1,
  operator SMALLINT NOT NULL DEFAULT 0,
  metadata JSONB NOT NULL DEFAULT '{}',
  create_time TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS leaderboard_record (
  leaderboard_id VARCHAR(128) NOT NULL REFERENCES leaderboard (id) ON DELETE CASCADE,
  owner_id UUID NOT NULL,
  username VARCHAR(128),
  score BIGINT NOT NULL DEFAULT 0 CHECK (score >= 0),
  subscore BIGINT NOT NULL DEFAULT 0 CHECK (subscore >= 0),
  num_score INT NOT NULL DEFAULT 1,
  metadata JSONB NOT NULL DEFAULT '{}',
  create_time TIMESTAMPTZ NOT NULL DEFAULT now(),
  update_time TIMESTAMPTZ NOT NULL DEFAULT now(),
  expiry_time TIMESTAMPTZ NOT NULL DEFAULT '1970-01-01 00:00:00 UTC',
  UNIQUE (owner_id, leaderboard_id, expiry_time)
);
CREATE TABLE IF NOT EXISTS notification (
  id UUID NOT NULL CONSTRAINT notification_id_key UNIQUE,
  user_id UUID NOT NULL CONSTRAINT notification_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
  subject VARCHAR(255) NOT NULL,
  content JSONB NOT NULL,
  code SMALLINT NOT NULL,
  sender_id UUID NOT NULL,
  create_time TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, create_time, id)
);
`;

export type Queryable = Pick<pg.Pool, 'query'>;

function clientConfig(address: string): pg.ClientConfig {
  const url = new URL(`postgres://${address}`);
  if (url.pathname === '' || url.pathname === '/') url.pathname = '/nakama';
  return { connectionString: url.href, options: '-c search_path=embedded_nakama -c timezone=UTC' };
}

/** Creates the database when it is missing, and the tables. Safe to run again, and on several nodes at once. */
export async function migrate(address: string): Promise<void> {
  const config = clientConfig(address);
  const name = new URL(config.connectionString!).pathname.slice(1);
  const connect = async (database: string): Promise<pg.Client> => {
    const url = new URL(config.connectionString!);
    url.pathname = `/${database}`;
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    return client;
  };
  let client: pg.Client;
  try {
    client = await connect(name);
  } catch (error) {
    if ((error as pg.DatabaseError).code !== '3D000') throw error;
    const admin = await connect('postgres');
    try {
      await admin.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`).catch((reason: unknown) => {
        // Another node was faster.
        if (!['42P04', '23505'].includes((reason as pg.DatabaseError).code ?? '')) throw reason;
      });
    } finally {
      await admin.end();
    }
    client = await connect(name);
  }
  try {
    await client.query('SELECT pg_advisory_lock(732101)');
    await client.query(SCHEMA);
  } finally {
    await client.end();
  }
}

/** A pool of connections. @throws Error that names the next step when the tables are missing. */
export async function openDatabase(config: Config, onError: (error: Error) => void): Promise<pg.Pool> {
  const pool = new pg.Pool({ ...clientConfig(config.databaseAddress), max: config.maxOpenConns });
  pool.on('error', onError);
  // A connection that ends while it is in use says so here, and its next statement fails; without a listener Node ends.
  pool.on('connect', (client) => client.on('error', () => {}));
  const found = await pool.query("SELECT to_regclass('embedded_nakama.notification') AS found");
  if ((found.rows[0] as { found: unknown }).found === null) {
    await pool.end();
    throw new Error('DB schema outdated, run "migrate up" with the same --database.address first');
  }
  return pool;
}

/** Runs `work` in one transaction; any error rolls it back. */
export async function transaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let lost: Error | undefined;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((reason: Error) => (lost = reason));
    throw error;
  } finally {
    // One that cannot even roll back is of no use to the next.
    client.release(lost);
  }
}

/** A database error in the words of Go's Postgres driver. */
export function databaseErrorText(error: unknown): string {
  const { code, message, severity } = error as Partial<pg.DatabaseError> & { message?: string };
  return severity === undefined ? String(message ?? error) : `${severity}: ${message!} (SQLSTATE ${code!})`;
}
