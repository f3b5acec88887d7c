import { beforeEach, describe, expect, it, vi } from 'vitest';
import { loopAllocator, type AllocatorState } from '../../src/worker/allocator';
import type { Call } from '../../src/nakama/caller';
import { leaveSeats } from '../../src/database/seats';
import { leave } from '../../src/fleet/seats';
import { joinFriend } from '../../src/players/friend';
import { startSolo } from '../../src/players/solo';
import { cancelStart, leaveAll, standing } from '../../src/players/standing';
import { configWith, SEAT_SECRET } from './support/config';
import { answer } from './support/gameye';
import { context, fakeNakama, type FakeNakama } from './support/nakama';
import { allocationIn, instanceIn, putAllocation, putInstance, rowsIn, seatOf } from './support/records';
import { refusal } from './support/refusal';

const config = configWith({ GAMEYE_SEAT_SECRET: SEAT_SECRET, GAMEYE_NAKAMA_URL: 'http://nakama:7350' });
const both = { user_ids: ['u1', 'u2'] };

let fake: FakeNakama;
let call: Call;

beforeEach(() => {
  fake = fakeNakama();
  fake.http = () => answer(200, { count: 0, players: [] });
  call = { ctx: context(), logger: fake.logger, nk: fake.nk, config };
});

const soon = (): number => Date.now() + 59_000;
const matches = (): number => fake.events.filter((event) => event.kind === 'match').length;
/** The database ceased to hold the seat of a reservation that ran out. */
const lapse = (userId: string): void => {
  fake.query(`UPDATE gameye_seat SET state = 'lapsed', until = NULL WHERE user_id = $1`, [userId]);
  fake.query(
    `UPDATE gameye_instance SET reserved = reserved - 1, player_count = player_count - 1,
       open_seats = greatest(0, max_players - player_count + 1)`,
  );
};

/** A running session as the API describes it. */
const sessionView = (more: object = {}): object => ({
  ...{ id: 's1', status: 'running', host: '1.2.3.4', location: 'eu', image: 'my-game', labels: {} },
  ...{ ports: { '7777/udp': 20001 }, ...more },
});

/** What the workers do that were started so far. */
const runWorkers = (): void => {
  const worker = { ...call, ctx: context({ matchId: 'm1.n1' }) };
  for (const event of fake.events.slice()) {
    if (event.kind !== 'match') continue;
    let state: AllocatorState | undefined = { ...(event.params as unknown as AllocatorState), wake_at_ms: 0 };
    for (let i = 0; state && i < 20; i++) state = loopAllocator(worker, state);
  }
};

const seatToo = (userId: string): void => {
  fake.query(`INSERT INTO gameye_seat (user_id, state, session_id) VALUES ($1, 'joined', 's0')`, [userId]);
  fake.query(`UPDATE gameye_instance SET joined = 2, player_count = 2, open_seats = 2 WHERE id = 's0'`);
};

