import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { defaultConfig } from '../../dev/nakama/config.ts';
import { migrate, openDatabase, transaction } from '../../dev/nakama/database.ts';
import { query } from '../../dev/stack/database.ts';
import { until } from '../../dev/stack/until.ts';
import { newDatabase, usePostgres } from './support.ts';

usePostgres();
let address: string;
let database: pg.Pool;

beforeAll(async () => {
  address = await newDatabase();
  await migrate(address);
  database = await openDatabase({ ...defaultConfig(), databaseAddress: address, maxOpenConns: 2 }, () => undefined);
});
afterAll(() => database.end());

const pidOf = async (client: pg.Pool | pg.PoolClient): Promise<number> =>
  (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;

async function terminate(pid: number): Promise<void> {
  await query(address, 'SELECT pg_terminate_backend($1, 5000)', [pid]);
}

it('a database connection that is killed in a transaction fails that one, and the next transaction gets another', async () => {
  // Twice as many as there are connections: none of them is lost for good.
  for (let i = 0; i < 4; i++) {
    const broken = transaction(database, async (client) => {
      await terminate(await pidOf(client));
      await client.query('SELECT 1');
    });
    await expect(broken).rejects.toThrow(/terminat|closed|not queryable/i);
  }
  await expect(transaction(database, (client) => pidOf(client))).resolves.toBeGreaterThan(0);
});

it('a database connection that is killed while nobody uses it is replaced', async () => {
  const killed = await pidOf(database);
  await terminate(killed);
  const other = () => transaction(database, (client) => pidOf(client));
  expect(await until(other, 5_000, 'another connection')).not.toBe(killed);
});
