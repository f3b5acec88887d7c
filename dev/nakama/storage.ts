import { createHash } from 'node:crypto';
import type pg from 'pg';
import { databaseErrorText, transaction, type Queryable } from './database.ts';
import type { Log } from './log.ts';
import type { StorageIndexes } from './storage-index.ts';
import type { StorageDelete, StorageId, StorageObject, StorageWrite, WriteAck } from './storage-types.ts';

const COLUMNS = `collection, key, user_id AS "userId", value::text AS value, version, read AS "permissionRead",
  write AS "permissionWrite", floor(extract(epoch FROM create_time))::float8 AS "createTime",
  floor(extract(epoch FROM update_time))::float8 AS "updateTime"`;

export const VERSION_REJECTED = 'Storage write rejected - version check failed.';
export const PERMISSION_REJECTED = 'Storage write rejected - permission denied.';
const DELETE_REJECTED = 'Storage delete rejected - not found, version check failed, or permission denied.';

/** A refusal with a text of its own, as opposed to an error of the database. */
export class StorageRejected extends Error {}

/** The caller: null is the server itself, which sees and may do everything. */
export type Caller = string | null;

function byId(a: StorageId, b: StorageId): number {
  const compare = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0);
  return compare(a.collection, b.collection) || compare(a.key, b.key) || compare(a.userId, b.userId);
}

interface Row {
  write: number;
  version: string;
  done: boolean;
  created: Date;
  updated: Date;
}

/** Nakama's storage engine on Postgres: conditional writes, one transaction per batch, permissions, cursors. */
export class Storage {
  constructor(
    private readonly pool: pg.Pool,
    private readonly indexes: StorageIndexes,
    private readonly log: Log,
  ) {}

  async read(caller: Caller, ids: StorageId[]): Promise<StorageObject[]> {
    if (ids.length === 0) return [];
    const allowed = caller === null ? '' : 'WHERE (read = 2 OR (read = 1 AND user_id = $4))';
    const text = `SELECT ${COLUMNS} FROM storage NATURAL JOIN ROWS FROM (unnest($1::text[]), unnest($2::text[]),
      unnest($3::uuid[])) AS wanted(collection, key, user_id) ${allowed}`;
    const lists = [ids.map((id) => id.collection), ids.map((id) => id.key), ids.map((id) => id.userId)];
    const values = caller === null ? lists : [...lists, caller];
    return (await this.query(() => this.pool.query<StorageObject>(text, values))).rows;
  }

  /** @param ops all or nothing. @throws StorageRejected when a version or permission does not fit. */
  async write(caller: Caller, ops: StorageWrite[]): Promise<WriteAck[]> {
    return this.change(caller, ops, []);
  }

  async delete(caller: Caller, ops: StorageDelete[]): Promise<void> {
    await this.change(caller, [], ops);
  }

