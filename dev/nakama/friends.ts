import type pg from 'pg';
import { ApiError, Code } from './failure.ts';
import type { Users } from './users.ts';

/** Nakama's states of a friendship, as one side sees it. */
const MUTUAL = 0;
const INVITED = 1;
const INVITATION = 2;

interface Edge {
  friend_id: string;
  state: number;
  update_time: Date;
}

/** Friendships by user id: asking for one, accepting it by asking back, listing. Blocking is left out. */
export class Friends {
  constructor(
    private readonly pool: pg.Pool,
    private readonly users: Users,
  ) {}

  /** `POST /v2/friend?ids=…`; ids without an account are passed over, as the real server does. */
  async add(userId: string, friendIds: string[]): Promise<void> {
    if (friendIds.length === 0) throw new ApiError(Code.InvalidArgument, 'Specify at least one ID or Username.');
    for (const friendId of friendIds) {
      if (friendId === userId) throw new ApiError(Code.InvalidArgument, 'Cannot add self as friend.');
      if ((await this.users.get([friendId])).length > 0) await this.connect(userId, friendId);
    }
  }

  /** `nk.friendsList`: one page holds all, so there is no cursor. A state of null means every state. */
  async list(userId: string, limit: number, state: number | null): Promise<object> {
    const text = `SELECT friend_id, state, update_time FROM friend
      WHERE user_id = $1 AND ($3::smallint IS NULL OR state = $3) ORDER BY state, update_time LIMIT $2`;
    const { rows } = await this.pool.query<Edge>(text, [userId, limit, state]);
    const friends = [];
    for (const row of rows) {
      const [user] = await this.users.get([row.friend_id]);
      const updateTime = Math.floor(row.update_time.getTime() / 1000);
      if (user) friends.push({ user, state: row.state, updateTime });
    }
    return { friends, cursor: '' };
  }

  private async connect(userId: string, friendId: string): Promise<void> {
    const text = 'SELECT state FROM friend WHERE user_id = $1 AND friend_id = $2';
    const current = (await this.pool.query<{ state: number }>(text, [userId, friendId])).rows[0]?.state;
    if (current === MUTUAL || current === INVITED) return;
    const [mine, theirs] = current === INVITATION ? [MUTUAL, MUTUAL] : [INVITED, INVITATION];
    const upsert = `INSERT INTO friend (user_id, friend_id, state) VALUES ($1, $2, $3), ($2, $1, $4)
      ON CONFLICT (user_id, friend_id) DO UPDATE SET state = excluded.state, update_time = now()`;
    await this.pool.query(upsert, [userId, friendId, mine, theirs]);
  }
}