describe('gameye_assignment', () => {
  const situations: [string, () => void, object][] = [
    ['answers none to a player who never asked for anything', () => undefined, { state: 'none' }],
    [
      'answers starting to a player who waits for a session',
      () => putAllocation(fake, both),
      { state: 'starting', session_id: 'a1' },
    ],
    [
      'answers starting while the session runs and its game server is not ready',
      () => {
        putAllocation(fake, both, { state: 'started', waits: true });
        putInstance(fake, { id: 'a1', status: 'starting' });
      },
      { state: 'starting', session_id: 'a1' },
    ],
    [
      'answers failed when the session is deleted before it has started',
      () => {
        putAllocation(fake, both);
        fake.query('UPDATE gameye_allocation SET cancelled = true');
      },
      { state: 'failed', reason: 'error' },
    ],
    [
      'answers failed when the allocation was given up',
      () => {
        putAllocation(fake, both);
        fake.query(`UPDATE gameye_seat SET state = 'failed', reason = 'quota_exceeded'`);
      },
      { state: 'failed', reason: 'quota_exceeded' },
    ],
    [
      'answers none to a player who waits for an allocation that is nowhere',
      () => {
        putAllocation(fake, both);
        fake.query('DELETE FROM gameye_allocation');
      },
      { state: 'none' },
    ],
    [
      'answers ready to a player who plays',
      () => putInstance(fake, {}, { u1: 'joined' }),
      { state: 'ready', match: { host: '1.2.3.4', port: 20001 } },
    ],
    [
      'answers ready to a player with a fresh seat',
      () => putInstance(fake, {}, { u1: soon() }),
      { state: 'ready', match: { session_id: 's1' } },
    ],
    [
      'answers ready to a player with a fresh seat where nobody new is let in',
      () => putInstance(fake, { status: 'draining' }, { u1: Date.now() + 10_000 }),
      { state: 'ready', match: { session_id: 's1' } },
    ],
    [
      'answers none when the session is over',
      () => {
        putInstance(fake, {}, { u1: 'joined' });
        fake.query('DELETE FROM gameye_instance');
      },
      { state: 'none' },
    ],
    [
      'answers none when the session has just ended',
      () => putInstance(fake, { status: 'exited' }, { u1: 'joined' }),
      { state: 'none' },
    ],
    [
      'answers none when the seat was lost and all others are taken',
      () => {
        putInstance(fake, { max_players: 3 }, { u1: Date.now() - 1, a: 'joined', b: 'joined' });
        lapse('u1');
        putInstance(fake, { id: 's2' }, { c: 'joined' });
        fake.query('UPDATE gameye_instance SET unseated = 1, player_count = 3, open_seats = 0 WHERE id = $1', ['s1']);
      },
      { state: 'none' },
    ],
    [
      'answers none when the seat was lost and the session drains',
      () => {
        putInstance(fake, {}, { u1: Date.now() - 1 });
        lapse('u1');
        fake.query(`UPDATE gameye_instance SET status = 'draining'`);
      },
      { state: 'none' },
    ],
  ];
  it.each(situations)('%s', (_situation, arrange, expected) => {
    arrange();
    expect(standing(call, 'u1')).toMatchObject(expected);
  });

  it.each([
    ['ran out', () => undefined],
    ['ran out and was noticed', () => lapse('u1')],
  ])('gives the seat back whose reservation %s, with a token for it', (_when, notice) => {
    putInstance(fake, {}, { u1: Date.now() - 1 });
    notice();
    expect(standing(call, 'u1')).toMatchObject({
      state: 'ready',
      match: { seat_token: expect.stringMatching(/^v1\./) },
    });
    const { seats, player_count } = instanceIn(fake)!;
    expect([player_count, seats['u1']]).toEqual([1, { state: 'reserved', until_ms: expect.any(Number) }]);
    expect((seats['u1'] as { until_ms: number }).until_ms).toBeGreaterThan(Date.now() + 50_000);
  });

  it('gives no seat back to a player who was matched again at this moment', () => {
    putInstance(fake, {}, { u1: Date.now() - 1 });
    fake.after = (event) => {
      // Between the look and the seat.
      fake.after = () => undefined;
      if (event.kind === 'sql') putAllocation(fakeNakama(fake), both, {}, 'a2');
    };
    standing(call, 'u1');
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'starting', allocation_id: 'a2' });
    expect(instanceIn(fake)).toMatchObject({ player_count: 0, seats: {} });
    expect(standing(call, 'u1')).toEqual({ state: 'starting', session_id: 'a2' });
  });

  it('needs one statement for a player whose seat is safe', () => {
    putInstance(fake, {}, { u1: soon() });
    fake.events.length = 0;
    standing(call, 'u1');
    expect(fake.events.filter(({ kind }) => kind === 'sql')).toHaveLength(1);
  });

  it('answers all that gameye_match says', () => {
    putInstance(fake, { metadata: { mode: 'duel', port: 'not yours' } }, { u1: 'joined' });
    expect(standing(call, 'u1')).toMatchObject({ match: { mode: 'duel', port: 20001, session_id: 's1' } });
  });
});

