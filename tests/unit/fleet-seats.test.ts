import { beforeEach, describe, expect, it } from 'vitest';
import { configure } from '../../src/extension/extension';
import { tellDeparture } from '../../src/allocation/departure';
import { join } from '../../src/fleet/join';
import { leave } from '../../src/fleet/seats';
import { update } from '../../src/fleet/update';
import type { Call } from '../../src/nakama/caller';
import { openToBackfill, playersArrived, serverIsReady } from '../../src/servers/reports';
import { answering, callOn, type Replies } from './support/fleet';
import { answer } from './support/gameye';
import { fakeNakama, type FakeNakama } from './support/nakama';
import { allocationIn, instanceIn, putAllocation, putInstance, rowsIn, seatOf } from './support/records';
import { refusal } from './support/refusal';

let fake: FakeNakama;
let call: Call;
let gameye: Replies;

beforeEach(() => {
  fake = fakeNakama();
  call = callOn(fake);
  gameye = {};
  fake.http = answering(() => gameye);
});

const u1Plays = { u1: 'joined' } as const;
const soon = () => Date.now() + 90_000;
const sentTo = (method: string): unknown[] =>
  fake.requests.filter((one) => one.method === method).map((one) => one.body);

describe('fleet_join', () => {
  it('reserves seats and tells Gameye', () => {
    putInstance(fake, {}, u1Plays);
    gameye = { put: () => answer(200, {}) };
    expect(join(call, 's1', ['u2'])).toMatchObject({
      instance_info: { player_count: 2, open_seats: 0 },
      session_info: [{ user_id: 'u2', session_id: 's1' }],
    });
    expect(instanceIn(fake)?.seats).toMatchObject({ u1: { state: 'joined' }, u2: { state: 'reserved' } });
    expect(sentTo('put')).toEqual([{ session: 's1', players: ['u2'] }]);
  });
  it('gives what a match gives: the answer and the notification say how each of them reaches the session', () => {
    putInstance(fake, { max_players: 3 }, u1Plays);
    gameye = { put: () => answer(200, {}) };
    const { matches } = join(call, 's1', ['u2', 'u3']);
    expect(matches).toMatchObject([
      { user_id: 'u2', host: '1.2.3.4', port: 20001, session_id: 's1', map: 'dust', exp: expect.any(Number) },
      { user_id: 'u3', seat_token: expect.stringMatching(/^v1\./) },
    ]);
    expect(fake.sent().map(({ userId, content }) => ({ user_id: userId, ...content }))).toEqual(matches);
    expect(fake.sent()[0]).toMatchObject({ subject: 'gameye_match', code: 7300, persistent: true });
  });
  it('tells nobody when the caller does, nobody who is refused, and nobody who is in the game', () => {
    putInstance(fake, { max_players: 3 }, u1Plays);
    gameye = { put: () => answer(200, {}) };
    join(call, 's1', ['u2'], { notify: false });
    refusal(() => join(call, 's1', ['u3', 'u4']));
    expect(fake.sent()).toEqual([]);
    expect(join(call, 's1', ['u1', 'u3']).matches).toHaveLength(2);
    expect(fake.sent().map(({ userId }) => userId)).toEqual(['u3']);
  });
  it('tells the players again when it is repeated, because the first call may have died before that', () => {
    putInstance(fake);
    gameye = { put: () => answer(200, {}) };
    for (let i = 0; i < 2; i++) join(call, 's1', ['u1']);
    expect(fake.sent().map(({ userId }) => userId)).toEqual(['u1', 'u1']);
  });
  it('seats nobody when the extras of one of them fail, and with partial the others', () => {
    configure({
      extras: (_ctx, _logger, _nk, _instance, userId) => {
        if (userId === 'u2') throw new Error('no team');
        return { team: 'red' };
      },
    });
    putInstance(fake, { max_players: 4 }, u1Plays);
    gameye = { put: () => answer(200, {}), delete: () => answer(200, {}) };
    expect(refusal(() => join(call, 's1', ['u2', 'u3'])).code).toBe(14);
    expect(refusal(() => join(call, 's1', ['u2'], { partial: true })).code).toBe(14);
    expect(Object.keys(instanceIn(fake)!.seats)).toEqual(['u1']);
    expect(fake.sent()).toEqual([]);
    const joined = join(call, 's1', ['u2', 'u3'], { partial: true });
    expect(joined).toMatchObject({ instance_info: { player_count: 2 }, session_info: [{ user_id: 'u3' }] });
    expect(joined.matches).toMatchObject([{ user_id: 'u3', team: 'red' }]);
    expect(sentTo('delete').at(-1)).toEqual({ session: 's1', players: ['u2'] });
    configure({});
  });
  it('takes all or none, and changes nothing when the instance is full', () => {
    putInstance(fake, {}, u1Plays);
    expect(refusal(() => join(call, 's1', ['u2', 'u3'])).code).toBe(8);
    expect(Object.keys(instanceIn(fake)!.seats)).toEqual(['u1']);
    expect(fake.requests).toEqual([]);
  });
  it('takes as many as fit when asked, in their order, and says who; those who have a seat count as fitting', () => {
    putInstance(fake, { max_players: 3 }, u1Plays);
    gameye = { put: () => answer(200, {}) };
    const { instance_info, session_info } = join(call, 's1', ['u2', 'u3', 'u4', 'u1'], { partial: true });
    expect(session_info.map((one) => one.user_id)).toEqual(['u2', 'u3', 'u1']);
    expect(instance_info).toMatchObject({ player_count: 3, open_seats: 0 });
    expect(sentTo('put')).toEqual([{ session: 's1', players: ['u2', 'u3'] }]);
    expect(refusal(() => join(call, 's1', ['u4', 'u5'], { partial: true })).code).toBe(8);
    expect(refusal(() => join(call, 's1', ['u4', 'u1'])).code).toBe(8);
    expect(Object.keys(instanceIn(fake)!.seats)).toEqual(['u1', 'u2', 'u3']);
  });
  it('lets those in again who have a seat, also when the instance is full or overfull', () => {
    putInstance(fake, { max_players: 1 }, u1Plays);
    putInstance(fake, { id: 's2', max_players: 1, unseated: 5 }, { u9: 'joined' });
    gameye = { put: () => answer(200, {}) };
    expect(join(call, 's1', ['u1']).instance_info.player_count).toBe(1);
    expect(join(call, 's2', ['u9']).instance_info.player_count).toBe(1);
    expect(refusal(() => join(call, 's2', ['u2'])).code).toBe(8);
  });
  it('of a player who has a safe seat there writes nothing and asks nobody', () => {
    putInstance(fake, {}, { u1: 'joined', u2: Date.now() + 40_000 });
    const versions = () => ['u1', 'u2'].map((id) => seatOf(fake, id)?.['version']);
    const before = versions();
    for (let i = 0; i < 3; i++) expect(join(call, 's1', ['u1', 'u2']).session_info).toHaveLength(2);
    expect([versions(), fake.requests]).toEqual([before, []]);
  });
  it('prolongs a reservation of which half is over, without a word to Gameye', () => {
    putInstance(fake, {}, { u1: soon() });
    join(call, 's1', ['u1']);
    expect((instanceIn(fake)!.seats['u1'] as { until_ms: number }).until_ms).toBeGreaterThan(Date.now() + 50_000);
    expect(fake.requests).toEqual([]);
  });
  it('finds the session by the id that fleet_create answered', () => {
    putInstance(fake, { allocation_id: 'a1' });
    gameye = { put: () => answer(200, {}) };
    expect(join(call, 'a1', ['u1']).session_info).toEqual([{ user_id: 'u1', session_id: 's1' }]);
  });
  it('gives the seat of a reservation that ran out to somebody else', () => {
    putInstance(fake, {}, { u1: Date.now() - 1, u9: 'joined' });
    gameye = { put: () => answer(200, {}) };
    expect(Object.keys(join(call, 's1', ['u2']).instance_info.seats)).toEqual(['u2', 'u9']);
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'lapsed' });
  });
  it('moves a player out of another session, of which Gameye hears too', () => {
    putInstance(fake);
    putInstance(fake, { id: 's0' }, u1Plays);
    gameye = { put: () => answer(200, {}), delete: () => answer(200, {}) };
    join(call, 's1', ['u1', 'u2']);
    expect(instanceIn(fake, 's0')).toMatchObject({ player_count: 0, open_seats: 2, seats: {} });
    expect(instanceIn(fake)).toMatchObject({ player_count: 2, open_seats: 0 });
    expect(fake.requests.map(({ method, body }) => [method, body])).toEqual([
      ['delete', { session: 's0', players: ['u1'] }],
      ['put', { session: 's1', players: ['u1', 'u2'] }],
    ]);
  });
  it('reaches Gameye after the player left the seat before, so that an API that knows only players cannot undo it', () => {
    putInstance(fake);
    putInstance(fake, { id: 's0' }, u1Plays);
    const bodies: unknown[] = [];
    fake.http = ({ method, body }) => {
      bodies.push([method, body]);
      return answer(method === 'delete' && 'session' in (body as object) ? 422 : 200, {});
    };
    join(call, 's1', ['u1']);
    expect(bodies.slice(1)).toEqual([
      ['delete', { players: ['u1'] }],
      ['put', { session: 's1', players: ['u1'] }],
    ]);
  });
  it('is not undone where an API takes players out of every session when they leave one', () => {
    putInstance(fake);
    putInstance(fake, { id: 's0' }, u1Plays);
    const players: { [session: string]: string[] } = { s0: ['u1'], s1: [] };
    fake.http = ({ method, body }) => {
      const { session, players: who } = body as { session?: string; players: string[] };
      if (method === 'put') players[session!] = [...players[session!]!, ...who];
      else if (session !== undefined) return answer(422, {});
      else for (const id of Object.keys(players)) players[id] = players[id]!.filter((one) => !who.includes(one));
      return answer(200, {});
    };
    join(call, 's1', ['u1']);
    expect(players['s0']).toEqual([]);
    expect(players['s1']).toContain('u1');
    // A leave that arrives late, as a worker's does after it told the players where to go.
    tellDeparture(call, 's0', ['u1']);
    expect(players['s1']).toContain('u1');
  });
  it('takes a player out of an allocation that others wait for', () => {
    putInstance(fake);
    putAllocation(fake, { user_ids: ['u1', 'u2'] });
    gameye = { put: () => answer(200, {}) };
    join(call, 's1', ['u1']);
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'reserved', session_id: 's1', allocation_id: '' });
    expect(seatOf(fake, 'u2')).toMatchObject({ state: 'starting', allocation_id: 'a1' });
  });
  it.each(['draining', 'exited', 'dead', 'lost', 'starting'])('is refused with 9 when the instance is %s', (status) => {
    putInstance(fake, { status });
    expect(refusal(() => join(call, 's1', ['u2'])).code).toBe(9);
  });
  it('is refused with 5 when Gameye has no such session, and with 9 from then on', () => {
    putInstance(fake, {}, u1Plays);
    gameye = { put: () => answer(404, {}) };
    expect(refusal(() => join(call, 's1', ['u2'])).code).toBe(5);
    expect(instanceIn(fake)).toMatchObject({ status: 'lost' });
    expect(refusal(() => join(call, 's1', ['u2'])).code).toBe(9);
  });
  it('stands when Gameye cannot be told', () => {
    putInstance(fake, {}, u1Plays);
    gameye = { put: () => answer(500, {}) };
    expect(join(call, 's1', ['u2']).instance_info.player_count).toBe(2);
    expect(fake.log).toMatchObject([{ level: 'warn' }]);
  });
  it('has seats joined at once where no game server can report who has come', () => {
    putInstance(fake);
    gameye = { put: () => answer(200, {}) };
    const { nakamaUrl: _url, ...config } = call.config;
    join({ ...call, config }, 's1', ['u1']);
    expect(instanceIn(fake)?.seats).toEqual({ u1: { state: 'joined' } });
  });
});

