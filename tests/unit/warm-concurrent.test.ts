import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newAllocation, toDoc } from '../../src/allocation/allocation';
import { changeOf } from '../../src/allocation/ownership';
import { NO_LIMIT } from '../../src/database/allocation-row';
import { storeAllocation } from '../../src/database/storing';
import { seekSeats, type Sought } from '../../src/database/seeking';
import { closeWarm, storeWarm } from '../../src/database/warm';
import type { Nakama } from '../../src/nakama/runtime';
import { concurrent, type Concurrent } from './support/concurrent';
import { FLEET } from './support/records';

/* Nodes and groups at once, each on a connection of its own. */
const KEY = 'w1';
const lease = { holder: 'p1/m1.n1', ms: 20_000 };

let db: Concurrent;
beforeAll(async () => void (db = await concurrent(30)));
beforeEach(() => db.clear());
afterAll(() => db.close());

const wanted = (number: number) => ({ warm: KEY, region: 'eu', wanted: number, least_ms: 1000, fresh_ms: 2000 });
const warmSession = (id: string): Promise<object[]> =>
  db.query(
    `INSERT INTO gameye_instance (id, allocation_id, fleet, status, region, image, ip_address, port, ports, max_players, open_seats, warm, pool, expires_at)
     VALUES ($1, $1, $2, 'running', 'eu', 'my-game', '1.2.3.4', 20001, '{}', 4, 4, $3, 'p1', now() + interval '1 hour')`,
    [id, FLEET, KEY],
  );
const waiting = (id: string, userIds: string[]) => {
  const request = { user_ids: userIds, max_players: 4, latencies: [], metadata: {} };
  const a = { ...changeOf(newAllocation(id, request, ['eu'], 60_000, 0)), fleet: FLEET, user_ids: userIds };
  const rest = { create_timeout_ms: 60_000, guest_pool: null, most: NO_LIMIT, most_starts: null };
  return (nk: Nakama) => storeAllocation(nk, { ...a, ...rest }, lease);
};
const seek =
  (id: string, room: 'warm' | 'pool' = 'warm') =>
  (nk: Nakama): Sought =>
    seekSeats(nk, {
      ...{ id, version: 1, fleet: FLEET, room, key: room === 'warm' ? KEY : 'p1', regions: ['eu'], passed: [] },
      ...{ least_left_ms: 1000, seat_ms: 60_000, lease },
    });
const groups = (count: number): string[] => Array.from({ length: count }, (_, i) => `a${i}`);

/** All look until nobody is told to look again. */
async function settled(ids: string[], room: (i: number) => 'warm' | 'pool'): Promise<Sought[]> {
  const found = new Map<string, Sought>();
  for (let rounds = 0; rounds < 50 && found.size < ids.length; rounds++) {
    const left = ids.filter((id) => !found.has(id));
    const sought = await db.together(left.map((id) => seek(id, room(ids.indexOf(id)))));
    sought.forEach((one, i) => void (one.kind === 'overtaken' || found.set(left[i] as string, one)));
  }
  return ids.map((id) => found.get(id) as Sought);
}

describe('warm sessions', () => {
  it('go to as many groups as there are of them, each to one, when twenty look at once', async () => {
    for (let i = 0; i < 5; i++) await warmSession(`s${i}`);
    const ids = groups(20);
    await db.together(ids.map((id) => waiting(id, [`${id}-1`, `${id}-2`])));
    const sought = await settled(ids, () => 'warm');
    const places = sought.flatMap((one) => (one.kind === 'seated' ? [one.session_id] : []));
    expect(places.sort()).toEqual(['s0', 's1', 's2', 's3', 's4']);
    expect(sought.filter(({ kind }) => kind === 'none')).toHaveLength(15);
    expect(await db.query('SELECT DISTINCT player_count, warm, pool FROM gameye_instance')).toEqual([
      { player_count: 2, warm: null, pool: null },
    ]);
    expect(await db.wrongBooks()).toEqual([]);
  });

  it('take in no other group after a match that wants to be alone took them', async () => {
    for (let i = 0; i < 5; i++) await warmSession(`s${i}`);
    const ids = groups(20);
    await db.together(ids.map((id) => waiting(id, [id])));
    const sought = await settled(ids, (i) => (i % 4 === 0 ? 'warm' : 'pool'));
    const at = (want: 'warm' | 'pool') =>
      sought.flatMap((one, i) =>
        (i % 4 === 0 ? 'warm' : 'pool') === want && one.kind === 'seated' ? [one.session_id] : [],
      );
    expect(new Set(at('warm')).size).toBe(at('warm').length);
    expect(at('pool').filter((id) => at('warm').includes(id))).toEqual([]);
    expect(await db.wrongBooks()).toEqual([]);
  });

  it('are never more than wanted, however many nodes start what is missing at once', async () => {
    await warmSession('s0');
    const request = { user_ids: [], max_players: 4, latencies: [], metadata: {}, warm: true as const, regions: ['eu'] };
    const doc = toDoc({ ...newAllocation('', request, ['eu'], 60_000, 0), warm: KEY });
    const more = { free_seats: 0, doc, mode: '', create_timeout_ms: 60_000, guest_pool: null };
    const fill = (node: number) => (nk: Nakama) =>
      storeWarm(
        nk,
        FLEET,
        wanted(5),
        NO_LIMIT,
        more,
        ['1', '2', '3', '4'].map((one) => `n${node}-${one}`),
        5000,
      );
    const made = await db.together(Array.from({ length: 12 }, (_, node) => fill(node)));
    expect(made.flat()).toHaveLength(4);
    const limited = await db.together([
      (nk) => storeWarm(nk, FLEET, wanted(50), { of_fleet: 7, of_mode: null }, more, groups(20), 5000),
    ]);
    expect(limited.flat()).toHaveLength(2);
  });

  it('are not closed when somebody takes them at the same moment', async () => {
    for (let i = 0; i < 10; i++) await warmSession(`s${i}`);
    const ids = groups(10);
    await db.together(ids.map((id) => waiting(id, [id])));
    const acts = ids.flatMap(
      (id) => [seek(id), (nk: Nakama) => closeWarm(nk, FLEET, [], 3)] as ((nk: Nakama) => unknown)[],
    );
    await db.together(acts);
    const odd = `SELECT id FROM gameye_instance WHERE (status = 'draining') = (player_count > 0)
      AND NOT (status = 'running' AND player_count = 0)`;
    expect(await db.query(odd)).toEqual([]);
    expect(await db.wrongBooks()).toEqual([]);
  });
});