describe('gameye_cancel', () => {
  it('takes the player out and leaves the session to the others', () => {
    putAllocation(fake, both);
    expect(cancelStart(call, 'u1')).toBe('cancelled');
    expect(allocationIn(fake)).toMatchObject({ state: 'starting', cancelled: false });
    expect(standing(call, 'u2')).toMatchObject({ state: 'starting' });
    expect(standing(call, 'u1')).toEqual({ state: 'none' });
    expect(cancelStart(call, 'u1')).toBe('nothing');
  });

  it('cancels the allocation when nobody is left, without a word to anybody', () => {
    putAllocation(fake, both);
    cancelStart(call, 'u1');
    cancelStart(call, 'u2');
    expect(allocationIn(fake)).toMatchObject({ cancelled: true });
    expect(fake.sent()).toEqual([]);
  });

  it('comes too late once the player has a seat, but not while players wait for their game server', () => {
    putInstance(fake, {}, { u1: soon(), u3: 'joined' });
    for (const userId of ['u1', 'u3']) expect(cancelStart(call, userId)).toEqual({ started: 's1' });
    putAllocation(fake, both, { state: 'started', waits: true });
    expect(cancelStart(call, 'u1')).toBe('cancelled');
  });

  it('changes nothing for a player who does not wait, or waited in vain', () => {
    putAllocation(fake, both);
    fake.query(`UPDATE gameye_seat SET state = 'failed', reason = 'timeout'`);
    for (const userId of ['u1', 'stranger']) expect(cancelStart(call, userId)).toBe('nothing');
  });

  it('finds a player whose group became part of another allocation while it looked', () => {
    putAllocation(fake, both);
    putAllocation(fake, {}, {}, 'host');
    const ask = fake.nk.sqlQuery;
    // The statement saw the row that led to `a1`, and found one that leads to `host`.
    fake.nk.sqlQuery = (statement, values) => {
      fake.nk.sqlQuery = ask;
      fake.query(`UPDATE gameye_seat SET allocation_id = 'host', session_id = 'host'`);
      return ask(statement.replace("AND s.state = 'starting'", "AND s.allocation_id = 'a1'"), values);
    };
    expect(cancelStart(call, 'u1')).toBe('cancelled');
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'left' });
  });
});

describe('gameye_leave', () => {
  it('takes a player out of an allocation, frees a seat, and says only once that it did', () => {
    putAllocation(fake, both);
    expect([leaveAll(call, 'u1'), leaveAll(call, 'u1')]).toEqual([true, false]);
    putInstance(fake, {}, { u3: 'joined' });
    expect([leaveAll(call, 'u3'), leaveAll(call, 'u3')]).toEqual([true, false]);
    expect(instanceIn(fake)).toMatchObject({ player_count: 0, seats: {} });
    expect(fake.requests.map(({ body }) => body)).toEqual([{ session: 's1', players: ['u3'] }]);
    expect(standing(call, 'u3')).toEqual({ state: 'none' });
  });
});

