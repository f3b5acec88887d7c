import type pg from 'pg';

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
    const better = `(excluded.score, excluded.subscore) ${found.sort_order === DESCENDING ? '>' : '<'} (r.score, r.subscore)`;
    const next: Record<Operator, (column: string) => string> = {
      best: (column) => `CASE WHEN ${better} THEN excluded.${column} ELSE r.${column} END`,
      set: (column) => `excluded.${column}`,
      incr: (column) => `r.${column} + excluded.${column}`,
    };
    const { rows } = await this.pool.query<Row>(
      `INSERT INTO leaderboard_record AS r (leaderboard_id, owner_id, username, score, subscore, metadata)
       VALUES ($1, $2, $3, $4, $5, coalesce($6::jsonb, '{}'))
       ON CONFLICT (owner_id, leaderboard_id, expiry_time) DO UPDATE SET score = ${next[operator]('score')},
         subscore = ${next[operator]('subscore')}, num_score = r.num_score + 1, username = coalesce(excluded.username, r.username),
         metadata = coalesce($6::jsonb, r.metadata), update_time = now()
       RETURNING *`,
      [id, ownerId, username, score, subscore, metadata],
    );
    const [row] = rows as [Row];
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
}
