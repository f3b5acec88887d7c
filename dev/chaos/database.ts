import pg from 'pg';
import type { AllocationRow, InstanceRow } from './evidence.ts';

/** What a player's row says of an allocation; `gameye_assignment` answers from it. */
export interface SeatRow {
  userId: string;
  allocationId: string;
  state: 'starting' | 'reserved' | 'joined' | 'lapsed' | 'left' | 'failed';
  sessionId: string;
  reason?: string;
  /** Every change raises it. */
  version: number;
  updatedAtMs: number;
}

/** Nobody kills the connections of whoever only looks. */
const SPECTATOR = 'chaos-spectator';
const MS = (time: string): string => `floor(extract(epoch FROM ${time}) * 1000)::float8`;

/** The module's tables as Postgres has them, read past Nakama; each look is one statement, so it sees one moment. */
export class Records {
  readonly pool: pg.Pool;
  readonly schema: string;

  constructor(address: string, runtime: 'embedded' | 'real') {
    // The embedded runtime keeps its tables apart from those of a real Nakama in the same database.
    this.schema = runtime === 'embedded' ? 'embedded_nakama' : 'public';
    this.pool = new pg.Pool({
      connectionString: `postgres://${address}`,
      application_name: SPECTATOR,
      options: `-c search_path=${this.schema}`,
      max: 3,
    });
    this.pool.on('error', () => {}); // An idle connection ended with its server; the next query says so.
  }

  async instances(): Promise<InstanceRow[]> {
    const { rows } = await this.pool.query<InstanceRow>(
      `SELECT i.id, i.status, i.ip_address AS host, i.port, i.player_count AS "playerCount", i.max_players AS "maxPlayers",
         i.open_seats AS "openSeats", i.reserved, i.joined, i.unseated,
         coalesce(array_agg(s.user_id) FILTER (WHERE s.state = 'reserved'), '{}') AS "reservedSeats",
         coalesce(array_agg(s.user_id) FILTER (WHERE s.state = 'joined'), '{}') AS "joinedSeats"
       FROM gameye_instance i LEFT JOIN gameye_seat s ON s.session_id = i.id AND s.state IN ('reserved', 'joined')
       GROUP BY i.id ORDER BY i.id`,
    );
    return rows;
  }

  async allocations(): Promise<AllocationRow[]> {
    const { rows } = await this.pool.query<AllocationRow & { holder: string }>(
      `SELECT id, state, session_id AS "sessionId", ${MS('create_time')} AS "createdAtMs", holder,
         ARRAY(SELECT x->>'session_id' FROM jsonb_array_elements(coalesce(doc->'abandoned', '[]')) AS x) AS abandoned
       FROM gameye_allocation ORDER BY id`,
    );
    // The name of a match ends in that of its node.
    return rows.map(({ holder, ...row }) => ({ ...row, node: holder.slice(holder.lastIndexOf('.') + 1) }));
  }

  /** Players who have a seat in a session without a record. */
  async ghosts(): Promise<string[]> {
    const { rows } = await this.pool.query<{ user_id: string; state: string; session_id: string }>(
      `SELECT user_id, state, session_id FROM gameye_seat s WHERE state IN ('reserved', 'joined')
         AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = s.session_id)`,
    );
    return rows.map(({ user_id, state, session_id }) => `player ${user_id} is ${state} in session ${session_id}`);
  }

  /** True when an allocation with this label is stored. */
  async hasAllocation(label: string): Promise<boolean> {
    const sql = `SELECT 1 FROM gameye_allocation WHERE doc->'request'->'metadata'->>'chaos' = $1`;
    return (await this.pool.query(sql, [label])).rows.length > 0;
  }

  /** The rows of these players, of those who have one. */
  async seats(userIds: string[]): Promise<SeatRow[]> {
    const { rows } = await this.pool.query<Omit<SeatRow, 'reason'> & { reason: string | null }>(
      `SELECT user_id AS "userId", allocation_id AS "allocationId", state, session_id AS "sessionId", reason,
         version::float8 AS version, ${MS('update_time')} AS "updatedAtMs"
       FROM gameye_seat WHERE user_id = ANY($1)`,
      [userIds],
    );
    return rows.map(({ reason, ...row }) => (reason === null ? row : { ...row, reason }));
  }

  /** Ends this share of the nodes' connections, as a failing database does. Answers how many. */
  async terminateConnections(share: number): Promise<number> {
    const { rows } = await this.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name <> $1 AND backend_type = 'client backend'
         AND random() < $2`,
      [SPECTATOR, share],
    );
    return rows.length;
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}