  /** Writes, then deletes, in one transaction; indexes follow after the commit. */
  async change(caller: Caller, writes: StorageWrite[], deletes: StorageDelete[]): Promise<WriteAck[]> {
    const indexed: StorageObject[] = [];
    const acks = await this.query(() =>
      transaction(this.pool, async (client) => {
        const done = new Map<StorageWrite, WriteAck>();
        // Sorted, so that two batches with the same rows cannot lock each other out.
        for (const op of [...writes].sort(byId)) {
          const row = await this.writeOne(client, caller, op);
          done.set(op, { collection: op.collection, key: op.key, userId: op.userId, version: row.version });
          const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);
          const { collection, key, userId, value, read: permissionRead, write: permissionWrite } = op;
          const times = { createTime: seconds(row.created), updateTime: seconds(row.updated) };
          indexed.push({
            collection,
            key,
            userId,
            value,
            version: row.version,
            permissionRead,
            permissionWrite,
            ...times,
          });
        }
        for (const op of [...deletes].sort(byId)) await this.deleteOne(client, caller, op);
        return writes.map((op) => done.get(op)!);
      }),
    );
    if (indexed.length > 0) await this.indexes.write(indexed);
    if (deletes.length > 0) this.indexes.delete(deletes);
    return acks;
  }

  private async writeOne(client: Queryable, caller: Caller, op: StorageWrite): Promise<Row> {
    const version = createHash('md5').update(op.value).digest('hex');
    const values: unknown[] = [op.collection, op.key, op.userId, op.value, version, op.read, op.write];
    const returning = 'RETURNING write, version, create_time AS created, update_time AS updated, true AS done';
    const own = 'collection = $1 AND key = $2 AND user_id = $3';
    const permitted = caller === null ? '' : ' AND storage.write = 1';
    const columns = 'collection, key, user_id, value, version, read, write';
    const insert = `INSERT INTO storage (${columns}) VALUES ($1, $2, $3, $4, $5, $6, $7)`;
    const set = 'SET value = $4, version = $5, read = $6, write = $7, update_time = now()';
    let text: string;
    if (op.version === '*') {
      text = `${insert} ON CONFLICT DO NOTHING ${returning}`;
    } else {
      const attempt =
        op.version === ''
          ? // Unchanged content is not written again: its update time stays.
            `${insert} ON CONFLICT (collection, key, user_id) DO UPDATE ${set} WHERE NOT (storage.version = $5 AND
             storage.read = $6 AND storage.write = $7)${permitted} ${returning}`
          : `UPDATE storage ${set} WHERE ${own} AND version = $8${permitted} ${returning}`;
      text = `WITH attempt AS (${attempt}) SELECT * FROM attempt UNION ALL SELECT write, version, create_time, update_time,
        false FROM storage WHERE ${own} AND NOT EXISTS (SELECT FROM attempt)`;
      if (op.version !== '') values.push(op.version);
    }
    const row = (await client.query<Row>(text, values)).rows[0];
    if (row === undefined) throw new StorageRejected(VERSION_REJECTED);
    if (!row.done) {
      if (caller !== null && row.write !== 1) throw new StorageRejected(PERMISSION_REJECTED);
      if (op.version !== '') throw new StorageRejected(VERSION_REJECTED);
    }
    return row;
  }

  private async deleteOne(client: Queryable, caller: Caller, op: StorageDelete): Promise<void> {
    const values = [op.collection, op.key, op.userId, ...(op.version === '' ? [] : [op.version])];
    const conditions = (caller === null ? '' : ' AND write > 0') + (op.version === '' ? '' : ' AND version = $4');
    const text = `DELETE FROM storage WHERE collection = $1 AND key = $2 AND user_id = $3${conditions}`;
    const result = await client.query(text, values);
    // The server deleting unconditionally what is not there is no error.
    if (result.rowCount === 0 && (caller !== null || op.version !== '')) throw new StorageRejected(DELETE_REJECTED);
  }

  /** @param owner null lists all owners' objects. Order: permission, key, owner. */
  async list(
    caller: Caller,
    owner: string | null,
    collection: string,
    limit: number,
    cursor: string,
  ): Promise<{ objects: StorageObject[]; cursor: string }> {
    if (limit <= 0) return { objects: [], cursor: '' };
    const values: unknown[] = [collection, limit + 1];
    const conditions = ['collection = $1'];
    const add = (condition: (place: string) => string, value: unknown): void => {
      values.push(value);
      conditions.push(condition(`$${values.length}`));
    };
    if (owner !== null) add((place) => `user_id = ${place}`, owner);
    if (caller !== null && owner === caller) conditions.push('read >= 1');
    else if (caller !== null) conditions.push('read >= 2');
    if (cursor !== '') {
      const from = this.decodeCursor(cursor);
      values.push(from.read, from.key, from.userId);
      const places = [2, 1, 0].map((back) => `$${values.length - back}`);
      conditions.push(`(read, key, user_id) > (${places[0]!}, ${places[1]!}, ${places[2]!}::uuid)`);
    }
    const text = `SELECT ${COLUMNS} FROM storage WHERE ${conditions.join(' AND ')} ORDER BY read, key, user_id LIMIT $2`;
    const { rows } = await this.query(() => this.pool.query<StorageObject>(text, values));
    if (rows.length <= limit) return { objects: rows, cursor: '' };
    const last = rows[limit - 1]!;
    const next = { read: last.permissionRead, key: last.key, userId: last.userId };
    return { objects: rows.slice(0, limit), cursor: Buffer.from(JSON.stringify(next)).toString('base64url') };
  }

  private decodeCursor(cursor: string): { read: number; key: string; userId: string } {
    try {
      return JSON.parse(Buffer.from(cursor, 'base64url').toString()) as { read: number; key: string; userId: string };
    } catch {
      this.log.warn('Could not base64 decode storage cursor.', { cursor });
      throw new StorageRejected('Malformed cursor was used.');
    }
  }

  /** Logs errors of the database and gives them the words of the real server. */
  private async query<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof StorageRejected) throw error;
      const text = databaseErrorText(error);
      this.log.error('Error in a storage operation.', { error: text });
      throw new Error(text);
    }
  }
}
