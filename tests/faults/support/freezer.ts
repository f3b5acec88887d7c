import pg from 'pg';
import type { Stack } from '../../../dev/stack/stack.ts';
import { until } from '../../../dev/stack/until.ts';

/** Also on a machine that is busy with other tests. */
const WAIT_MS = 60_000;

/**
 * Stops writers of the database exactly where they write: whoever wants to change what is frozen waits until `thaw`. Each
 * freezer is one transaction of its own, and freezes as much as one likes.
 */
export class Freezer {
  private constructor(
    private readonly what: string,
    private readonly client: pg.Client,
    private readonly schema: string,
  ) {}

  /** `what` says in errors what it is for. */
  static async open(stack: Pick<Stack, 'database' | 'runtime'>, what: string): Promise<Freezer> {
    const client = new pg.Client({ connectionString: `postgres://${stack.database}` });
    client.on('error', () => {}); // Its server is stopped after a test that failed; that test says why.
    await client.connect();
    await client.query('BEGIN');
    // The embedded runtime keeps its tables apart from those of a real Nakama in the same database.
    return new Freezer(what, client, stack.runtime.kind === 'embedded' ? 'embedded_nakama' : 'public');
  }

  /** A row of a table of the module, which must exist. */
  async row(table: 'gameye_allocation' | 'gameye_instance', id: string): Promise<void> {
    const { rowCount } = await this.client.query(`SELECT id FROM ${this.schema}.${table} WHERE id = $1 FOR UPDATE`, [
      id,
    ]);
    if (rowCount !== 1) throw new Error(`there is no row ${id} in ${table} to freeze`);
  }

  /** The seat of a player, which must have one. */
  async seat(userId: string): Promise<void> {
    const sql = `SELECT user_id FROM ${this.schema}.gameye_seat WHERE user_id = $1 FOR UPDATE`;
    if ((await this.client.query(sql, [userId])).rowCount !== 1)
      throw new Error(`there is no seat of ${userId} to freeze`);
  }

  /** Persistent notifications can be read and not be sent. */
  async notifications(): Promise<void> {
    await this.client.query(`LOCK TABLE ${this.schema}.notification IN SHARE MODE`);
  }

  /**
   * Takes over from a freezer of notifications: those who wait for that one can still be sent, and none after them. What comes
   * after a notification, and deletes older ones, waits as well.
   */
  async takeOverNotifications(before: Freezer): Promise<void> {
    const taken = this.notifications();
    await until(() => before.isSucceeded(), WAIT_MS, `the lock for ${this.what} in the queue`, 50);
    await before.thaw();
    await taken;
  }

  /** No allocation can be stored. */
  async allocations(): Promise<void> {
    await this.client.query(`LOCK TABLE ${this.schema}.gameye_allocation IN SHARE MODE`);
  }

  /** The rewards of examples/own-module, which its `onResult` writes. */
  async rewards(): Promise<void> {
    await this.client.query(`LOCK TABLE ${this.schema}.duel_reward IN SHARE MODE`);
  }

  /** With GAMEYE_MAX_SESSIONS: no session is admitted, so a worker waits before its first attempt. */
  async admission(): Promise<void> {
    await this.client.query(`SELECT pg_advisory_xact_lock(7300731, hashtext('default'))`);
  }

  /** Until so many wait for what is frozen here. */
  async untilSomebodyWaits(writers = 1): Promise<void> {
    const enough = async (): Promise<boolean> => (await this.waiting()).length >= writers;
    await until(enough, WAIT_MS, `${writers} who write what is frozen for ${this.what}`, 50);
  }

  /** Lets everybody go on. */
  async thaw(): Promise<void> {
    await this.client.query('ROLLBACK');
    await this.client.end();
  }

  /** The same after those who waited have died: Postgres would carry out the last wish of a client that is gone. */
  async thawForOthers(): Promise<void> {
    for (let waiting = await this.waiting(); waiting.length > 0; waiting = await this.waiting()) {
      await this.client.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [waiting]);
    }
    await this.thaw();
  }

  /** Another freezer of notifications waits. Whoever waits for a row has the same mode, and another type. */
  private async isSucceeded(): Promise<boolean> {
    const sql = `SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'ShareLock' AND locktype = 'relation'`;
    return (await this.client.query(sql)).rowCount === 1;
  }

  private async waiting(): Promise<number[]> {
    // Not from pg_stat_activity: what that shows does not change within a transaction.
    const sql = 'SELECT DISTINCT pid FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))';
    return (await this.client.query<{ pid: number }>(sql)).rows.map(({ pid }) => pid);
  }
}
