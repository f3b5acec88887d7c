import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newAllocation } from '../../src/allocation/allocation';
import { changeOf } from '../../src/allocation/ownership';
import { NO_LIMIT } from '../../src/database/allocation-row';
import { cancelAllocation, claimDue, takeOver } from '../../src/database/allocations';
import { saveStarted, type NewInstance } from '../../src/database/starting';
import { storeAllocation, type NewAllocation } from '../../src/database/storing';
import { findSeats, FIRST_VALUE } from '../../src/database/finding';
import { lapseSeats, removeInstance } from '../../src/database/instances';
import { arrive, updateInstance } from '../../src/database/reports';
import { wantAgain } from '../../src/database/rematch';
import { leaveSeats, takeSeats } from '../../src/database/seats';
import { takePlace, type Watching } from '../../src/database/spectators';
import { mergeIntoStart, seekSeats } from '../../src/database/seeking';
import { withdraw } from '../../src/database/standing';
import type { Nakama } from '../../src/nakama/runtime';
import { Code, isRpcError } from '../../src/refusal';
import { concurrent, type Concurrent } from './support/concurrent';
import { FLEET } from './support/records';

/* Callers on many connections at once: what holds for one statement holds for all of them together. */
const POOL = 'p1';

let db: Concurrent;
beforeAll(async () => void (db = await concurrent(50)));
beforeEach(() => db.clear());
afterAll(() => db.close());

const putSession = (id: string, maxPlayers: number): Promise<object[]> =>
  db.query(
    `INSERT INTO gameye_instance (id, allocation_id, fleet, status, region, image, ip_address, port, ports, max_players, open_seats, pool)
     VALUES ($1, $1, $2, 'running', 'eu', 'my-game', '1.2.3.4', 20001, '{}', $3, $3, $4)`,
    [id, FLEET, maxPlayers, POOL],
  );

const allocation = (id: string, userIds: string[], more: Partial<NewAllocation> = {}): NewAllocation => {
  const request = { user_ids: userIds, max_players: 8, latencies: [], metadata: {} };
  const a = newAllocation(id, request, ['eu'], 60_000, Date.now());
  return {
    ...changeOf(a),
    ...{ fleet: FLEET, create_timeout_ms: 60_000, guest_pool: null, user_ids: userIds },
    ...{ most: NO_LIMIT, most_starts: null, ...more },
  };
};
const store = (a: NewAllocation) => (nk: Nakama) => storeAllocation(nk, a, { holder: 'p1/m1.n1', ms: 20_000 });
const session = (id: string, maxPlayers = 8): NewInstance => ({
  ...{ id, status: 'running', region: 'eu', image: 'my-game', version: '', ip_address: '1.2.3.4', dns_name: '' },
  ...{
    port: 20001,
    ports: {},
    max_players: maxPlayers,
    metadata: {},
    pool: null,
    mode: '',
    solo: false,
    warm: null,
    ttl_ms: 1_800_000,
  },
});
const started = (id: string) => (nk: Nakama) =>
  saveStarted(nk, { ...allocation(id, []), state: 'started' }, 1, { holder: 'm1.n1', ms: 20_000 }, session(id), {
    ...{ waits: false, seatMs: null, hasPlayers: true },
  });
/** Of many who change the same few rows at once some are refused with code 10: nothing happened, and they may ask again. */
const unlessRaced =
  <T>(act: (nk: Nakama) => T) =>
  (nk: Nakama): T | undefined => {
    try {
      return act(nk);
    } catch (error) {
      if (isRpcError(error) && error.code === Code.ABORTED) return undefined;
      throw error;
    }
  };
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `u${String(i).padStart(3, '0')}`);
const kindsOf = (results: { kind: string }[]): { [kind: string]: number } => {
  const counts: { [kind: string]: number } = {};
  for (const { kind } of results) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
};
/** A sequence that is the same at every run. */
const dice = (seed: number) => (sides: number) => {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return Math.floor((seed / 2_147_483_648) * sides);
};

