import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { banPlayers } from '../../src/database/absent';
import { markLost, removeInstance } from '../../src/database/instances';
import { takeSeats } from '../../src/database/seats';
import { takePlace } from '../../src/database/spectators';
import { configure } from '../../src/extension/extension';
import type { Call } from '../../src/nakama/caller';
import { watch, watchAsPlayer } from '../../src/players/spectators';
import { leaveAll } from '../../src/players/standing';
import { answerRpc } from '../../src/rpc/callers';
import { watchMeant } from '../../src/rpc/rooms';
import { playersKicked, playersLeft, playersLost } from '../../src/servers/players';
import { playersArrived } from '../../src/servers/reports';
import { configWith } from './support/config';
import { context, fakeNakama, type FakeNakama } from './support/nakama';
import { FLEET, instanceIn, putAllocation, putInstance, seatOf } from './support/records';
import { refusal } from './support/refusal';

const T0 = 1_700_000_000_000;
const CODE = 'K7QM-2XPA';
const config = configWith({ GAMEYE_NAKAMA_URL: 'https://nakama.example', GAMEYE_MAX_SPECTATORS: '2' });

let fake: FakeNakama;
let call: Call;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: T0 });
  fake = fakeNakama();
  call = { ctx: context(), logger: fake.logger, nk: fake.nk, config };
});
afterEach(() => {
  vi.useRealTimers();
  configure({});
});
const wait = (ms: number): void => void vi.setSystemTime(Date.now() + ms);

const room = (): void =>
  putInstance(fake, { host: 'host', code: CODE, shared: false }, { host: 'joined', u1: 'joined' });
const places = (): string[] =>
  fake.query('SELECT user_id FROM gameye_spectator ORDER BY user_id').map((row) => String(row['user_id']));
const payloadOf = (token: unknown): unknown =>
  JSON.parse(Buffer.from(String(token).split('.')[1]!, 'base64url').toString());
const watching = (userId: string): object => watch(call, instanceIn(fake)!, userId);

describe('a spectator', () => {
  it('gets the address and a token that admits nobody as a player, and takes no seat of a full session', () => {
    room();
    const { match } = watchAsPlayer(call, 'w1', { code: CODE });
    expect(match).toMatchObject({ host: '1.2.3.4', port: 20001, session_id: 's1', spectator: true, map: 'dust' });
    expect(match.exp).toBe((T0 + 60_000) / 1000);
    expect(payloadOf(match.seat_token)).toEqual({ t: 'watch', sid: 's1', uid: 'w1', exp: match.exp });
    expect(instanceIn(fake)).toMatchObject({ player_count: 2, open_seats: 0, spectators: 1 });
    expect(instanceIn(fake)?.seats).not.toHaveProperty('w1');
    expect(seatOf(fake, 'w1')).toBeUndefined();
    expect(fake.requests, 'Gameye counts players only').toEqual([]);
  });

  it('finds the game of a mutual friend, a public room, or the room whose code they have, and no other', () => {
    room();
    expect(refusal(() => watchAsPlayer(call, 'w1', { friend: 'u1' })).code).toBe(5);
    fake.nk.friendsList = (() => ({ friends: [{ user: { userId: 'u1' } }], cursor: '' })) as never;
    expect(watchAsPlayer(call, 'w1', { friend: 'u1' })).toMatchObject({ match: { session_id: 's1' } });
    expect(refusal(() => watchMeant(call, { id: 's1' }, 'w1')).code, 'it is private').toBe(5);
    fake.query('UPDATE gameye_instance SET public = true');
    expect(watchMeant(call, { id: 's1' }, 'w1')).toMatchObject({ match: { session_id: 's1' } });
    expect(watchMeant(call, { code: CODE.toLowerCase() }, 'w1')).toMatchObject({ match: { session_id: 's1' } });
    for (const payload of [{}, { code: CODE, id: 's1' }, { code: CODE, user_id: 'u1' }, { code: 'x' }]) {
      expect(refusal(() => watchMeant(call, payload, 'w1')).code).toBe(3);
    }
  });

  it('cannot guess codes faster than a player who wants in', () => {
    room();
    for (let i = 0; i < 10; i++) {
      expect(refusal(() => watchAsPlayer(call, 'w1', { code: `0000-000${i}` })).code).toBe(5);
    }
    expect(refusal(() => watchAsPlayer(call, 'w1', { code: CODE })).code).toBe(8);
  });

  it('waits for no match and plays in none', () => {
    room();
    expect(refusal(() => watchAsPlayer(call, 'u1', { code: CODE })).code).toBe(9);
    putAllocation(fake, { user_ids: ['w1'] });
    expect(refusal(() => watchAsPlayer(call, 'w1', { code: CODE })).code).toBe(9);
    expect(places()).toEqual([]);
  });

  it('gets a place while there is one; whoever has a place keeps it', () => {
    putInstance(fake);
    watching('w1');
    watching('w2');
    expect(refusal(() => watching('w3')).code).toBe(8);
    expect(watching('w1')).toMatchObject({ match: { spectator: true } });
    expect(places()).toEqual(['w1', 'w2']);
  });

  it('gets no place without GAMEYE_MAX_SPECTATORS, nor in a session that is lost or gone', () => {
    putInstance(fake);
    const none = { ...call, config: configWith({}) };
    expect(refusal(() => watch(none, instanceIn(fake)!, 'w1'))).toMatchObject({
      code: 9,
      message: expect.stringContaining('GAMEYE_MAX_SPECTATORS'),
    });
    const instance = instanceIn(fake)!;
    markLost(fake.nk, FLEET, 's1');
    expect(refusal(() => watch(call, instance, 'w1')).code).toBe(9);
    removeInstance(fake.nk, FLEET, 's1', 'gone', false);
    expect(refusal(() => watch(call, instance, 'w1')).code).toBe(5);
  });

  it('has as many places as the mode of the session says', () => {
    const modes = configWith({ GAMEYE_MODES: '{"duel": {"max_spectators": 1}, "arena": {}}' });
    putInstance(fake, { mode: 'duel' });
    putInstance(fake, { id: 's2', mode: 'arena' });
    watch({ ...call, config: modes }, instanceIn(fake)!, 'w1');
    expect(refusal(() => watch({ ...call, config: modes }, instanceIn(fake)!, 'w2')).code).toBe(8);
    expect(refusal(() => watch({ ...call, config: modes }, instanceIn(fake, 's2')!, 'w2')).code).toBe(9);
  });

  it('watches one game: going to another frees the first place, unless the other is full', () => {
    putInstance(fake);
    putInstance(fake, { id: 's2' });
    watching('w1');
    watch(call, instanceIn(fake, 's2')!, 'w1');
    expect([instanceIn(fake)?.spectators, instanceIn(fake, 's2')?.spectators]).toEqual([undefined, 1]);
    watching('w2');
    watching('w3');
    expect(refusal(() => watching('w1')).code).toBe(8);
    expect(instanceIn(fake, 's2')?.spectators).toBe(1);
  });

  it('loses a place that they do not come to in time, when somebody else wants it', () => {
    putInstance(fake);
    watching('w1');
    watching('w2');
    wait(70_000);
    expect(instanceIn(fake)?.spectators).toBeUndefined();
    watching('w3');
    watching('w4');
    expect(places()).toEqual(['w3', 'w4']);
  });
});

