import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { lapseSeats } from '../../src/database/instances';
import { arrive } from '../../src/database/reports';
import { banPlayers } from '../../src/database/absent';
import { takeSeats } from '../../src/database/seats';
import { seekSeats } from '../../src/database/seeking';
import { seat } from '../../src/fleet/seats';
import type { Call } from '../../src/nakama/caller';
import { joinFriend } from '../../src/players/friend';
import { standing } from '../../src/players/standing';
import { playersKicked, playersLeft, playersLost } from '../../src/servers/players';
import { configWith } from './support/config';
import { answer } from './support/gameye';
import { context, fakeNakama, type FakeNakama } from './support/nakama';
import { FLEET, instanceIn, putAllocation, putInstance, seatOf } from './support/records';
import { refusal } from './support/refusal';

const T0 = 1_700_000_000_000;
const config = configWith({ GAMEYE_NAKAMA_URL: 'https://nakama.example', GAMEYE_RECONNECT: '90s' });

let fake: FakeNakama;
let call: Call;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: T0 });
  fake = fakeNakama();
  fake.http = ({ method }) => (method === 'get' ? answer(503, {}) : answer(200, { count: 0, players: [] }));
  call = { ctx: context(), logger: fake.logger, nk: fake.nk, config };
});
afterEach(() => void vi.useRealTimers());
const wait = (ms: number): void => void vi.setSystemTime(Date.now() + ms);

describe('a player whose connection was lost', () => {
  beforeEach(() => putInstance(fake, { max_players: 2 }, { u1: 'joined', u2: 'joined' }));

  it('keeps the seat for a while, and is told where it is with a fresh token', () => {
    expect(playersLost(call, 's1', ['u1'])).toEqual({ player_count: 2 });
    expect(instanceIn(fake)).toMatchObject({
      open_seats: 0,
      seats: { u1: { state: 'reserved', until_ms: T0 + 90_000 } },
    });
    expect(takeSeats(fake.nk, FLEET, 's1', ['u3'], 60_000).kind).toBe('full');
    wait(1000);
    expect(standing(call, 'u1')).toMatchObject({
      state: 'ready',
      match: { session_id: 's1', exp: (T0 + 90_000) / 1000 },
    });
    expect(arrive(fake.nk, FLEET, 's1', ['u1'])).toEqual({ player_count: 2, refused: [] });
    wait(90_000);
    lapseSeats(fake.nk, FLEET);
    expect(instanceIn(fake)?.seats).toEqual({ u1: { state: 'joined' }, u2: { state: 'joined' } });
  });

  it('loses the seat after that time, and gets it back while there is room', () => {
    playersLost(call, 's1', ['u1']);
    wait(90_000);
    lapseSeats(fake.nk, FLEET);
    expect(instanceIn(fake)).toMatchObject({ player_count: 1, open_seats: 1 });
    expect(standing(call, 'u1')).toMatchObject({ state: 'ready' });
    expect(instanceIn(fake)).toMatchObject({ player_count: 2 });
  });

  it('keeps the seat no longer when the loss is reported again, and not at all before arriving or with a seat elsewhere', () => {
    putInstance(fake, { id: 's2' }, { u3: 'joined', u4: T0 + 5000 });
    playersLost(call, 's1', ['u1']);
    wait(1000);
    expect(playersLost(call, 's1', ['u1', 'u3', 'nobody'])).toEqual({ player_count: 2 });
    playersLost(call, 's2', ['u4']);
    expect(instanceIn(fake)?.seats['u1']).toEqual({ state: 'reserved', until_ms: T0 + 90_000 });
    expect(instanceIn(fake, 's2')?.seats).toEqual({
      u3: { state: 'joined' },
      u4: { state: 'reserved', until_ms: T0 + 5000 },
    });
    expect(refusal(() => playersLost(call, 's9', ['u1'])).code).toBe(5);
  });

  it('keeps the seat for as long as the mode says', () => {
    fake.query(`UPDATE gameye_instance SET mode = 'duel'`);
    const config = configWith({ GAMEYE_RECONNECT: '90s', GAMEYE_MODES: '{"duel": {"reconnect": "5s"}}' });
    playersLost({ ...call, config }, 's1', ['u1']);
    expect(instanceIn(fake)?.seats['u1']).toEqual({ state: 'reserved', until_ms: T0 + 5000 });
  });

  it('keeps no seat when the game server reports that the player left', () => {
    playersLost(call, 's1', ['u1']);
    expect(playersLeft(call, 's1', ['u1'])).toEqual({ player_count: 1 });
    expect(standing(call, 'u1')).toEqual({ state: 'none' });
  });

  it('leaves a session that counts as empty from the end of that time on', () => {
    playersLost(call, 's1', ['u1', 'u2']);
    expect(instanceIn(fake)).not.toHaveProperty('empty_since_ms');
    wait(90_000);
    lapseSeats(fake.nk, FLEET);
    expect(instanceIn(fake)).toMatchObject({ player_count: 0, empty_since_ms: T0 + 90_000 });
  });
});