describe('players of fleet_join whose rows are made by another statement at the same moment', () => {
  /** So many times another statement stores the first row of `u2` while ours runs: ours seats the others, and tells. */
  const raced = (times: number): void => {
    const ask = fake.nk.sqlQuery;
    let left = times;
    fake.nk.sqlQuery = (statement, values = []) => {
      const others = statement.includes('chosen AS') && String(values[2]).includes('u2') && left-- > 0;
      if (!others) return ask(statement, values);
      const [row] = ask(statement, [...values.slice(0, 2), '["u1"]', ...values.slice(3)]) as { answer: string }[];
      const found = JSON.parse(row!.answer) as { granted: number };
      return [{ ...row, answer: JSON.stringify({ ...found, granted: found.granted + 1 }) }];
    };
  };
  it('are asked for again, and the others keep their seats', () => {
    putInstance(fake);
    putInstance(fake, { id: 's0' }, { u1: 'joined' });
    gameye = { put: () => answer(200, {}), delete: () => answer(200, {}) };
    raced(2);
    expect(join(call, 's1', ['u1', 'u2']).session_info).toHaveLength(2);
    expect(instanceIn(fake)).toMatchObject({ player_count: 2, seats: { u1: {}, u2: {} } });
    expect(sentTo('delete')).toEqual([{ session: 's0', players: ['u1'] }]);
  });
  it('lead to code 10 when that happens again and again, and nobody gets a seat', () => {
    putInstance(fake);
    raced(100);
    expect(refusal(() => join(call, 's1', ['u1', 'u2'])).code).toBe(10);
    expect(instanceIn(fake)).toMatchObject({ player_count: 0, seats: {} });
    expect(fake.requests).toEqual([]);
  });
});