describe('seats that many take at once', () => {
  it('are given once each: 200 callers get 40 seats', async () => {
    await putSession('s1', 40);
    const results = await db.together(
      names(200).map((user) => (nk: Nakama) => takeSeats(nk, FLEET, 's1', [user], 60_000)),
    );
    expect(kindsOf(results)).toEqual({ taken: 40, full: 160 });
    expect(await db.query('SELECT reserved, player_count, open_seats FROM gameye_instance')).toEqual([
      { reserved: 40, player_count: 40, open_seats: 0 },
    ]);
    expect(await db.wrongBooks()).toEqual([]);
  });
  it.each([false, true])(
    'are found in whichever session has room, one waiting for another or not: %s',
    async (waits) => {
      await Promise.all(['s1', 's2', 's3'].map((id) => putSession(id, 20)));
      const look = (user: string) => (nk: Nakama) =>
        findSeats(
          nk,
          {
            ...{
              fleet: FLEET,
              user_ids: [user],
              regions: ['eu'],
              image: 'my-game',
              version: null,
              mode: null,
              least_left_ms: 0,
            },
            ...{ seat_ms: 60_000, where: { sql: `i.region = $${FIRST_VALUE}::text`, values: ['eu'] } },
          },
          waits,
        );
      const { found = 0, overtaken = 0, none = 0 } = kindsOf(await db.together(names(150).map(look)));
      expect(found + overtaken + none).toBe(150);
      // Who is passed over looks again; who waits has a seat as long as there is one.
      expect(found).toBeLessThanOrEqual(60);
      if (waits) expect(found).toBe(60);
      const [books] = await db.query<{ seats: number }>('SELECT sum(player_count)::int4 AS seats FROM gameye_instance');
      expect(books?.seats).toBe(found);
      expect(await db.wrongBooks()).toEqual([]);
    },
  );
  it('go to whole groups only, whatever their sizes', async () => {
    await putSession('s1', 40);
    const groups = names(60).map((user, i) => Array.from({ length: 1 + (i % 4) }, (_, seat) => `${user}-${seat}`));
    const results = await db.together(groups.map((group) => (nk: Nakama) => takeSeats(nk, FLEET, 's1', group, null)));
    const seated = groups.filter((_, i) => results[i]?.kind === 'taken').flat();
    const rows = await db.query<{ user_id: string }>('SELECT user_id FROM gameye_seat ORDER BY user_id');
    expect(rows.map(({ user_id }) => user_id)).toEqual(seated.sort());
    expect(seated.length).toBeGreaterThan(36);
    expect(await db.wrongBooks()).toEqual([]);
  });
  it('are one for each player, also for those who ask in two sessions at the same time', async () => {
    await Promise.all([putSession('s1', 30), putSession('s2', 30)]);
    const users = names(50);
    const results = await db.together(
      users.flatMap((user) =>
        ['s1', 's2'].map((id) => unlessRaced((nk: Nakama) => takeSeats(nk, FLEET, id, [user], null))),
      ),
    );
    expect(results.filter((one) => one && !['taken', 'raced', 'full'].includes(one.kind))).toEqual([]);
    expect(await db.wrongBooks()).toEqual([]);
    const [seats] = await db.query<{ n: number }>(`SELECT count(*) AS n FROM gameye_seat WHERE state = 'joined'`);
    expect(seats?.n).toBeGreaterThan(20);
    expect(seats?.n).toBeLessThanOrEqual(50);
  });
  it('stay counted right while others leave, arrive, run out and are reported', { timeout: 60_000 }, async () => {
    const sessions = ['s1', 's2', 's3'];
    await Promise.all(sessions.map((id) => putSession(id, 8)));
    for (let round = 0; round < 3; round++) {
      const roll = dice(round + 1);
      const acts = Array.from({ length: 60 }, (_, i) => (nk: Nakama): unknown => {
        const roller = dice(round * 1000 + i);
        const id = sessions[roller(3)]!;
        const users = [...new Set([`u${roller(12)}`, `u${roller(12)}`, `u${roller(12)}`])];
        switch (roller(8)) {
          case 0:
          case 1:
            return takeSeats(nk, FLEET, id, users, 60_000);
          case 2:
            return takeSeats(nk, FLEET, id, users, null, { partial: true });
          case 3:
            return arrive(nk, FLEET, id, users);
          case 4:
            return leaveSeats(nk, FLEET, id, users);
          case 5:
            return updateInstance(nk, FLEET, id, roller(9), { round });
          case 6:
            return lapseSeats(nk, FLEET);
          default:
            return storeAllocation(nk, allocation(`a${round}-${i}`, users), { holder: 'm1.n1', ms: 20_000 });
        }
      });
      await db.together(acts.map(unlessRaced));
      expect(await db.wrongBooks()).toEqual([]);
      // Some reservations have run out before the next round begins.
      await db.query(
        `UPDATE gameye_seat SET until = now() - interval '1 second' WHERE state = 'reserved' AND version % 3 = $1`,
        [roll(3)],
      );
    }
  });
});