describe('a session for one player', () => {
  it('is asked for once while it starts', () => {
    expect(startSolo(call, 'u1')).toEqual({ status: 'starting' });
    expect(startSolo(call, 'u1')).toEqual({ status: 'starting' });
    expect(matches()).toBe(1);
    expect(standing(call, 'u1')).toMatchObject({ state: 'starting' });
  });

  it('is one for two requests at once', () => {
    let other: unknown;
    fake.before = (event) => {
      if (event.kind !== 'sql' || !event.statement.includes('INSERT INTO gameye_allocation') || other !== undefined)
        return;
      other = 'asks';
      other = startSolo(call, 'u1');
    };
    expect([startSolo(call, 'u1'), other]).toEqual([{ status: 'starting' }, { status: 'starting' }]);
    expect([rowsIn(fake, 'allocation'), matches()]).toEqual([1, 1]);
  });

  it('is the one that the player has, to be resumed, with all that gameye_match has', () => {
    putInstance(fake, { metadata: { mode: 'duel' } }, { u1: 'joined' });
    const match = { session_id: 's1', port: 20001, mode: 'duel', seat_token: expect.stringMatching(/^v1\./) };
    expect(startSolo(call, 'u1', { resume: true })).toMatchObject({ status: 'matched', match });
    expect(matches()).toBe(0);
  });

  it('is a new one for a player who plays and does not want to resume; the seat is given up', () => {
    putInstance(fake, { max_players: 4 }, { u1: 'joined', u2: 'joined' });
    expect(startSolo(call, 'u1')).toEqual({ status: 'starting' });
    expect(startSolo(call, 'u1')).toEqual({ status: 'starting' });
    expect(startSolo(call, 'u1', { resume: true })).toEqual({ status: 'starting' });
    expect(matches()).toBe(1);
    expect(instanceIn(fake)).toMatchObject({ status: 'running', player_count: 1, seats: { u2: {} } });
  });

  it.each([
    ['over', () => undefined],
    ['known to be over', () => void standing(call, 'u1')],
  ])('is a new one for who wants to resume what is %s', (_what, know) => {
    putInstance(fake, {}, { u1: 'joined' });
    fake.http = () => answer(404, {});
    know();
    expect(startSolo(call, 'u1', { resume: true })).toEqual({ status: 'starting' });
    expect(matches()).toBe(1);
  });

  it.each([
    ['whose session has just ended', () => putInstance(fake, { status: 'exited' }, { u1: 'joined' })],
    [
      'whose allocation is being cancelled',
      () => {
        putAllocation(fake, both);
        fake.query('UPDATE gameye_allocation SET cancelled = true');
      },
    ],
    [
      'whose allocation failed',
      () => {
        putAllocation(fake, both);
        fake.query(`UPDATE gameye_seat SET state = 'failed', reason = 'timeout'`);
      },
    ],
  ])('is a new one for a player %s', (_who, arrange) => {
    arrange();
    expect(startSolo(call, 'u1')).toEqual({ status: 'starting' });
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'starting' });
    expect(matches()).toBe(1);
  });

  it('is refused beyond the limit per minute, which leaving does not reset', () => {
    for (let i = 0; i < 6; i++) {
      expect(startSolo(call, 'u1')).toEqual({ status: 'starting' });
      leaveAll(call, 'u1');
    }
    expect(refusal(() => startSolo(call, 'u1'))).toMatchObject({ code: 8 });
    const now = Date.now() + 61_000;
    fake.clock = () => now;
    expect(startSolo(call, 'u1')).toEqual({ status: 'starting' });
  });

  it('is refused where it is turned off', () => {
    const off = { ...call, config: configWith({ GAMEYE_SOLO_PER_MINUTE: '0' }) };
    expect(refusal(() => startSolo(off, 'u1'))).toMatchObject({ code: 8 });
    expect(rowsIn(fake, 'allocation')).toBe(0);
  });

  it('is refused where as many sessions run as may, except to a player who may find a seat in one', () => {
    putInstance(fake);
    const full = { ...config, maxSessions: 1 };
    expect(refusal(() => startSolo({ ...call, config: full }, 'u1'))).toMatchObject({ code: 8 });
    expect(startSolo({ ...call, config: { ...full, backfill: true } }, 'u1')).toEqual({ status: 'starting' });
  });

  it('ends with a seat in a session that the player is told', () => {
    fake.http = ({ method, body }) =>
      method === 'post'
        ? answer(201, {
            id: (body as { id: string }).id,
            host: '5.6.7.8',
            ports: [{ type: 'udp', container: 7777, host: 9 }],
          })
        : answer(200, {});
    startSolo(call, 'u1');
    const started = fake.events.flatMap((event) => (event.kind === 'match' ? [event.params] : []))[0];
    const worker = { ...call, ctx: context({ matchId: 'm1.n1' }) };
    let state: AllocatorState | undefined = { ...(started as unknown as AllocatorState), wake_at_ms: 0 };
    for (let i = 0; state && i < 20; i++) state = loopAllocator(worker, state);
    expect(fake.sent()).toMatchObject([{ userId: 'u1', content: { host: '5.6.7.8', port: 9 } }]);
    const now = standing(call, 'u1');
    expect(now.state === 'ready' && now.match).toMatchObject({ host: '5.6.7.8', port: 9 });
  });
});