describe('fleet_leave and fleet_update', () => {
  it('leave reports nobody to Gameye who has a seat in another session', () => {
    putInstance(fake, {}, u1Plays);
    putInstance(fake, { id: 's0' }, { u8: 'joined' });
    gameye = { delete: () => answer(200, {}) };
    leave(call, 's1', ['u8', 'u1', 'x']);
    expect(sentTo('delete')).toEqual([{ session: 's1', players: ['u1'] }]);
    leave(call, 's1', ['u8']);
    expect(fake.requests).toHaveLength(1);
    expect(instanceIn(fake, 's0')).toMatchObject({ player_count: 1, seats: { u8: { state: 'joined' } } });
  });
  it('leave takes nobody out of another session, also when Gameye takes no session with it', () => {
    putInstance(fake, {}, { u1: 'joined', u2: 'joined' });
    putInstance(fake, { id: 's0' });
    const bodies: unknown[] = [];
    fake.http = ({ method, body }) => {
      bodies.push([method, body]);
      if (method === 'put' || !('session' in (body as object))) return answer(200, {});
      // While this is on its way, a player joins another session.
      if (bodies.length === 1) join(call, 's0', ['u2']);
      return answer(422, {});
    };
    leave(call, 's1', ['u1', 'u2']);
    expect(bodies.at(-2)).toEqual(['delete', { players: ['u1', 'u2'] }]);
    expect(bodies.at(-1)).toEqual(['put', { session: 's0', players: ['u2'] }]);
  });
  it('leave frees seats; repeating it changes nothing, and Gameye hears only of those who had one', () => {
    putInstance(fake, {}, u1Plays);
    gameye = { delete: () => answer(200, {}) };
    expect(leave(call, 's1', ['u1', 'x']).instance_info).toMatchObject({ player_count: 0, open_seats: 2 });
    expect(leave(call, 's1', ['u1']).instance_info).toMatchObject({ player_count: 0 });
    expect(sentTo('delete')).toEqual([{ session: 's1', players: ['u1'] }]);
    expect(instanceIn(fake)?.empty_since_ms).toBeGreaterThan(Date.now() - 60_000);
  });
  it('leave stands when Gameye cannot be told', () => {
    putInstance(fake, {}, u1Plays);
    gameye = { delete: () => answer(500, {}) };
    expect(leave(call, 's1', ['u1']).instance_info.player_count).toBe(0);
    expect(fake.log).toMatchObject([{ level: 'warn' }]);
  });
  it('update sets the count and merges metadata', () => {
    putInstance(fake, {}, u1Plays);
    const metadata = { round: 2, 'gameye.env': { A: 'b' } };
    expect(update(call, 's1', 2, metadata).instance_info).toMatchObject({ player_count: 2, open_seats: 0 });
    expect(instanceIn(fake)?.metadata).toEqual({ map: 'dust', round: 2 });
    expect(update(call, 's1', undefined, { map: 'ice' }).instance_info).toMatchObject({
      player_count: 2,
      metadata: { map: 'ice', round: 2 },
    });
  });
  it.each([
    ['is what the server reported, plus reservations', () => ({ u1: 'joined' as const, u2: soon() }), 3, 4],
    ['forgets reservations that ran out', () => ({ u1: Date.now() - 1 }), 2, 2],
    ['may be zero although seats are joined', () => ({ u1: 'joined' as const, u2: 'joined' as const }), 0, 0],
  ])('the count %s', (_sentence, seats, reported, count) => {
    putInstance(fake, { max_players: 4 }, seats());
    const { player_count, open_seats } = update(call, 's1', reported, {}).instance_info;
    expect([player_count, open_seats]).toEqual([count, 4 - count]);
  });
  it('refuse with 5 when there is no such instance', () => {
    for (const act of [() => leave(call, 'x', ['u1']), () => update(call, 'x', 1, {})]) {
      expect(refusal(act).code).toBe(5);
    }
  });
});