describe('places for spectators', () => {
  /** Asks for all of them at once, and once more for whoever others were faster than. */
  const watch = async (wanted: { user: string; session: string }[], most: number): Promise<Watching[]> => {
    const answers: Watching[] = [];
    for (let rounds = 0, left = wanted; left.length > 0; rounds++) {
      expect(rounds).toBeLessThan(30);
      const round = await db.together(
        left.map(({ user, session }) => unlessRaced((nk) => takePlace(nk, FLEET, session, user, most, 60_000))),
      );
      answers.push(...round.filter((one) => one !== undefined && one !== 'raced'));
      left = left.filter((_, i) => round[i] === undefined || round[i] === 'raced');
    }
    return answers;
  };
  it('are given once each: 60 callers get 7 places', async () => {
    await putSession('s1', 2);
    const answers = await watch(
      names(60).map((user) => ({ user, session: 's1' })),
      7,
    );
    expect(kindsOf(answers.map((kind) => ({ kind })))).toEqual({ watches: 7, full: 53 });
    expect(await db.query('SELECT place FROM gameye_spectator ORDER BY place')).toHaveLength(7);
  });
  it('are one for each player, also for those who ask in two sessions at the same time', async () => {
    await Promise.all([putSession('s1', 2), putSession('s2', 2)]);
    await watch(
      Array.from({ length: 60 }, (_, i) => ({ user: `u${i % 6}`, session: i % 4 < 2 ? 's1' : 's2' })),
      10,
    );
    expect(await db.query('SELECT 1 FROM gameye_spectator')).toHaveLength(6);
  });
});

describe('a rematch that all want at once', () => {
  it('starts for all of them, because at least one request finds it complete', async () => {
    const players = names(30);
    await putSession('s1', 30);
    await db.together([(nk: Nakama) => takeSeats(nk, FLEET, 's1', players, 60_000)]);
    const wanted = await db.together(
      players.map((user) => (nk: Nakama) => wantAgain(nk, FLEET, user)?.wanted_by ?? []),
    );
    expect(Math.max(...wanted.map((by) => by.length))).toBe(30);
    expect(wanted.every((by, i) => by.includes(players[i]!))).toBe(true);
  });
});

describe('an allocation that players ask for twice at once', () => {
  it('is one allocation, which takes its players out of their seats', async () => {
    for (let i = 0; i < 20; i++) {
      const [session, players] = [`s${i}`, [`${i}-a`, `${i}-b`]];
      await putSession(session, 2);
      await db.query('UPDATE gameye_instance SET solo = true, pool = NULL WHERE id = $1', [session]);
      await db.together([(nk: Nakama) => takeSeats(nk, FLEET, session, players, 60_000)]);
      const alone = { most: 10, unless: 'waiting' } as const;
      const stored = await db.together(
        ['x', 'y', 'z'].map((name) =>
          unlessRaced(store(allocation(`${i}-${name}`, players, { alone, most_starts: 12 }))),
        ),
      );
      const kinds = stored.map((one) => (one?.kind === 'stored' && one.taken.length === 2 ? one.before : one?.kind));
      expect(
        kinds.filter((kind) => typeof kind === 'object'),
        JSON.stringify(stored),
      ).toEqual([players.map((user_id) => ({ user_id, session_id: session, ended: true }))]);
    }
  });
});