describe('gameye_join_friend', () => {
  const befriend = (...ids: string[]): void => {
    fake.nk.friendsList = () => ({ friends: ids.map((userId) => ({ user: { userId } })), cursor: '' });
  };

  it('takes a seat beside the friend', () => {
    befriend('u1');
    putInstance(fake, {}, { u1: 'joined' });
    expect(joinFriend(call, 'guest', 'u1')).toMatchObject({
      status: 'matched',
      match: { session_id: 's1', port: 20001 },
    });
    expect(instanceIn(fake)).toMatchObject({ seats: { guest: { state: 'reserved' } } });
    expect(standing(call, 'guest')).toMatchObject({ state: 'ready' });
  });

  it('gives up what the player had elsewhere, and tells Gameye', () => {
    befriend('u1');
    putInstance(fake, {}, { u1: 'joined' });
    putInstance(fake, { id: 's0' }, { guest: 'joined' });
    joinFriend(call, 'guest', 'u1');
    expect(instanceIn(fake, 's0')).toMatchObject({ player_count: 0 });
    expect(fake.requests.map(({ method, body }) => [method, body])).toEqual([
      ['delete', { session: 's0', players: ['guest'] }],
      ['put', { session: 's1', players: ['guest'] }],
    ]);
  });

  it('writes nothing and asks nobody for a player who has a seat there', () => {
    befriend('u1');
    putInstance(fake, {}, { u1: 'joined', guest: 'joined' });
    fake.events.length = 0;
    expect(joinFriend(call, 'guest', 'u1')).toMatchObject({ match: { session_id: 's1' } });
    expect(fake.requests).toEqual([]);
    const changes = fake.events.filter((event) => event.kind === 'sql' && /UPDATE|INSERT|DELETE/.test(event.statement));
    expect(changes).toEqual([]);
  });

  it('is one request at a time, and a later one of the same player is answered', () => {
    befriend('u1');
    putInstance(fake, { max_players: 4 }, { u1: 'joined' });
    let other: { code: number } | undefined;
    fake.http = () => {
      leaveSeats(fake.nk, call.config.fleet, 's1', ['guest']);
      other = refusal(() => joinFriend(call, 'guest', 'u1'));
      return answer(200, {});
    };
    joinFriend(call, 'guest', 'u1');
    expect(other).toMatchObject({ code: 10 });
    fake.http = () => answer(200, {});
    expect(joinFriend(call, 'guest', 'u1')).toMatchObject({ status: 'matched' });
  });

  it.each([
    ['the player', 'guest', 'u1'],
    ['the friend', 'u1', 'guest'],
  ])(
    'reads a bounded part of endless lists of friends, and finds a short one on the side of %s',
    (_who, short, other) => {
      putInstance(fake, { max_players: 4 }, { u1: 'joined' });
      let pages = 0;
      fake.nk.friendsList = (userId) => {
        pages++;
        const isShort = userId === short;
        return { friends: [{ user: { userId: isShort ? other : 'somebody' } }], cursor: isShort ? '' : 'more' };
      };
      expect(joinFriend(call, 'guest', 'u1')).toMatchObject({ status: 'matched' });
      expect(pages).toBeLessThanOrEqual(11);
      fake.nk.friendsList = () => (pages++, { friends: [], cursor: 'more' });
      expect(refusal(() => joinFriend(call, 'guest', 'u1'))).toMatchObject({ code: 5 });
      expect(pages).toBeLessThanOrEqual(31);
    },
  );

  it('does not tell a stranger whether somebody plays', () => {
    befriend();
    const nobody = refusal(() => joinFriend(call, 'guest', 'u1'));
    putInstance(fake, {}, { u1: 'joined' });
    expect(refusal(() => joinFriend(call, 'guest', 'u1'))).toEqual(nobody);
    expect(nobody).toMatchObject({ code: 5 });
  });

  it.each([
    ['waits for a session', () => putAllocation(fake, both)],
    ['has left', () => void (putInstance(fake, {}, { u1: 'joined' }), leaveAll(call, 'u1'))],
  ])('is refused while the friend %s', (_what, arrange) => {
    befriend('u1');
    arrange();
    expect(refusal(() => joinFriend(call, 'guest', 'u1'))).toMatchObject({ code: 5 });
  });

  it('is refused when the session is full, and changes nothing then', () => {
    befriend('u1');
    putInstance(fake, { max_players: 1 }, { u1: 'joined' });
    expect(refusal(() => joinFriend(call, 'guest', 'u1'))).toMatchObject({ code: 8 });
    expect(seatOf(fake, 'guest')).toBeUndefined();
  });
});

