import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { databaseErrorText } from './database.ts';
import { ApiError, Code } from './failure.ts';
import type { Log } from './log.ts';

export interface Notification {
  userId: string;
  subject: string;
  /** JSON object. */
  content: string;
  code: number;
  senderId: string;
  persistent: boolean;
}

const NIL = '00000000-0000-0000-0000-000000000000';
const time = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;

interface Row {
  id: string;
  subject: string;
  content: string;
  code: number;
  sender_id: string;
  create_time: Date;
  micros: string;
}

/** Persistent notifications are stored, then all are delivered to the user's sockets; the others are lost when there are none. */
export class Notifications {
  constructor(
    private readonly pool: pg.Pool,
    private readonly log: Log,
    private readonly deliver: (userId: string, envelope: object) => void,
  ) {}

  /** @throws Error with the database's words; nothing is delivered then. */
  async send(notifications: Notification[]): Promise<void> {
    const sent = notifications.map((notification) => ({ ...notification, id: randomUUID() }));
    const kept = sent.filter((notification) => notification.persistent);
    if (kept.length > 0) {
      const column = (pick: (notification: (typeof kept)[number]) => unknown): unknown[] => kept.map(pick);
      try {
        await this.pool.query(
          `INSERT INTO notification (id, user_id, subject, content, code, sender_id) SELECT unnest($1::uuid[]),
           unnest($2::uuid[]), unnest($3::text[]), unnest($4::jsonb[]), unnest($5::smallint[]), unnest($6::uuid[])`,
          [
            column((n) => n.id),
            column((n) => n.userId),
            column((n) => n.subject),
            column((n) => n.content),
            column((n) => n.code),
            column((n) => n.senderId),
          ],
        );
      } catch (error) {
        const text = databaseErrorText(error);
        this.log.error('Could not save notifications.', { error: text });
        throw new Error(text);
      }
    }
    const now = time(new Date());
    for (const userId of new Set(sent.map((notification) => notification.userId))) {
      const own = sent.filter((notification) => notification.userId === userId);
      const list = own.map((n) => ({
        id: n.id,
        subject: n.subject,
        content: n.content,
        code: n.code,
        // The nil id is sent live, and left out when it is listed: so does the real server.
        sender_id: n.senderId,
        create_time: now,
        ...(n.persistent ? { persistent: true } : {}),
      }));
      this.deliver(userId, { notifications: { notifications: list } });
    }
  }

  /** One page, oldest first. The cursor stays valid for what comes later. */
  async list(userId: string, limit: number, cursor: string): Promise<object> {
    const values: unknown[] = [userId, limit + 1];
    let after = '';
    if (cursor !== '') {
      const [micros, id] = decode(cursor);
      if (id !== '') {
        values.push(micros, id);
        after = `AND (create_time, id) > (to_timestamp(0) + $3::bigint * interval '1 microsecond', $4::uuid)`;
      }
    }
    const { rows } = await this.pool.query<Row>(
      `SELECT id, subject, content::text AS content, code, sender_id, create_time,
         (extract(epoch FROM create_time) * 1000000)::bigint::text AS micros
       FROM notification WHERE user_id = $1 ${after} ORDER BY create_time, id LIMIT $2`,
      values,
    );
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const next = last === undefined ? (cursor === '' ? encode('0', '') : cursor) : encode(last.micros, last.id);
    if (page.length === 0) return { cacheable_cursor: next };
    const notifications = page.map((row) => ({
      id: row.id,
      subject: row.subject,
      content: row.content,
      code: row.code,
      ...(row.sender_id === NIL ? {} : { sender_id: row.sender_id }),
      create_time: time(row.create_time),
      persistent: true,
    }));
    return { notifications, cacheable_cursor: next };
  }

  async delete(userId: string, ids: string[]): Promise<void> {
    await this.pool.query('DELETE FROM notification WHERE user_id = $1 AND id = ANY($2::uuid[])', [userId, ids]);
  }
}

const encode = (micros: string, id: string): string => Buffer.from(`${micros}/${id}`).toString('base64url');

function decode(cursor: string): [string, string] {
  const match = /^(\d+)\/([0-9a-f-]*)$/.exec(Buffer.from(cursor, 'base64url').toString());
  if (match === null) throw new ApiError(Code.InvalidArgument, 'Malformed cursor was used.');
  return [match[1]!, match[2]!];
}