describe('GAMEYE_MAX_SESSIONS', () => {
  it('admits as many allocations as may start, never more: 8 of 50 at once', async () => {
    const acts = names(50).map((user, i) =>
      store(allocation(`a${i}`, [user], { attempts: 1, most: { of_fleet: 8, of_mode: null } })),
    );
    expect(kindsOf(await db.together(acts))).toEqual({ stored: 8, full: 42 });
  });
});

describe('allocations that many touch at once', () => {
  it('are each claimed by one supervisor only', async () => {
    await db.together(names(30).map((user, i) => store(allocation(`a${i}`, [user]))));
    await db.query(`UPDATE gameye_allocation SET lease_until = now() - interval '1 second'`);
    const claims = await db.together(
      names(20).map((_, i) => (nk: Nakama) => claimDue(nk, FLEET, { holder: `s${i}`, ms: 20_000 }, 7)),
    );
    const claimed = claims.flat().map(({ id }) => id);
    expect(new Set(claimed).size).toBe(claimed.length);
    expect(claimed).toHaveLength(30);
  });
  it('are taken over by one worker only', async () => {
    await db.together([store(allocation('a1', ['u1']))]);
    await db.query(`UPDATE gameye_allocation SET holder = ''`);
    const rows = await db.together(
      names(20).map((_, i) => (nk: Nakama) => takeOver(nk, 'a1', '', { holder: `m${i}.n1`, ms: 20_000 })),
    );
    expect(rows.filter((row) => row !== undefined)).toHaveLength(1);
  });
  it('leave a player who is matched many times at once with one of them, and all others without', async () => {
    const results = await db.together(names(20).map((_, i) => store(allocation(`a${i}`, ['u1', `other${i}`]))));
    expect(kindsOf(results)).toEqual({ stored: 20 });
    const rows = await db.query<{ allocation_id: string }>(
      `SELECT allocation_id FROM gameye_seat WHERE user_id = 'u1'`,
    );
    const takers = results.flatMap((one) => (one.kind === 'stored' && one.taken.includes('u1') ? [one.row.id] : []));
    expect(rows).toHaveLength(1);
    expect(takers).toContain(rows[0]?.allocation_id);
  });
  it('are cancelled or started, never both', async () => {
    const ids = Array.from({ length: 25 }, (_, i) => `a${i}`);
    await db.together(ids.map((id, i) => store(allocation(id, [`u${i}`], { attempts: 1 }))));
    const results = await db.together<unknown>(
      ids.flatMap((id) => [started(id), (nk: Nakama) => cancelAllocation(nk, FLEET, id)?.cancelled]),
    );
    ids.forEach((_, i) => expect([results[2 * i] !== undefined, results[2 * i + 1]]).toContain(false));
    ids.forEach((_, i) => expect([results[2 * i] !== undefined, results[2 * i + 1]]).toContain(true));
    expect(await db.wrongBooks()).toEqual([]);
  });
  it('give no seat to a player who went away at the same time', async () => {
    const ids = Array.from({ length: 25 }, (_, i) => `a${i}`);
    await db.together(ids.map((id, i) => store(allocation(id, [`u${i}`, `v${i}`], { attempts: 1 }))));
    const results = await db.together<unknown>(
      ids.flatMap((id, i) => [started(id), (nk: Nakama) => withdraw(nk, FLEET, `u${i}`).withdrawn]),
    );
    const seats = await db.query<{ user_id: string; state: string }>('SELECT user_id, state FROM gameye_seat');
    const stateOf = (user: string): string | undefined => seats.find(({ user_id }) => user_id === user)?.state;
    ids.forEach((_, i) => {
      const hasStarted = results[2 * i] !== undefined;
      const withdrawn = results[2 * i + 1] === true;
      expect([withdrawn, stateOf(`u${i}`)]).toEqual(withdrawn ? [true, 'left'] : [false, 'joined']);
      expect(stateOf(`v${i}`)).toBe(hasStarted ? 'joined' : 'starting');
    });
    expect(await db.wrongBooks()).toEqual([]);
  });
});