describe('a session that is over, before any list showed it', () => {
  beforeEach(() => putInstance(fake, {}, { u1: 'joined' }));

  it.each([
    ['is not known any more', answer(404, {}), 'lost'],
    ['has ended', answer(200, sessionView({ status: 'exited' })), undefined],
  ])('is nowhere for its player when the API says that it %s', (_what, reply, status) => {
    fake.http = () => reply;
    expect(standing(call, 'u1')).toEqual({ state: 'none' });
    expect(instanceIn(fake)?.status).toBe(status);
    expect(standing(call, 'u1')).toEqual({ state: 'none' });
    expect(fake.requests).toHaveLength(1);
  });

  it('is not asked for again by a player who asks again at once, also on another device', () => {
    fake.http = () => answer(200, sessionView());
    for (let i = 0; i < 5; i++) expect(standing(call, 'u1')).toMatchObject({ state: 'ready' });
    expect(fake.requests.map(({ method, timeoutMs }) => [method, timeoutMs])).toEqual([['get', 4000]]);
  });

  it.each([
    ['fails', answer(503, {})],
    ['answers what nobody can read', answer(200, { hello: 'world' })],
    ['refuses the token', answer(401, {})],
  ])('is not concluded from an API that %s', (_what, reply) => {
    fake.http = () => reply;
    expect(standing(call, 'u1')).toMatchObject({ state: 'ready' });
    expect(instanceIn(fake)).toMatchObject({ status: 'running' });
  });

  it('is there again for its player when that was a mistake', () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    fake.http = () => answer(404, {});
    expect(standing(call, 'u1')).toEqual({ state: 'none' });
    fake.http = () => answer(200, sessionView());
    vi.setSystemTime(Date.now() + 5_000);
    expect(standing(call, 'u1')).toMatchObject({ state: 'ready', match: { session_id: 's1' } });
    expect(instanceIn(fake)).toMatchObject({ status: 'running' });
    vi.useRealTimers();
  });
});

