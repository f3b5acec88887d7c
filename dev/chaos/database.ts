import pg from 'pg';
import type { AllocationRow, InstanceRow } from './evidence.ts';

/** A player's stored assignment, as `gameye_assignment` answers from it. */
export interface AssignmentRow {
  userId: string;
  allocationId: string;
  state: string;
  sessionId: string;
  reason?: string;
  updatedAtMs: number;
}

interface Instance {
  id: string;
  status: string;
  connection_info: { ip_address: string; port: number };
  player_count: number;
  max_players: number;
  seats: Record<string, unknown>;
}

interface Allocation {
  id: string;
  state: string;
  session_id: string;
  created_at_ms: number;
  abandoned: { session_id: string }[];
  request: { metadata: Record<string, unknown> };
}

interface Assignment {
  allocation_id: string;
  state: string;
  session_id: string;
  reason?: string;
  updated_at_ms: number;
}

/** Nobody kills the connections of whoever only looks. */
const SPECTATOR = 'chaos-spectator';

/** The stored records as Postgres has them, read past Nakama. */
export class Records {
  private readonly pool: pg.Pool;
  private readonly table: string;

  constructor(address: string, runtime: 'embedded' | 'real') {
    this.pool = new pg.Pool({
      connectionString: `postgres://${address}`,
      application_name: SPECTATOR,
      max: 3,
    });
    this.pool.on('error', () => {}); // An idle connection ended with its server; the next query says so.
    // The embedded runtime keeps its tables apart from those of a real Nakama in the same database.
    this.table = runtime === 'embedded' ? 'embedded_nakama.storage' : 'public.storage';
  }

  async instances(): Promise<InstanceRow[]> {
    const values = await this.values<Instance>('_gameye_instances');
    return values.map((value) => ({
      id: value.id,
      status: value.status,
      host: value.connection_info.ip_address,
      port: value.connection_info.port,
      playerCount: value.player_count,
      maxPlayers: value.max_players,
      seats: Object.keys(value.seats),
    }));
  }

  async allocations(): Promise<AllocationRow[]> {
    const values = await this.values<Allocation>('_gameye_allocations');
    return values.map((value) => ({
      id: value.id,
      state: value.state,
      sessionId: value.session_id,
      createdAtMs: value.created_at_ms,
      abandoned: value.abandoned.map(({ session_id }) => session_id),
    }));
  }

  /** True when an allocation with this label is stored. */
  async hasAllocation(label: string): Promise<boolean> {
    const values = await this.values<Allocation>('_gameye_allocations');
    return values.some((value) => value.request.metadata['chaos'] === label);
  }

  /** The assignments of these players, of those who have one. */
  async assignments(userIds: string[]): Promise<AssignmentRow[]> {
    const sql = `SELECT user_id, value FROM ${this.table} WHERE collection = 'gameye_assignment' AND user_id = ANY($1)`;
    const { rows } = await this.pool.query<{ user_id: string; value: Assignment }>(sql, [userIds]);
    return rows.map(({ user_id: userId, value }) => ({
      userId,
      allocationId: value.allocation_id,
      state: value.state,
      sessionId: value.session_id,
      ...(value.reason === undefined ? {} : { reason: value.reason }),
      updatedAtMs: value.updated_at_ms,
    }));
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

  private async values<Value>(collection: string): Promise<Value[]> {
    const { rows } = await this.pool.query<{ value: Value }>(
      `SELECT value FROM ${this.table} WHERE collection = $1 ORDER BY key`,
      [collection],
    );
    return rows.map(({ value }) => value);
  }
}