describe('groups that look for seats at once', () => {
  it('are seated whole in the free seats, and nobody else is', async () => {
    await Promise.all(['s1', 's2', 's3'].map((id) => putSession(id, 8)));
    const groups = names(30).map((user, i) => Array.from({ length: 1 + (i % 3) }, (_, seat) => `${user}-${seat}`));
    await db.together(groups.map((group, i) => store(allocation(`a${i}`, group))));
    const seeker = (i: number) => ({
      ...{ id: `a${i}`, version: 1, fleet: FLEET, room: 'pool' as const, key: POOL, regions: ['eu'], passed: [] },
      ...{ least_left_ms: 1000, seat_ms: null, lease: { holder: 'm1.n1', ms: 20_000 } },
    });
    const results = await db.together(groups.map((_, i) => (nk: Nakama) => seekSeats(nk, seeker(i))));
    expect(results.filter(({ kind }) => kind === 'changed')).toEqual([]);
    const seated = groups.filter((_, i) => results[i]?.kind === 'seated').flat();
    expect(seated.length).toBeGreaterThan(0);
    const rows = await db.query<{ user_id: string }>(
      `SELECT user_id FROM gameye_seat WHERE state = 'joined' ORDER BY user_id`,
    );
    expect(rows.map(({ user_id }) => user_id)).toEqual(seated.sort());
    expect(await db.wrongBooks()).toEqual([]);
  });
  it('become part of an allocation only while it has places, and belong to one allocation each', async () => {
    const free = { guest_pool: 'g1', free_seats: 5 };
    await db.together([store(allocation('host', ['h1', 'h2', 'h3'], { ...free, attempts: 1 }))]);
    const guests = names(20).map((user, i) => ({
      id: `a${i}`,
      users: [`${user}-1`, `${user}-2`].slice(0, 1 + (i % 2)),
    }));
    await db.together(guests.map(({ id, users }) => store(allocation(id, users, { guest_pool: 'g1', free_seats: 0 }))));
    const results = await db.together(
      guests.map(
        ({ id }) =>
          (nk: Nakama) =>
            mergeIntoStart(nk, id, 1, 'p1'),
      ),
    );
    const merged = guests.filter((_, i) => results[i]?.kind === 'merged');
    const [host] = await db.query<{ free_seats: number; guests: { user_ids: string[] }[] }>(
      `SELECT free_seats, guests FROM gameye_allocation WHERE id = 'host'`,
    );
    const players = merged.flatMap(({ users }) => users).sort();
    expect(players.length).toBeGreaterThan(0);
    expect(host?.free_seats).toBe(5 - players.length);
    expect(host?.guests.flatMap(({ user_ids }) => user_ids).sort()).toEqual(players);
    const waiting = await db.query<{ user_id: string; allocation_id: string }>(
      'SELECT user_id, allocation_id FROM gameye_seat',
    );
    for (const { id, users } of guests) {
      const isGuest = players.includes(users[0]!);
      for (const user of users) {
        expect(waiting).toContainEqual({ user_id: user, allocation_id: isGuest ? 'host' : id });
      }
    }
    const left = await db.query('SELECT 1 FROM gameye_allocation');
    expect(left).toHaveLength(1 + guests.length - merged.length);
  });
});

describe('sessions that end at once', () => {
  it('are counted once each, in one row of their mode and day, however many nodes remove them', async () => {
    const ids = names(40);
    for (const id of ids) await putSession(id, 2);
    await db.query(`UPDATE gameye_instance SET create_time = now() - interval '1 second'`);
    const removals = [...ids, ...ids].map((id) => (nk: Nakama) => removeInstance(nk, FLEET, id, 'gone', false));
    expect((await db.together(removals)).filter((region) => region === 'eu')).toHaveLength(40);
    const [used] = await db.query<{ sessions: number; seconds: number }>(
      'SELECT sum(sessions)::int4 AS sessions, sum(seconds) AS seconds FROM gameye_usage',
    );
    expect(used?.sessions).toBe(40);
    expect(used?.seconds).toBeGreaterThanOrEqual(40);
    expect(await db.query('SELECT 1 FROM gameye_instance')).toEqual([]);
  });
});
