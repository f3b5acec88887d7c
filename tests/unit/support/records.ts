import { NO_LIMIT } from '../../../src/database/allocation-row';
import { readAllocation } from '../../../src/database/allocations';
import { storeAllocation } from '../../../src/database/storing';
import { findInstance } from '../../../src/database/instances';
import { newAllocation, toDoc, type Allocation, type Waiting } from '../../../src/allocation/allocation';
import { changeOf } from '../../../src/allocation/ownership';
import type { AllocationRequest, Instance } from '../../../src/records';
import { PROCESS, type FakeNakama } from './nakama';

/** The fleet of all tests that name no other. */
export const FLEET = 'default';

/** What of an instance matters to a test. */
export interface InstanceLike {
  id: string;
  allocation_id: string;
  status: string;
  region: string;
  version: string;
  max_players: number;
  unseated: number;
  metadata: object;
  pool: string;
  open: boolean;
  shared: boolean;
  code: string;
  public: boolean;
  host: string;
  mode: string;
}

/** Players with a seat: joined, or reserved until a time of the database's clock. */
export interface SeatsLike {
  [userId: string]: 'joined' | number;
}

/** Stores an instance, `s1` unless it is named, with seats for up to two players, and these seats. */
export function putInstance(fake: FakeNakama, more: Partial<InstanceLike> = {}, seats: SeatsLike = {}): void {
  const { id = 's1', allocation_id = id, status = 'running', region = 'eu', version = '', max_players = 2 } = more;
  const { unseated = 0, metadata = { map: 'dust' }, pool = null, open = true, shared = true } = more;
  const { code = null, public: isPublic = false, host = '', mode = '' } = more;
  const joined = Object.values(seats).filter((seat) => seat === 'joined').length;
  const reserved = Object.keys(seats).length - joined;
  const count = joined + reserved + unseated;
  fake.query(
    `INSERT INTO gameye_instance (id, allocation_id, fleet, status, region, image, version, ip_address, port, ports, max_players, reserved,
       joined, unseated, player_count, open_seats, metadata, pool, open, visited, shared, code, public, host, mode)
     VALUES ($1, $2, $3, $4, $5, 'my-game', $6, '1.2.3.4', 20001, '{"7777/udp": 20001}', $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`,
    [
      ...[id, allocation_id, FLEET, status, region, version, max_players, reserved, joined, unseated, count],
      ...[Math.max(0, max_players - count), JSON.stringify(metadata), pool, open, joined > 0, shared],
      ...[code, isPublic, host, mode],
    ],
  );
  for (const [userId, seat] of Object.entries(seats)) {
    fake.query(
      `INSERT INTO gameye_seat (user_id, state, session_id, until)
       VALUES ($1, $2, $3, CASE WHEN $4::float8 IS NOT NULL THEN to_timestamp($4::float8 / 1000) END)`,
      [userId, seat === 'joined' ? 'joined' : 'reserved', id, seat === 'joined' ? null : seat],
    );
  }
}

/** The stored instance `s1`, or that with this id, with whom it has seats for. */
export function instanceIn(fake: FakeNakama, id = 's1'): Instance | undefined {
  return findInstance(fake.nk, FLEET, id);
}

/** A player's row: `state`, `session_id` and whatever else is stored. */
export function seatOf(fake: FakeNakama, userId: string): { [column: string]: unknown } | undefined {
  return fake.query('SELECT * FROM gameye_seat WHERE user_id = $1', [userId])[0];
}

/** Stores an allocation `a1` in any state; its players wait for it. */
export function putAllocation(
  fake: FakeNakama,
  request: Partial<AllocationRequest> = {},
  more: object = {},
  id = 'a1',
): Allocation {
  const asked = { user_ids: [], max_players: 2, latencies: [], metadata: {}, ...request };
  const waiting: Waiting = newAllocation(id, asked, ['eu'], 60_000, Date.now());
  const a = { ...waiting, ...more } as Allocation;
  storeAllocation(
    fake.nk,
    {
      ...changeOf(a),
      ...{ fleet: FLEET, create_timeout_ms: 60_000, guest_pool: null, user_ids: asked.user_ids },
      ...{ most: NO_LIMIT, most_starts: null },
    },
    { holder: `${PROCESS}/m1.n1`, ms: 20_000 },
  );
  return a;
}

/** Changes a stored allocation behind the back of its worker. */
export function alterAllocation(fake: FakeNakama, a: Allocation): void {
  fake.query('UPDATE gameye_allocation SET state = $2, session_id = $3, attempts = $4, doc = $5 WHERE id = $1', [
    ...[a.id, a.state, a.session_id, a.attempts, JSON.stringify(toDoc(a))],
  ]);
}

/** The row of an allocation. */
export function allocationIn(fake: FakeNakama, id = 'a1') {
  return readAllocation(fake.nk, FLEET, id);
}

/** How many rows a table has. */
export function rowsIn(fake: FakeNakama, table: 'instance' | 'allocation' | 'seat'): number {
  return Number(fake.query(`SELECT count(*) AS n FROM gameye_${table}`)[0]?.['n']);
}
