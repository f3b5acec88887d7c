import { until } from '../stack/until.ts';
import type { Records } from './database.ts';

/** Nobody may write for so long at most: the workers' own patience with the database is longer. */
const MOST_WAIT_MS = 5000;
/** Others join the first one that waits. */
const GATHER_MS = 200;

/**
 * Ends connections exactly in the middle of statements. A statement of the module changes the allocation first, then seats,
 * then instances: with seats and instances held here, workers soon wait in the middle of theirs. Those are cut off, which
 * undoes what they did. Answers how many.
 */
export async function cutStatements({ pool }: Records): Promise<number> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('BEGIN');
    const waiting = async (): Promise<number[]> => {
      // Again, because new ones have come. Who holds a row now is let go on, so nobody waits for each other.
      await client.query(`SELECT 1 FROM gameye_seat WHERE state IN ('starting', 'reserved') FOR UPDATE SKIP LOCKED`);
      await client.query('SELECT 1 FROM gameye_instance FOR UPDATE SKIP LOCKED');
      // Not from pg_stat_activity: what that shows does not change within a transaction.
      const sql =
        'SELECT DISTINCT pid FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))';
      return (await client.query<{ pid: number }>(sql)).rows.map(({ pid }) => pid);
    };
    let firstAtMs = Infinity;
    const some = async (): Promise<number[] | undefined> => {
      const found = await waiting();
      if (found.length > 0) firstAtMs = Math.min(firstAtMs, Date.now());
      return Date.now() - firstAtMs >= GATHER_MS ? found : undefined;
    };
    const pids = await until(some, MOST_WAIT_MS, 'some in the middle of a statement').catch(waiting);
    await client.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [pids]);
    await client.query('ROLLBACK');
    return pids.length;
  } catch (error) {
    broken = error as Error;
    throw error;
  } finally {
    client.release(broken);
  }
}
