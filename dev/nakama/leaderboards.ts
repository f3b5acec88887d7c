import type pg from 'pg';
import { ApiError, Code } from './failure.ts';

/** At their places in this list, which are Nakama's numbers. */
export type Operator = 'best' | 'set' | 'incr';
const OPERATORS: Operator[] = ['best', 'set', 'incr'];
const DESCENDING = 1;

interface Row {
  owner_id: string;
  username: string | null;
  score: string;
  subscore: string;
  num_score: number;
  metadata: object;
  create_time: Date;
  update_time: Date;
}

/** As the HTTP API writes times. */
const time = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;
const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);

/** Leaderboards without a reset schedule, ranks and decrements: making one, and writing records. */
export class Leaderboards {
  constructor(private readonly pool: pg.Pool) {}

  /** `nk.leaderboardCreate`: one that is there stays as it is. */
  async create(id: string, authoritative: boolean, order: string, operator: Operator, metadata: string): Promise<void> {
    await this.pool.query(
      `INSERT INTO leaderboard (id, authoritative, sort_order, operator, metadata) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (id) DO NOTHING`,
      [id, authoritative, order.startsWith('desc') ? DESCENDING : 0, OPERATORS.indexOf(operator), metadata],
    );
  }

  /** `nk.leaderboardRecordWrite`, with the leaderboard's own operator unless one is given. */
  async write(
    id: string,
    ownerId: string,
    username: string | null,
    score: number,
    subscore: number,
    metadata: string | null,
    override: Operator | null,
  ): Promise<object> {
    const board = await this.pool.query<{ sort_order: number; operator: number }>(
      'SELECT sort_order, operator FROM leaderboard WHERE id = $1',
      [id],
    );
    const found = board.rows[0];
    if (!found) throw new Error('leaderboard not found');
    const operator = override ?? OPERATORS[found.operator]!;
    const [pick, worse] = found.sort_order === DESCENDING ? ['greatest', '<'] : ['least', '>'];
    // A write that changes nothing does not count, as in Nakama (core_leaderboard.go).
    const [next, filter] = {
      best: [
        `score = ${pick}(r.score, $4), subscore = ${pick}(r.subscore, $5)`,
        `r.score ${worse} $4 OR r.subscore ${worse} $5`,
      ],
      set: ['score = $4, subscore = $5', 'r.score <> $4 OR r.subscore <> $5'],
      incr: ['score = r.score + $4, subscore = r.subscore + $5', '$4::int8 <> 0 OR $5::int8 <> 0'],
    }[operator] as [string, string];
    const written = await this.pool.query<Row>(
      `INSERT INTO leaderboard_record AS r (leaderboard_id, owner_id, username, score, subscore, metadata)
       VALUES ($1, $2, $3, $4::int8, $5::int8, coalesce($6::jsonb, '{}'))
       ON CONFLICT (owner_id, leaderboard_id, expiry_time) DO UPDATE SET ${next}, num_score = r.num_score + 1,
         username = coalesce(excluded.username, r.username), metadata = coalesce($6::jsonb, r.metadata), update_time = now()
       WHERE ${filter} RETURNING *`,
      [id, ownerId, username, score, subscore, metadata],
    );
    const unchanged = 'SELECT * FROM leaderboard_record WHERE leaderboard_id = $1 AND owner_id = $2';
    const row = written.rows[0] ?? (await this.pool.query<Row>(unchanged, [id, ownerId])).rows[0]!;
    return {
      leaderboardId: id,
      ownerId: row.owner_id,
      username: row.username,
      score: Number(row.score),
      subscore: Number(row.subscore),
      numScore: row.num_score,
      maxNumScore: 0,
      metadata: row.metadata,
      createTime: seconds(row.create_time),
      updateTime: seconds(row.update_time),
      expiryTime: null,
      rank: 0,
    };
  }
  /** `GET /v2/leaderboard/<id>`: its first records, best first. */
  async list(id: string, limit: number): Promise<object> {
    const board = await this.pool.query<{ sort_order: number }>('SELECT sort_order FROM leaderboard WHERE id = $1', [
      id,
    ]);
    const found = board.rows[0];
    if (!found) throw new ApiError(Code.NotFound, 'Leaderboard not found.');
    const order = found.sort_order === DESCENDING ? 'DESC' : 'ASC';
    const { rows } = await this.pool.query<Row>(
      `SELECT * FROM leaderboard_record WHERE leaderboard_id = $1 ORDER BY score ${order}, subscore ${order}, owner_id LIMIT $2`,
      [id, limit],
    );
    const records = rows.map((row) => ({
      leaderboard_id: id,
      owner_id: row.owner_id,
      ...(row.username === null ? {} : { username: row.username }),
      ...(row.score === '0' ? {} : { score: row.score }),
      ...(row.subscore === '0' ? {} : { subscore: row.subscore }),
      num_score: row.num_score,
      metadata: JSON.stringify(row.metadata),
      create_time: time(row.create_time),
      update_time: time(row.update_time),
    }));
    return records.length > 0 ? { records } : {};
  }
}
