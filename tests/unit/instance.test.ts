import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  instanceFromSession,
  newInstance,
  recount,
  refreshed,
  withJoined,
  withLeft,
  withReportedCount,
  withSeats,
  type Instance,
} from '../../src/instances/instance';
import { join, leave, seatDeadline, take, withoutExpired, type Seats } from '../../src/instances/seats';
import { configWith, SEAT_SECRET } from './support/config';

const NOW = 1_700_000_000_000;
const config = configWith();
const reserved = (until_ms: number) => ({ state: 'reserved' as const, until_ms });
const joined = { state: 'joined' as const };

function instance(seats: Seats = {}, more: Partial<Instance> = {}): Instance {
  const session = { id: 's1', region: 'eu', maxPlayers: 4, metadata: { map: 'dust' }, startedAtMs: NOW };
  const created = newInstance(config, session, { host: '1.2.3.4', ports: { '7777/udp': 20001 } }, seats)!;
  return recount({ ...created, ...more }, NOW);
}

describe('seats', () => {
  const seats: Seats = { a: joined, b: reserved(NOW), c: reserved(NOW + 1) };
  it('run out at their time; joined ones never do', () => {
    expect(Object.keys(withoutExpired(seats, NOW))).toEqual(['a', 'c']);
  });
  it('are taken until a time; who has joined stays so, a reservation is prolonged', () => {
    const expected = { a: joined, b: reserved(NOW + 9), c: reserved(NOW + 1), d: reserved(NOW + 9) };
    expect(take(seats, ['a', 'b', 'd'], NOW + 9)).toEqual(expected);
  });
  it('are joined at once where no server can confirm them', () => {
    expect(take({}, ['a'], undefined)).toEqual({ a: joined });
    expect(seatDeadline(config, NOW)).toBeUndefined();
    const reporting = configWith({ GAMEYE_NAKAMA_URL: 'http://n', GAMEYE_SEAT_SECRET: SEAT_SECRET });
    expect(seatDeadline(reporting, NOW)).toBe(NOW + 60_000);
  });
  it('are joined and left, and the given ones stay as they were', () => {
    const before = JSON.stringify(seats);
    expect(join(seats, ['b', 'x'])).toMatchObject({ b: joined, x: joined });
    expect(leave(seats, ['a', 'nobody'])).toEqual({ b: reserved(NOW), c: reserved(NOW + 1) });
    expect(JSON.stringify(seats)).toBe(before);
  });
});

describe('a new instance', () => {
  it('has Nakama’s InstanceInfo and ours', () => {
    expect(instance({ a: joined })).toEqual({
      id: 's1',
      connection_info: { ip_address: '1.2.3.4', dns_name: '', port: 20001 },
      create_time: '2023-11-14T22:13:20.000Z',
      player_count: 1,
      status: 'running',
      metadata: { map: 'dust' },
      region: 'eu',
      image: 'my-game',
      version: '',
      max_players: 4,
      open_seats: 3,
      ports: { '7777/udp': 20001 },
      seats: { a: joined },
      unseated: 0,
      visited: true,
    });
  });
  it.each([
    ['game.example.net', 'game.example.net'],
    ['1.2.3.4', ''],
    ['2001:db8::1', ''],
  ])('at host %s has the name %j', (host, dns_name) => {
    const session = { id: 's1', region: 'eu', maxPlayers: 1, metadata: {}, startedAtMs: NOW };
    const made = newInstance(config, session, { host, ports: { '1/udp': 2 } }, {});
    expect(made?.connection_info).toEqual({ ip_address: host, dns_name, port: 2 });
  });
  it('is none without the port that players need', () => {
    const session = { id: 's1', region: 'eu', maxPlayers: 1, metadata: {}, startedAtMs: NOW };
    const wanted = configWith({ GAMEYE_API_PORT: '7777/udp' });
    expect(newInstance(wanted, session, { host: 'h', ports: { '80/tcp': 2 } }, {})).toBeUndefined();
    expect(newInstance(config, session, { host: 'h', ports: {} }, {})).toBeUndefined();
  });
});

describe('an instance made from what Gameye shows', () => {
  const session = {
    id: 's1',
    status: 'draining',
    host: 'h.example',
    ports: { '7777/udp': 1 },
    region: 'us',
    image: 'other',
    version: '2',
    createdAtMs: NOW,
    labels: { nakama_fleet: 'default', map: 'dust' },
    players: ['a', 'b'],
  };
  it('has its players seated, and no place for others unless configured', () => {
    expect(instanceFromSession(config, session, NOW + 1)).toMatchObject({
      player_count: 2,
      max_players: 2,
      open_seats: 0,
      status: 'draining',
      image: 'other',
      version: '2',
      region: 'us',
      metadata: { map: 'dust' },
      create_time: new Date(NOW).toISOString(),
    });
    const roomy = configWith({ GAMEYE_MAX_PLAYERS: '8' });
    expect(instanceFromSession(roomy, session, NOW)).toMatchObject({ max_players: 8, open_seats: 6 });
  });
  it('is none while it has no port', () => {
    expect(instanceFromSession(config, { ...session, ports: {} }, NOW)).toBeUndefined();
  });
  it.each([
    ['an hour ahead', NOW + 3_600_000, NOW],
    ['an hour behind', NOW - 3_600_000, NOW - 3_600_000],
  ])('has begun at the latest now, when the clock of the API is %s', (_name, createdAtMs, begun) => {
    const instance = instanceFromSession(config, { ...session, createdAtMs }, NOW);
    expect(instance?.create_time).toBe(new Date(begun).toISOString());
  });
});