describe('a game server', () => {
  it('makes reserved seats joined, and gives a free one to who has none', () => {
    putInstance(fake, {}, { u2: soon() });
    expect(playersArrived(call, 's1', ['u2', 'u3'])).toEqual({ player_count: 2 });
    expect(instanceIn(fake)?.seats).toEqual({ u2: { state: 'joined' }, u3: { state: 'joined' } });
  });
  it('is told whom it has to send away: no seat is left, or theirs is elsewhere', () => {
    putInstance(fake, {}, u1Plays);
    putInstance(fake, { id: 's0' }, { u8: 'joined' });
    expect(playersArrived(call, 's1', ['u8', 'u2', 'u3'])).toEqual({ player_count: 2, refused: ['u8', 'u3'] });
    expect(instanceIn(fake)).toMatchObject({ player_count: 2, seats: { u1: {}, u2: {} } });
    expect(instanceIn(fake, 's0')).toMatchObject({ seats: { u8: { state: 'joined' } } });
  });
  it('cannot seat who let a reservation run out when another has the seat, but gives a free one', () => {
    putInstance(fake, {}, { u1: 'joined', late: Date.now() - 1 });
    expect(playersArrived(call, 's1', ['u3'])).toEqual({ player_count: 2 });
    expect(seatOf(fake, 'late')).toMatchObject({ state: 'lapsed' });
    expect(playersArrived(call, 's1', ['late'])).toEqual({ player_count: 2, refused: ['late'] });
    gameye = { delete: () => answer(200, {}) };
    leave(call, 's1', ['u3']);
    expect(playersArrived(call, 's1', ['late'])).toEqual({ player_count: 2 });
  });
  it('that names players of another session moves and counts nobody of them; its own arrive', () => {
    putInstance(fake, { max_players: 8 }, { u1: soon(), u2: 'joined' });
    putInstance(fake, { id: 's0' }, { u8: 'joined', u9: soon() });
    putAllocation(fake, { user_ids: ['waits'] });
    expect(playersArrived(call, 's1', ['u8', 'u1', 'u9', 'u2', 'waits', 'new'])).toEqual({
      player_count: 3,
      refused: ['u8', 'u9', 'waits'],
    });
    expect(instanceIn(fake, 's0')).toMatchObject({
      player_count: 2,
      seats: { u8: { state: 'joined' }, u9: { state: 'reserved' } },
    });
    expect(seatOf(fake, 'waits')).toMatchObject({ state: 'starting', allocation_id: 'a1' });
  });
  it.each([
    ['players', (many: string[]) => void playersArrived(call, 's1', many)],
    ['a count', (many: string[]) => void update(call, 's1', many.length, { round: 3 })],
  ])('cannot report %s far beyond its places: code 3, and nothing is taken over', (_what, report) => {
    putInstance(fake, { max_players: 4 }, { u1: soon(), u2: 'joined' });
    const before = [instanceIn(fake), rowsIn(fake, 'seat')];
    const { code, message } = refusal(() => report(Array.from({ length: 105 }, (_, i) => `x${i}`)));
    expect([code, message]).toEqual([3, expect.stringContaining('4 places')]);
    expect([instanceIn(fake), rowsIn(fake, 'seat')]).toEqual(before);
  });
  it('that counts more than its places has a full session, and is not doubted', () => {
    putInstance(fake, { max_players: 4 }, { u1: soon(), u2: soon() });
    expect(update(call, 's1', 6, {}).instance_info).toMatchObject({ player_count: 4, open_seats: 0 });
    expect(playersArrived(call, 's1', ['u1', 'u2', 'x1', 'x2', 'x3'])).toEqual({ player_count: 4, refused: ['x3'] });
  });
  it.each([
    ['keys', (i: number) => ({ [`key${i}`]: i }), 64],
    ['characters', (i: number) => ({ [`key${i}`]: 'x'.repeat(1000) }), 16],
  ])(
    'can add metadata up to a bound in %s; then code 3, and its count is not taken over either',
    (_what, more, most) => {
      putInstance(fake, { max_players: 4, metadata: {} });
      let added = 0;
      const add = (): void => void update(call, 's1', 1, more(added));
      for (; added < most - 1; added++) add();
      const { code, message } = refusal(() => {
        for (; ; added++) add();
      });
      expect([code, message]).toEqual([3, expect.stringContaining('at most 64 keys and 16000 characters')]);
      const before = instanceIn(fake)!;
      expect(Object.keys(before.metadata).length).toBeLessThanOrEqual(64);
      expect(refusal(() => update(call, 's1', 3, more(added))).code).toBe(3);
      expect(instanceIn(fake)).toEqual(before);
      expect(update(call, 's1', 2, { key1: 'other' }).instance_info.metadata).toMatchObject({ key1: 'other' });
    },
  );
  it('can change metadata that is too large already, but not add to it', () => {
    const metadata = Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`key${i}`, i]));
    putInstance(fake, { metadata });
    expect(update(call, 's1', undefined, { key3: 33 }).instance_info.metadata).toEqual({ ...metadata, key3: 33 });
    expect(refusal(() => update(call, 's1', undefined, { more: 1 })).code).toBe(3);
  });
  it('does not count a player twice whom it had reported before it confirmed the seat', () => {
    putInstance(fake, { max_players: 4 }, { u1: soon(), u2: soon() });
    expect(update(call, 's1', 2, {}).instance_info.player_count).toBe(4);
    expect(playersArrived(call, 's1', ['u1', 'u2'])).toEqual({ player_count: 2 });
  });
  it('does not take a player off twice whom it had ceased to count', () => {
    putInstance(fake, {}, { u1: 'joined', u2: 'joined' });
    gameye = { delete: () => answer(200, {}) };
    update(call, 's1', 1, {});
    expect(leave(call, 's1', ['u1']).instance_info.player_count).toBe(1);
    expect(leave(call, 's1', ['u2']).instance_info.player_count).toBe(0);
  });
  it('says that it is ready while its session is being started or runs, as often as it likes', () => {
    putAllocation(fake, {}, { state: 'started', waits: true, session_id: 's1' });
    putInstance(fake, { status: 'starting' });
    for (let i = 0; i < 2; i++) serverIsReady(call, 's1');
    expect(allocationIn(fake)).toMatchObject({ server_ready: true });
    putInstance(fake, { id: 's2' });
    serverIsReady(call, 's2');
    expect(refusal(() => serverIsReady(call, 's3'))).toEqual({
      code: 5,
      message: 'This session is not being started (any more).',
    });
  });
  it('closes its session to others and opens it again, unless it was to be alone from the start', () => {
    putInstance(fake, { pool: 'p1' });
    expect(openToBackfill(call, 's1', false)).toBe(false);
    expect(instanceIn(fake)).toMatchObject({ open: false });
    expect(openToBackfill(call, 's1', true)).toBe(true);
    expect(instanceIn(fake)).toMatchObject({ open: true });
    putInstance(fake, { id: 's2', shared: false });
    expect(openToBackfill(call, 's2', false)).toBe(false);
    expect(refusal(() => openToBackfill(call, 's2', true)).code).toBe(9);
    expect(refusal(() => openToBackfill(call, 'x', true)).code).toBe(5);
  });
});