describe('a player whom the game server sends away', () => {
  beforeEach(() => putInstance(fake, { max_players: 4, pool: 'p' }, { u1: 'joined', u2: 'joined' }));

  it('has no seat any more, and may come back unless banned', () => {
    expect(playersKicked(call, 's1', ['u1'], false)).toEqual({ player_count: 1 });
    expect(standing(call, 'u1')).toEqual({ state: 'none' });
    expect(takeSeats(fake.nk, FLEET, 's1', ['u1'], 60_000).kind).toBe('taken');
  });

  it('comes back in no way when banned: by fleet_join, as a friend, late, by backfill, or by arriving', () => {
    fake.nk.friendsList = () => ({ friends: [{ user: { userId: 'u2' } }], cursor: '' });
    expect(playersKicked(call, 's1', ['u1', 'u9'], true)).toEqual({ player_count: 1 });
    playersKicked(call, 's1', ['u1'], true);
    expect(refusal(() => seat(call, 's1', ['u1'])).code).toBe(7);
    expect(refusal(() => seat(call, 's1', ['u3', 'u1'])).code).toBe(7);
    expect(refusal(() => joinFriend(call, 'u9', 'u2')).code).toBe(7);
    expect(seat(call, 's1', ['u1', 'u3'], { partial: true }).userIds).toEqual(['u3']);
    expect(arrive(fake.nk, FLEET, 's1', ['u1', 'u4'])).toEqual({ player_count: 3, refused: ['u1'] });
    expect(standing(call, 'u1')).toEqual({ state: 'none' });
    // A seat that ran out before the ban.
    fake.query(`INSERT INTO gameye_seat (user_id, state, session_id) VALUES ('u5', 'lapsed', 's1')`);
    banPlayers(fake.nk, FLEET, 's1', ['u5']);
    expect(standing(call, 'u5')).toEqual({ state: 'none' });
    const group = (id: string, ...user_ids: string[]) => {
      putAllocation(fake, { user_ids }, { state: 'starting' }, id);
      const lease = { holder: 'h', ms: 1000 };
      const rest = {
        room: 'pool' as const,
        key: 'p',
        regions: ['eu'],
        passed: [],
        least_left_ms: 0,
        seat_ms: 60_000,
        lease,
      };
      return seekSeats(fake.nk, { id, version: 1, fleet: FLEET, ...rest }).kind;
    };
    expect([group('a1', 'u1'), group('a2', 'u6')]).toEqual(['none', 'seated']);
    // Other sessions are open to them.
    putInstance(fake, { id: 's2' });
    expect(takeSeats(fake.nk, FLEET, 's2', ['u9'], 60_000).kind).toBe('taken');
    expect(seatOf(fake, 'u9')).toMatchObject({ session_id: 's2' });
  });

  it('is not banned before anybody is sent there, and not from a session that nobody knows', () => {
    fake.query(`UPDATE gameye_instance SET status = 'starting'`);
    expect(refusal(() => playersKicked(call, 's1', ['u1'], true)).code).toBe(9);
    expect(refusal(() => playersKicked(call, 's9', ['u1'], true)).code).toBe(5);
    expect(fake.query('SELECT banned FROM gameye_instance')).toEqual([{ banned: [] }]);
  });

  it('cannot be banned beyond a thousand of a session: code 8', () => {
    fake.query(`UPDATE gameye_instance SET banned = (SELECT jsonb_agg(i::text) FROM generate_series(1, 1000) AS i)`);
    expect(refusal(() => playersKicked(call, 's1', ['u1'], true)).code).toBe(8);
    expect(instanceIn(fake)?.seats).toHaveProperty('u1');
  });
});
