import { beforeEach, describe, expect, it } from 'vitest';
import type { Payload } from '../../src/fields';
import type { Call } from '../../src/nakama/caller';
import { takeSeats } from '../../src/database/seats';
import { joinFriend } from '../../src/players/friend';
import { codeFrom, codeIn } from '../../src/players/room-code';
import {
  createRoom,
  inviteToRoom,
  joinRoom,
  ownRoom,
  publicRooms,
  rematch,
  updateRoom,
  type ShownRoom,
} from '../../src/players/rooms';
import { roomCreate, roomInvite, roomJoin, roomList, roomUpdate } from '../../src/rpc/rooms';
import { answering, callOn, type Replies } from './support/fleet';
import { answer } from './support/gameye';
import { fakeNakama, type FakeNakama } from './support/nakama';
import {
  allocationIn,
  instanceIn,
  putAllocation,
  putInstance,
  rowsIn,
  seatOf,
  type InstanceLike,
} from './support/records';
import { refusal } from './support/refusal';

const CODE = 'K7QM-2XPA';
const EU = 'eu-central-1';
const US = 'us-east-1';

let fake: FakeNakama;
let call: Call;
let gameye: Replies;

beforeEach(() => {
  fake = fakeNakama();
  call = callOn(fake);
  gameye = { put: () => answer(200, {}), delete: () => answer(200, {}) };
  fake.http = answering(() => gameye);
});

const asked = { public: false, max_players: 4, latencies: [] };
const room = (more: Partial<InstanceLike> = {}, seats: Parameters<typeof putInstance>[2] = { host: 'joined' }): void =>
  putInstance(fake, { region: EU, max_players: 4, shared: false, host: 'host', code: CODE, ...more }, seats);
const code = { code: CODE };
const befriend = (): void => {
  fake.nk.friendsList = ((userId: string) => ({
    friends: [{ user: { userId: userId === 'friend' ? 'host' : 'friend' } }],
    cursor: '',
  })) as never;
};

describe('the code of a room', () => {
  it('is eight letters and digits that nobody mistakes for others', () => {
    expect(codeFrom('00000000-0000-4000-8000-000000000000')).toBe('0000-0000');
    expect(codeFrom('ffffffff-0000-4000-8000-0000000000ff')).toBe('ZZZZ-ZZZZ');
    expect(codeFrom('12345678-0000-4000-8000-00000000009a')).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/);
  });
  it.each([
    ['k7qm-2xpa', CODE],
    [' K7QM 2XPA ', CODE],
    ['k7qm2xpa', CODE],
    ['OIL0-1000', '0110-1000'],
    ['K7QM-2XP', undefined],
    ['K7QM-2XPAA', undefined],
    ['K7QM-2XPU', undefined],
    ['', undefined],
    ['%%%%-%%%%', undefined],
  ])('is read as people type it: %j', (typed, read) => {
    expect(codeIn(typed)).toBe(read);
  });
});