describe('a refreshed instance', () => {
  const view = {
    id: 's1',
    status: 'running',
    host: '1.2.3.4',
    ports: { '7777/udp': 20001 },
    region: 'eu',
    image: 'i',
    labels: {},
  };
  it('is the same object when nothing changed, so that nothing is written', () => {
    const before = instance({ a: joined });
    expect(refreshed(config, before, view, NOW)).toBe(before);
  });
  it.each([
    ['its status', { status: 'server_unreachable' }, { status: 'server_unreachable' }],
    [
      'its host',
      { host: 'h.example' },
      { connection_info: { ip_address: 'h.example', dns_name: 'h.example', port: 20001 } },
    ],
    ['its port', { ports: { '7777/udp': 5 } }, { connection_info: { ip_address: '1.2.3.4', dns_name: '', port: 5 } }],
  ])('takes over %s', (_sentence, shown, expected) => {
    expect(refreshed(config, instance(), { ...view, ...shown }, NOW)).toMatchObject(expected);
  });
  it('keeps its address when none is shown', () => {
    const before = instance();
    expect(refreshed(config, before, { ...view, host: '', ports: {} }, NOW)).toBe(before);
  });
  it('stays draining whatever its container says', () => {
    expect(refreshed(config, instance({}, { status: 'draining' }), view, NOW).status).toBe('draining');
  });
  it('loses reservations that ran out', () => {
    const after = refreshed(config, instance({ a: reserved(NOW - 1), b: joined }), view, NOW);
    expect(after).toMatchObject({ player_count: 1, open_seats: 3, seats: { b: joined } });
  });
});

describe('the count of players', () => {
  it.each([
    ['is what the server reported, plus reservations', { a: joined, b: reserved(NOW + 1) }, 3, 4],
    ['forgets reservations that ran out', { a: reserved(NOW) }, 2, 2],
    ['may be zero although seats are joined', { a: joined, b: joined }, 0, 0],
  ])('%s', (_sentence, seats, reported, count) => {
    expect(withReportedCount(instance(seats), reported, NOW).player_count).toBe(count);
  });
  it('does not count a player twice whom the server had reported before it confirmed the seat', () => {
    const reportedFirst = withReportedCount(instance({ a: reserved(NOW + 1), b: reserved(NOW + 1) }), 2, NOW);
    expect(reportedFirst.player_count).toBe(4);
    expect(withJoined(reportedFirst, ['a', 'b'], NOW).player_count).toBe(2);
  });
  it('does not take a player off twice whom the server had ceased to count', () => {
    const reportedFirst = withReportedCount(instance({ a: joined, b: joined }), 1, NOW);
    expect(withLeft(reportedFirst, ['a'], NOW).player_count).toBe(1);
    expect(withLeft(withLeft(reportedFirst, ['a'], NOW), ['b'], NOW).player_count).toBe(0);
  });
});

describe('whatever happens to an instance', () => {
  const users = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { maxLength: 4 });
  const act = fc.oneof(
    fc.record({ do: fc.constant('take' as const), users, ms: fc.integer({ min: 1, max: 50 }) }),
    fc.record({ do: fc.constant('join' as const), users }),
    fc.record({ do: fc.constant('leave' as const), users }),
    fc.record({ do: fc.constant('report' as const), count: fc.nat({ max: 8 }) }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 60 }) }),
  );
  const play = (
    acts: (typeof act extends fc.Arbitrary<infer T> ? T : never)[],
    check: (i: Instance, now: number) => void,
  ) => {
    let now = NOW;
    let one = instance();
    for (const step of acts) {
      if (step.do === 'take') one = withSeats(one, now, (seats) => take(seats, step.users, now + step.ms));
      if (step.do === 'join') one = withJoined(one, step.users, now);
      if (step.do === 'leave') one = withLeft(one, step.users, now);
      if (step.do === 'report') one = withReportedCount(one, step.count, now);
      if (step.do === 'pass') now += step.ms;
      check(one, now);
    }
    return { one, now };
  };

  it('players and open seats are never below zero, and add up', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 20 }), (acts) => {
        play(acts, (one) => {
          expect(one.player_count).toBeGreaterThanOrEqual(0);
          expect(one.open_seats).toBe(Math.max(0, one.max_players - one.player_count));
          expect(one.player_count).toBe(Object.keys(one.seats).length + one.unseated);
        });
      }),
    );
  });
  it('a report makes the count right again: the server’s number plus open reservations', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 20 }), fc.nat({ max: 8 }), (acts, count) => {
        const { one, now } = play(acts, () => undefined);
        const after = withReportedCount(one, count, now);
        const open = Object.values(after.seats).filter((seat) => seat.state === 'reserved').length;
        expect(after.player_count).toBe(count + open);
      }),
    );
  });
  it('nothing changes when it happens twice', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 10 }), users, (acts, who) => {
        const { one, now } = play(acts, () => undefined);
        const left = withLeft(one, who, now);
        expect(withLeft(left, who, now)).toEqual(left);
        const arrived = withJoined(one, who, now);
        expect(withJoined(arrived, who, now)).toEqual(arrived);
      }),
    );
  });
});
