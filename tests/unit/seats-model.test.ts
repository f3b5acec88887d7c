import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { lapseSeats } from '../../src/database/instances';
import { arrive, updateInstance } from '../../src/database/reports';
import { leaveSeats, takeSeats } from '../../src/database/seats';
import { fakeNakama, type FakeNakama } from './support/nakama';
import { FLEET, instanceIn, putAllocation, putInstance, seatOf } from './support/records';

const SESSIONS = ['s1', 's2'];
const PLACES = 3;

let fake: FakeNakama;
let now: number;
beforeEach(() => {
  now = 1_700_000_000_000;
  vi.spyOn(Date, 'now').mockImplementation(() => now);
});
afterEach(() => void vi.restoreAllMocks());

const begin = (): void => {
  fake = fakeNakama();
  for (const id of SESSIONS) putInstance(fake, { id, max_players: PLACES });
};
const take = (id: string, users: string[], ms: number | null = 60_000, how = {}) =>
  takeSeats(fake.nk, FLEET, id, users, ms, how);
const come = (id: string, users: string[]) => arrive(fake.nk, FLEET, id, users);
const report = (id: string, count: number) => updateInstance(fake.nk, FLEET, id, count, {});

interface Books {
  reserved: number;
  joined: number;
  player_count: number;
  open_seats: number;
  unseated: number;
  seats: string[];
  live: number;
}

/** What the database says of a session, and whom it has seats for. */
const booksOf = (id: string): Books => {
  const [row] = fake.query<Omit<Books, 'seats'>>(
    `SELECT reserved, joined, player_count, open_seats, unseated,
       (SELECT count(*) FROM gameye_seat s WHERE s.session_id = i.id AND s.state = 'reserved' AND s.until > now()) AS live
     FROM gameye_instance i WHERE id = $1`,
    [id],
  );
  return { ...row!, seats: Object.keys(instanceIn(fake, id)!.seats) };
};

describe('whatever happens to seats', () => {
  const session = fc.constantFrom(...SESSIONS);
  const users = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1, maxLength: 4 });
  const act = fc.oneof(
    fc.record({ do: fc.constantFrom('take' as const, 'take some' as const, 'again' as const), session, users }),
    fc.record({ do: fc.constant('arrive' as const), session, users }),
    fc.record({ do: fc.constant('leave' as const), session, users }),
    fc.record({ do: fc.constant('report' as const), session, count: fc.nat({ max: 5 }) }),
    fc.record({ do: fc.constant('match' as const), users }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 90_000 }) }),
    fc.record({ do: fc.constant('lapse' as const) }),
  );
  type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;
  let matches = 0;
  const carryOut = (one: Act): void => {
    switch (one.do) {
      case 'take':
        return void take(one.session, one.users);
      case 'take some':
        return void take(one.session, one.users, 30_000, { partial: true });
      case 'again':
        return void take(one.session, one.users, null, { again: true });
      case 'arrive':
        return void come(one.session, one.users);
      case 'leave':
        return void leaveSeats(fake.nk, FLEET, one.session, one.users);
      case 'report':
        return void report(one.session, one.count);
      case 'match':
        return void putAllocation(fake, { user_ids: one.users }, {}, `a${matches++}`);
      case 'pass':
        return void (now += one.ms);
      case 'lapse':
        return void lapseSeats(fake.nk, FLEET);
    }
  };
  const play = (acts: Act[], check: (id: string, before: Books, one: Act) => void): void => {
    begin();
    for (const one of acts) {
      const before = SESSIONS.map(booksOf);
      carryOut(one);
      SESSIONS.forEach((id, i) => check(id, before[i]!, one));
    }
  };

  it('the counts of every session are right, and nobody gets a seat beyond its places', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 12 }), (acts) => {
        play(acts, (id, before, one) => {
          const books = booksOf(id);
          const states = fake
            .query('SELECT state FROM gameye_seat WHERE session_id = $1', [id])
            .map(({ state }) => state);
          expect(states.filter((state) => state === 'reserved')).toHaveLength(books.reserved);
          expect(states.filter((state) => state === 'joined')).toHaveLength(books.joined);
          expect(books.player_count).toBe(books.reserved + books.joined + books.unseated);
          expect(books.open_seats).toBe(Math.max(0, PLACES - books.player_count));
          const isMore = books.player_count > before.player_count && one.do !== 'report';
          if (isMore) expect(books.player_count).toBeLessThanOrEqual(PLACES);
        });
      }),
      { numRuns: 40 },
    );
  });
  it('a report makes the count right again: the server’s number plus reservations that are held', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 8 }), fc.nat({ max: 8 }), (acts, count) => {
        play(acts, () => undefined);
        report('s1', count);
        // No session has more players in it than places.
        expect(booksOf('s1').player_count).toBe(Math.min(count, PLACES) + booksOf('s1').live);
        expect(instanceIn(fake)!.player_count).toBe(Math.min(count + booksOf('s1').live, PLACES));
      }),
      { numRuns: 25 },
    );
  });
  it('nothing changes when players leave or arrive twice', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 8 }), users, (acts, who) => {
        play(acts, () => undefined);
        come('s1', who);
        const arrived = booksOf('s1');
        come('s1', who);
        expect(booksOf('s1')).toEqual(arrived);
        leaveSeats(fake.nk, FLEET, 's1', who);
        const left = booksOf('s1');
        leaveSeats(fake.nk, FLEET, 's1', who);
        expect(booksOf('s1')).toEqual(left);
      }),
      { numRuns: 25 },
    );
  });
});

describe('the seats of a session', () => {
  beforeEach(begin);

  it('that are taken again stay joined, and a reservation is prolonged', () => {
    come('s1', ['a']);
    take('s1', ['b']);
    now += 50_000;
    take('s1', ['a', 'b']);
    expect(instanceIn(fake)?.seats).toEqual({
      a: { state: 'joined' },
      b: { state: 'reserved', until_ms: now + 60_000 },
    });
  });
  it('are all given to players who arrive, also when the game server counted one of them before', () => {
    take('s1', ['a']);
    report('s1', 1);
    expect(come('s1', ['a', 'b', 'c'])).toEqual({ player_count: 3, refused: [] });
  });
  it('of those who leave are open at once, and the session is empty since then', () => {
    take('s1', ['a', 'b']);
    now += 10_000;
    expect(leaveSeats(fake.nk, FLEET, 's1', ['a', 'b', 'c'])).toEqual(['a', 'b']);
    expect(instanceIn(fake)).toMatchObject({ player_count: 0, open_seats: PLACES, empty_since_ms: now });
  });
  it('stay as they are when a player leaves who has none there', () => {
    take('s2', ['a']);
    expect(leaveSeats(fake.nk, FLEET, 's1', ['a'])).toEqual([]);
    expect(seatOf(fake, 'a')).toMatchObject({ state: 'reserved', session_id: 's2' });
  });
  it('are lost when nobody comes in time, and only a player who arrives counts as a visit', () => {
    take('s1', ['a']);
    now += 60_000;
    expect(lapseSeats(fake.nk, FLEET)).toBe(1);
    expect(instanceIn(fake)).toMatchObject({ player_count: 0, seats: {} });
    expect(instanceIn(fake)).not.toHaveProperty('visited');
    come('s1', ['a']);
    expect(instanceIn(fake)).toMatchObject({ visited: true });
  });
});