describe('a player who makes a room', () => {
  it('has the code at once, and is the host', () => {
    const made = createRoom(call, 'u1', { ...asked, public: true });
    expect(made).toEqual({
      ...{ state: 'starting', id: expect.any(String), code: expect.stringMatching(/^....-....$/), public: true },
      ...{ host: 'u1', max_players: 4, players: [{ user_id: 'u1', state: 'starting' }] },
    });
    expect(allocationIn(fake, made.id)).toMatchObject({ state: 'queued', doc: { request: { backfill: false } } });
    expect(ownRoom(call, 'u1')).toEqual(made);
  });
  it('gets one room, however often they ask while it starts', () => {
    const made = createRoom(call, 'u1', asked);
    expect([createRoom(call, 'u1', asked), rowsIn(fake, 'allocation')]).toEqual([made, 1]);
  });
  it('gets another code when a room has that one already', () => {
    room();
    const uuids = ['9a1f5127-0000-4000-8000-00000000004a', '00000000-0000-4000-8000-000000000001'];
    const taken = codeFrom(uuids[0]!);
    fake.query('UPDATE gameye_instance SET code = $1', [taken]);
    const { uuidv4 } = fake.nk;
    let asks = 0;
    fake.nk.uuidv4 = () => (asks % 2 === 0 ? (uuids[asks++ / 2] ?? uuidv4()) : (asks++, uuidv4()));
    const made = createRoom(call, 'u1', asked);
    expect([made.code === taken, rowsIn(fake, 'allocation')]).toEqual([false, 1]);
  });
  it('may make only so many within a minute, counted with sessions for one player', () => {
    const few = { ...call, config: { ...call.config, soloPerMinute: 1 } };
    createRoom(few, 'u1', asked);
    fake.query("UPDATE gameye_seat SET state = 'left', session_id = '', allocation_id = ''");
    expect(refusal(() => createRoom(few, 'u1', asked)).code).toBe(8);
  });
  it('may make none while waiting for a match, nor when no more sessions may run', () => {
    putAllocation(fake, { user_ids: ['u1'] });
    expect(refusal(() => createRoom(call, 'u1', asked)).code).toBe(9);
    room();
    const full = { ...call, config: { ...call.config, maxSessions: 1 } };
    expect(refusal(() => createRoom(full, 'u2', asked)).code).toBe(8);
  });
  it('may name the mode of the room, and finds the rooms of a mode in the list', () => {
    const config = { ...call.config, modes: { duel: { maxPlayers: 2, regions: [US] } } };
    const modes = { ...call, config };
    const made = roomCreate(modes, { mode: 'duel' }, 'u1') as ShownRoom;
    expect(made).toMatchObject({ max_players: 2 });
    expect(allocationIn(fake, made.id)).toMatchObject({ doc: { regions: [US], request: { mode: 'duel' } } });
    expect(refusal(() => roomCreate(modes, { mode: 'race' }, 'u2')).code).toBe(3);
    room({ public: true, region: US, mode: 'duel' });
    room({ id: 's2', code: '0000-0000', public: true, region: US }, {});
    expect(roomList(modes, { mode: 'duel' }, 'u1')).toMatchObject({ rooms: [{ id: 's1', mode: 'duel' }] });
    expect((roomList(modes, {}, 'u1') as { rooms: object[] }).rooms).toHaveLength(2);
  });
  it('may decide how many get in, up to what a session takes', () => {
    const six = { ...call, config: { ...call.config, maxPlayers: 6 } };
    expect(roomCreate(six, {}, 'u1')).toMatchObject({ max_players: 6 });
    expect(refusal(() => roomCreate(six, { max_players: 7 }, 'u2')).code).toBe(3);
    const { maxPlayers: _most, ...unset } = six.config;
    expect(refusal(() => roomCreate({ ...call, config: unset }, {}, 'u2')).message).toContain('"max_players"');
  });
});