describe('what a player leaves behind', () => {
  const alone = (more: object = {}): void => {
    putInstance(fake, { id: 's0', ...more }, { u1: 'joined' });
    fake.query(`UPDATE gameye_instance SET solo = true WHERE id = 's0'`);
  };
  const running = answer(201, { host: '5.6.7.8', ports: [{ type: 'udp', container: 7777, host: 9 }] });
  const sent = (): string[] => fake.requests.map(({ method, url }) => `${method} ${url.split('/session')[1]}`);
  const befriend = (): void => {
    fake.nk.friendsList = () => ({ friends: [{ user: { userId: 'u2' } }], cursor: '' });
    putInstance(fake, { max_players: 4 }, { u2: 'joined' });
  };

  it.each([
    ['leaves', () => leaveAll(call, 'u1'), ['delete /s0']],
    ['joins a friend', () => (befriend(), joinFriend(call, 'u1', 'u2')), ['delete /s0', 'put /player/join']],
  ])('is stopped when the player who asked for it alone %s', (_how, act, requests) => {
    alone();
    act();
    expect(sent()).toEqual(requests);
    expect(instanceIn(fake, 's0')).toBeUndefined();
  });

  it('is stopped once the next one runs, when the player asks for another session', () => {
    alone();
    startSolo(call, 'u1');
    expect(instanceIn(fake, 's0')).toMatchObject({ status: 'draining', player_count: 0 });
    fake.http = ({ method }) => (method === 'post' ? running : answer(200, {}));
    runWorkers();
    expect(sent()).toContain('delete /s0');
    expect(instanceIn(fake, 's0')).toBeUndefined();
  });

  it('drains when the API does not answer, so that the reconciler stops it', () => {
    alone();
    fake.http = () => answer(503, {});
    leaveAll(call, 'u1');
    expect(instanceIn(fake, 's0')).toMatchObject({ status: 'draining', player_count: 0 });
  });

  it.each([
    ['others play in it', () => (alone({ max_players: 4 }), seatToo('u3'))],
    ['others are seated there by backfill', () => alone({ pool: 'p1' })],
    ['its game server counts somebody', () => alone({ unseated: 1 })],
    ['it was not started for the player alone', () => putInstance(fake, { id: 's0' }, { u1: 'joined' })],
  ])('stays when %s', (_why, arrange) => {
    arrange();
    leaveAll(call, 'u1');
    expect(sent()).toEqual(['delete /player/leave']);
    expect(instanceIn(fake, 's0')).toMatchObject({ status: 'running' });
  });

  it('stays for its grace when the game server says that the player is gone, who may come back', () => {
    alone();
    leave(call, 's0', ['u1']);
    expect(instanceIn(fake, 's0')).toMatchObject({ status: 'running', player_count: 0 });
  });

  it('is cancelled while it starts: no session of a player who went to a friend meanwhile is left', () => {
    befriend();
    startSolo(call, 'u1');
    const posted: string[] = [];
    fake.http = ({ method, url, body }) => {
      if (method === 'post') {
        posted.push((body as { id: string }).id);
        joinFriend(call, 'u1', 'u2');
        leaveAll(call, 'u1');
        return running;
      }
      return method === 'delete' && url.endsWith(posted[0] ?? '-') ? answer(204, {}) : answer(200, {});
    };
    runWorkers();
    expect(posted).toHaveLength(1);
    expect(sent()).toContain(`delete /${posted[0]}`);
    expect(instanceIn(fake, posted[0])).toBeUndefined();
  });
});

describe('a request of a player whose answer is lost', () => {
  /** The server after the database did its work, before anybody heard of it. */
  const dyingAt = (dies: number, act: () => unknown): boolean => {
    let calls = 0;
    fake.after = () => {
      if (++calls >= dies) throw new Error('context canceled');
    };
    try {
      act();
    } catch {
      // Nobody hears of it.
    }
    fake.after = () => undefined;
    return calls >= dies;
  };

  it('for a session alone leaves one session asked for when the player asks again', () => {
    let dies = 1;
    for (; ; dies++) {
      fake.query('DELETE FROM gameye_allocation; DELETE FROM gameye_seat');
      if (!dyingAt(dies, () => startSolo(call, 'u1'))) break;
      expect(startSolo(call, 'u1')).toEqual({ status: 'starting' });
      expect(rowsIn(fake, 'allocation')).toBe(1);
    }
    expect(dies).toBeGreaterThanOrEqual(4);
  });

  it('to cancel leaves the session to the others, and the player with none, when the player asks again', () => {
    putAllocation(fake, both);
    expect(dyingAt(1, () => cancelStart(call, 'u1'))).toBe(true);
    expect(cancelStart(call, 'u1')).toBe('nothing');
    expect(standing(call, 'u1')).toEqual({ state: 'none' });
    expect(standing(call, 'u2')).toMatchObject({ state: 'starting' });
  });
});