describe('a game server whose session is watched', () => {
  beforeEach(() => {
    putInstance(fake, { max_players: 3 }, { u1: 'joined' });
    watching('w1');
  });

  it('hears which of those who come are spectators, who fill no seat although one is free', () => {
    expect(playersArrived(call, 's1', ['w1', 'u2'])).toEqual({ player_count: 2, spectators: ['w1'] });
    wait(600_000);
    expect(instanceIn(fake)).toMatchObject({ player_count: 2, open_seats: 1, spectators: 1 });
    expect(playersArrived(call, 's1', ['w1'])).toEqual({ player_count: 2, spectators: ['w1'] });
  });

  it('can report a spectator who comes at the last moment', () => {
    wait(65_000);
    expect(playersArrived(call, 's1', ['w1'])).toEqual({ player_count: 1, spectators: ['w1'] });
  });

  it('counts a spectator who got a seat meanwhile as a player', () => {
    takeSeats(fake.nk, FLEET, 's1', ['w1'], 60_000);
    expect(playersArrived(call, 's1', ['w1'])).toEqual({ player_count: 2 });
    expect(places()).toEqual([]);
  });

  it.each<[string, () => unknown]>([
    ['left', () => playersLeft(call, 's1', ['w1'])],
    ['lost the connection', () => playersLost(call, 's1', ['w1'])],
    ['were kicked', () => playersKicked(call, 's1', ['w1'], false)],
  ])('frees the places of spectators who %s', (_how, report) => {
    playersArrived(call, 's1', ['w1']);
    expect(report()).toEqual({ player_count: 1 });
    expect(places()).toEqual([]);
  });

  it('frees no place in another session', () => {
    putInstance(fake, { id: 's2' });
    playersLeft(call, 's2', ['w1']);
    expect(places()).toEqual(['w1']);
  });

  it('bans a spectator like a player', () => {
    banPlayers(fake.nk, FLEET, 's1', ['w2']);
    expect(refusal(() => watching('w2')).code).toBe(7);
  });
});

it('a spectator who leaves by choice, and the end of the session, free the place', () => {
  putInstance(fake);
  watching('w1');
  expect([leaveAll(call, 'w1'), leaveAll(call, 'w1'), places()]).toEqual([true, false, []]);
  watching('w2');
  removeInstance(fake.nk, FLEET, 's1', 'gone', false);
  expect(places()).toEqual([]);
});

it('a spectator for whom the extras of the module fail gets no place', () => {
  putInstance(fake);
  configure({
    extras: () => {
      throw new Error('no team');
    },
  });
  expect(refusal(() => watching('w1')).code).toBe(14);
  expect(places()).toEqual([]);
});

it('a spectator keeps the place until they leave, where no game server reports', () => {
  putInstance(fake);
  const silent = { ...call, config: configWith({ GAMEYE_MAX_SPECTATORS: '1' }) };
  watch(silent, instanceIn(fake)!, 'w1');
  wait(600_000);
  expect(refusal(() => watch(silent, instanceIn(fake)!, 'w2')).code).toBe(8);
});

it('a session gives no places to another fleet in the same database', () => {
  putInstance(fake);
  expect(takePlace(fake.nk, 'other', 's1', 'w1', 2, null)).toBe('gone');
  watching('w1');
  const other = { ...call, config: { ...config, fleet: 'other' } };
  expect([leaveAll(other, 'w1'), places()]).toEqual([false, ['w1']]);
});

it('fleet_watch gives a place to any player whom the server names, friend or not', () => {
  expect(
    refusal(() =>
      answerRpc('fleet_watch', { ...context(), userId: 'u9' }, fake.logger, fake.nk, '{"id":"s1","user_id":"w1"}'),
    ).code,
  ).toBe(7);
});