describe('a party', () => {
  const PARTY = '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6.n1';
  const connected = (...ids: string[]): void => {
    fake.nk.streamUserList = (stream) =>
      JSON.stringify(stream) === JSON.stringify({ mode: 7, subject: PARTY.slice(0, 36), label: 'n1' })
        ? ids.map((userId) => ({ userId }))
        : [];
  };
  const together = (userId: string, more: object = {}) =>
    roomCreate(call, { max_players: 4, party_id: PARTY, ...more }, userId) as ShownRoom;
  it('goes into a room together: all who are connected, whoever of them asks', () => {
    connected('u1', 'u2', 'u3', 'u2');
    const made = together('u2');
    expect(made).toMatchObject({ host: 'u2', players: ['u2', 'u1', 'u3'].map((user_id) => ({ user_id })) });
    for (const user_id of ['u1', 'u2', 'u3']) expect(ownRoom(call, user_id)).toEqual(made);
  });
  it('is nothing to strangers, and no party is refused by its name', () => {
    connected('u1', 'u2');
    expect(refusal(() => together('u3')).code).toBe(5);
    for (const party_id of ['', 'x', 7, PARTY.slice(0, 36), `${PARTY} x`]) {
      expect(refusal(() => together('u1', { party_id })).code).toBe(3);
    }
    expect(rowsIn(fake, 'allocation')).toBe(0);
  });
  it('takes nobody out of a game, and starts nothing while one of them plays or waits', () => {
    connected('u1', 'u2');
    putInstance(fake, { id: 's2' }, { u2: 'joined' });
    expect(refusal(() => together('u1'))).toMatchObject({
      code: 9,
      message: expect.stringContaining('plays elsewhere'),
    });
    expect([seatOf(fake, 'u1'), seatOf(fake, 'u2')]).toMatchObject([undefined, { state: 'joined' }]);
    expect(rowsIn(fake, 'allocation')).toBe(0);
  });
  it('goes into a room that runs together: all or nobody, and all are told', () => {
    connected('u1', 'u2');
    room();
    expect(roomJoin(call, { code: CODE, party_id: PARTY }, 'u2')).toMatchObject({
      ...{ status: 'matched', match: { session_id: 's1', seat_token: expect.stringMatching(/^v1\./) } },
      room: { players: [{ user_id: 'host' }, { user_id: 'u1' }, { user_id: 'u2' }] },
    });
    expect(fake.sent().map(({ userId, subject }) => [userId, subject])).toEqual([
      ['u2', 'gameye_match'],
      ['u1', 'gameye_match'],
    ]);
    connected('u3', 'u4');
    expect(refusal(() => roomJoin(call, { code: CODE, party_id: PARTY }, 'u3')).code).toBe(8);
    expect(Object.keys(instanceIn(fake)!.seats)).toEqual(['host', 'u1', 'u2']);
  });
  it('takes nobody out of a game to join a room, also not who is matched at that moment', () => {
    connected('u1', 'u2');
    room();
    putAllocation(fake, { user_ids: ['u2'] });
    expect(refusal(() => roomJoin(call, { code: CODE, party_id: PARTY }, 'u1'))).toMatchObject({
      code: 9,
      message: expect.stringContaining('plays elsewhere'),
    });
    expect(takeSeats(fake.nk, 'default', 's1', ['u1', 'u2'], 60_000, { idle: true })).toEqual({ kind: 'closed' });
    expect(Object.keys(instanceIn(fake)!.seats)).toEqual(['host']);
    expect(takeSeats(fake.nk, 'default', 's1', ['u1', 'host'], 60_000, { idle: true })).toMatchObject({
      kind: 'taken',
    });
  });
  it('that is too large gets no room', () => {
    connected('u1', 'u2', 'u3');
    expect(refusal(() => together('u1', { max_players: 2 })).code).toBe(8);
  });
  it('cannot make more rooms than each of its players may', () => {
    const few = { ...call, config: { ...call.config, soloPerMinute: 1 } };
    connected('u1', 'u2');
    createRoom(few, 'u2', asked);
    fake.query("UPDATE gameye_seat SET state = 'left', session_id = '', allocation_id = ''");
    expect(refusal(() => createRoom(few, 'u1', asked, ['u2'])).code).toBe(8);
  });
});

describe('a rematch of a room', () => {
  it('takes everybody in the room to a new session like it, when its host says so', () => {
    room({ public: true, region: US, mode: 'duel' }, { host: 'joined', u1: 'joined', u2: fake.clock() + 50_000 });
    call = { ...call, config: { ...call.config, modes: { duel: {} } } };
    expect(refusal(() => rematch(call, 'u1')).code).toBe(7);
    expect(refusal(() => rematch(call, 'stranger')).code).toBe(9);
    const again = rematch(call, 'host');
    expect(again).toMatchObject({
      state: 'starting',
      public: true,
      host: 'host',
      max_players: 4,
      players: [{}, {}, {}],
    });
    expect([again.id === 's1', again.code === CODE]).toEqual([false, false]);
    expect(allocationIn(fake, again.id)).toMatchObject({ doc: { regions: [US, EU], request: { mode: 'duel' } } });
    expect(ownRoom(call, 'u2')).toEqual(again);
    expect(instanceIn(fake)).toMatchObject({ player_count: 0 });
    expect(rematch(call, 'host'), 'also when the answer was lost').toEqual(again);
  });
});

describe('a room that runs', () => {
  it('lets in whoever has its code, and shows who is in', () => {
    room();
    expect(roomJoin(call, { code: 'k7qm2xpa' }, 'u1')).toMatchObject({
      status: 'matched',
      match: { host: '1.2.3.4', port: 20001, session_id: 's1', seat_token: expect.stringMatching(/^v1\./) },
      room: {
        ...{ state: 'open', id: 's1', code: CODE, public: false, host: 'host', max_players: 4 },
        players: [
          { user_id: 'host', state: 'joined' },
          { user_id: 'u1', state: 'reserved' },
        ],
      },
    });
    expect(ownRoom(call, 'u1')).toMatchObject({ state: 'open', id: 's1' });
    expect(ownRoom(call, 'nobody')).toEqual({ state: 'none' });
  });
  it('lets in whoever found it in the list only when it is public', () => {
    room();
    expect(refusal(() => joinRoom(call, 'u1', { id: 's1' })).code).toBe(5);
    room({ id: 's2', code: '0000-0000', public: true }, {});
    expect(joinRoom(call, 'u1', { id: 's2' })).toMatchObject({ status: 'matched', room: { id: 's2' } });
    putInstance(fake, { id: 's3' });
    expect(refusal(() => joinRoom(call, 'u1', { id: 's3' })).code).toBe(5);
  });
  it('cannot be guessed: after ten wrong codes in a minute no right one counts either, while others get in', () => {
    room();
    for (let i = 0; i < 10; i++) expect(refusal(() => joinRoom(call, 'u1', { code: `0000-000${i}` })).code).toBe(5);
    expect(refusal(() => joinRoom(call, 'u1', code)).code).toBe(8);
    expect(joinRoom(call, 'u2', code)).toMatchObject({ status: 'matched' });
    expect(Object.keys(instanceIn(fake)!.seats)).toEqual(['host', 'u2']);
  });
  it('that is full refuses with 8, but not a player who has a seat there', () => {
    room({ max_players: 2 }, { host: 'joined', u1: 'joined' });
    expect(refusal(() => joinRoom(call, 'u2', code)).code).toBe(8);
    expect(joinRoom(call, 'u1', code)).toMatchObject({ status: 'matched' });
    expect(fake.requests).toEqual([]);
  });
  it('asks to come again while it starts', () => {
    const { code: fresh = '' } = createRoom(call, 'u1', asked);
    expect(joinRoom(call, 'u2', { code: fresh })).toEqual({ status: 'starting' });
    room({ status: 'starting' }, {});
    expect(refusal(() => joinRoom(call, 'u2', { code: '0000-0000' })).code).toBe(5);
  });
  it('is closed by its host when the game starts: nobody gets in, but who is in comes back', () => {
    room({}, { host: 'joined', u1: 'joined' });
    expect(roomUpdate(call, { open: false }, 'host')).toMatchObject({ state: 'closed', players: [{}, {}] });
    expect(refusal(() => joinRoom(call, 'u2', code)).code).toBe(9);
    expect(joinRoom(call, 'u1', code)).toMatchObject({ status: 'matched', room: { state: 'closed' } });
    befriend();
    expect(refusal(() => joinFriend(call, 'friend', 'host')).code).toBe(9);
    expect(updateRoom(call, 'host', { open: true, public: true })).toMatchObject({ state: 'open', public: true });
    expect(joinFriend(call, 'friend', 'host')).toMatchObject({ status: 'matched' });
  });
  it('is changed by its host only; when that one has left, another player is it', () => {
    room({}, { host: 'joined', u1: 'joined', u2: 'joined' });
    expect(refusal(() => updateRoom(call, 'u1', { open: false })).code).toBe(7);
    expect(refusal(() => updateRoom(call, 'stranger', { open: false })).code).toBe(9);
    expect(instanceIn(fake)?.room).toMatchObject({ open: true, host: 'host' });
    fake.query("UPDATE gameye_seat SET state = 'left', session_id = '' WHERE user_id = 'host'");
    expect(refusal(() => updateRoom(call, 'u2', { open: false })).code).toBe(7);
    expect(updateRoom(call, 'u1', { open: false })).toMatchObject({ state: 'closed', host: 'u1' });
  });
});

describe('the list of rooms', () => {
  it('shows public rooms with a free seat, the nearest first, then the fullest, and no code', () => {
    const at = (id: string, more: Partial<InstanceLike>, players: number): void =>
      room(
        { id, code: `0000-000${id.slice(1)}`, public: true, ...more },
        Object.fromEntries(Array.from({ length: players }, (_, i) => [`${id}-${i}`, 'joined' as const])),
      );
    at('s1', { region: US }, 3);
    at('s2', {}, 1);
    at('s3', {}, 2);
    at('s4', { public: false }, 1);
    at('s5', { open: false }, 1);
    at('s6', {}, 4);
    at('s7', { status: 'draining' }, 1);
    putInstance(fake, { id: 's8', region: EU });
    const ids = (latencies: object[]): string[] =>
      (roomList(call, { latencies }, 'u1') as { rooms: ShownRoom[] }).rooms.map(({ id }) => id);
    expect(ids([])).toEqual(['s3', 's2', 's1']);
    const near = [
      { region: US, ms: 20 },
      { region: EU, ms: 90 },
    ];
    expect(ids(near)).toEqual(['s1', 's3', 's2']);
    expect(publicRooms(call, 'u1', { latencies: [], limit: 1 })).toEqual([
      { id: 's3', region: EU, host: 's3-0', player_count: 2, max_players: 4, open_seats: 2 },
    ]);
  });
  it('can be asked for only so often in a minute', () => {
    for (let i = 0; i < 60; i++) publicRooms(call, 'u1', { latencies: [], limit: 1 });
    expect(refusal(() => publicRooms(call, 'u1', { latencies: [], limit: 1 })).code).toBe(8);
  });
});

describe('an invitation', () => {
  it('tells a mutual friend the code, and nobody else', () => {
    room();
    expect(refusal(() => inviteToRoom(call, 'host', 'friend')).code).toBe(5);
    befriend();
    expect(inviteToRoom(call, 'host', 'friend')).toBe(true);
    expect(fake.sent()).toMatchObject([
      {
        ...{ userId: 'friend', subject: 'gameye_room_invitation', code: 7302, persistent: false },
        content: { room_id: 's1', code: CODE, user_id: 'host' },
      },
    ]);
    expect(refusal(() => inviteToRoom(call, 'u9', 'friend')).code).toBe(9);
    updateRoom(call, 'host', { open: false });
    expect(refusal(() => inviteToRoom(call, 'host', 'friend')).code).toBe(9);
  });
});

it.each<[string, (call: Call, payload: Payload, userId: string) => object, Payload]>([
  ['max_players', roomCreate, { max_players: 0 }],
  ['public', roomCreate, { max_players: 2, public: 'yes' }],
  ['latencies', roomCreate, { max_players: 2, latencies: { eu: 20 } }],
  ['latencies', roomCreate, { max_players: 2, latencies: [{ region: 'eu' }] }],
  ['latencies', roomList, { latencies: Array.from({ length: 51 }, () => ({ region: 'eu', ms: 1 })) }],
  ['limit', roomList, { limit: 101 }],
  ['code', roomJoin, {}],
  ['code', roomJoin, { code: CODE, id: 's1' }],
  ['code', roomJoin, { code: 'K7QM' }],
  ['code', roomJoin, { code: 7 }],
  ['id', roomJoin, { id: '../other' }],
  ['open', roomUpdate, {}],
  ['open', roomUpdate, { open: 'no' }],
  ['public', roomUpdate, { public: 1 }],
  ['user_id', roomInvite, {}],
  ['user_id', roomInvite, { user_id: 'me' }],
])('a room RPC names a wrong %s, and asks nothing of the database', (field, rpc, payload) => {
  expect(refusal(() => rpc(call, payload, 'u1'))).toMatchObject({
    code: 3,
    message: expect.stringContaining(`"${field}"`),
  });
  expect([fake.events, seatOf(fake, 'u1')]).toEqual([[], undefined]);
});
