import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configure } from '../../src/extension/extension';
import { findOrCreate } from '../../src/fleet/find-or-create';
import type { Call } from '../../src/nakama/caller';
import type { AllocationRequest } from '../../src/records';
import { answering, callOn, type Replies } from './support/fleet';
import { answer } from './support/gameye';
import { fakeNakama, type FakeNakama } from './support/nakama';
import { allocationIn, instanceIn, putInstance, rowsIn, seatOf, type InstanceLike } from './support/records';
import { refusal } from './support/refusal';

let fake: FakeNakama;
let call: Call;
let gameye: Replies;

beforeEach(() => {
  fake = fakeNakama();
  call = callOn(fake);
  gameye = { put: () => answer(200, {}), delete: () => answer(200, {}) };
  fake.http = answering(() => gameye);
});
afterEach(() => configure({}));

const EU = 'eu-central-1';
const US = 'us-east-1';
const group: AllocationRequest = { user_ids: ['u1', 'u2'], max_players: 4, latencies: [], metadata: {} };
const put = (id: string, more: Partial<InstanceLike> = {}, players = 0): void => {
  const seats = Object.fromEntries(Array.from({ length: players }, (_, i) => [`${id}-${i}`, 'joined' as const]));
  putInstance(fake, { id, region: EU, max_players: 4, ...more }, seats);
};
const find = (query = '', more: Partial<AllocationRequest> = {}) => findOrCreate(call, { ...group, ...more }, query);

describe('fleet_find_or_create for a group that fits into a running session', () => {
  it('gets what a match gives: seats, the connection with a token each, and the notification; Gameye hears of them', () => {
    put('s1');
    const found = find();
    expect(found).toMatchObject({
      ...{ session_id: 's1', created: false, instance_info: { id: 's1', player_count: 2, open_seats: 2 } },
      session_info: [
        { user_id: 'u1', session_id: 's1' },
        { user_id: 'u2', session_id: 's1' },
      ],
      matches: [
        { user_id: 'u1', host: '1.2.3.4', port: 20001, session_id: 's1', map: 'dust' },
        { user_id: 'u2', seat_token: expect.stringMatching(/^v1\./) },
      ],
    });
    expect(fake.sent().map(({ userId, content }) => ({ user_id: userId, ...content }))).toEqual(
      'matches' in found ? found.matches : [],
    );
    expect(fake.requests.map(({ body }) => body)).toEqual([{ session: 's1', players: ['u1', 'u2'] }]);
  });

  it('goes to the first region of its own order that has one, and to the fullest there', () => {
    put('far', { region: US }, 2);
    put('empty');
    put('fuller', {}, 2);
    put('too-full', {}, 3);
    const latencies = ['u1', 'u2'].flatMap((user_id) => [
      { user_id, region: EU, ms: 20 },
      { user_id, region: US, ms: 120 },
    ]);
    expect(find('', { latencies })).toMatchObject({ session_id: 'fuller' });
    const others = ['u3', 'u4'];
    const away = latencies.map((one, i) => ({ ...one, user_id: others[i >> 1]!, ms: 140 - one.ms }));
    expect(find('', { user_ids: others, latencies: away })).toMatchObject({ session_id: 'far' });
  });

  it.each<[string, Partial<InstanceLike>, number]>([
    ['drains', { status: 'draining' }, 0],
    ['may be gone', { status: 'lost' }, 0],
    ['ended', { status: 'exited' }, 0],
    ['waits for its game server', { status: 'starting' }, 0],
    ['is closed', { open: false }, 0],
    ['was asked for by a match that wants to be alone', { shared: false }, 0],
    ['has room for one of them only', {}, 3],
    ['is somewhere else', { region: 'mars' }, 0],
    ['has another version than the request names', { version: '1.0' }, 0],
  ])('is not sent to one that %s', (_why, more, players) => {
    put('s1', more, players);
    expect(find('', { version: '2.0' })).toMatchObject({ created: true });
    expect(instanceIn(fake)).toMatchObject({ player_count: players });
  });

  it('is not sent to one that is about to end', () => {
    put('s1');
    fake.query("UPDATE gameye_instance SET expires_at = to_timestamp($1) + interval '4 minutes'", [
      fake.clock() / 1000,
    ]);
    expect(find()).toMatchObject({ created: true });
  });

  it('says which ones will do, in the language of the list', () => {
    put('s1', { metadata: { mode: 'duel', skill: 1200 } }, 1);
    put('s2', { metadata: { mode: 'coop', skill: 900 } });
    expect(find('+metadata.mode:coop +metadata.skill:<1000')).toMatchObject({ session_id: 's2', created: false });
    expect(find('+metadata.mode:race', { user_ids: ['u3'] })).toMatchObject({ created: true });
  });

  it('says of which mode they are; without one any will do that runs the same image', () => {
    call = { ...call, config: { ...call.config, modes: { duel: { regions: [US] } } } };
    put('s1', { region: US }, 2);
    put('s2', { region: US, mode: 'duel' }, 1);
    expect(find('', { mode: 'duel' })).toMatchObject({ session_id: 's2' });
    expect(find('-id:s2', { regions: [US] })).toMatchObject({ session_id: 's1' });
    expect(find('', { mode: 'duel', user_ids: ['u3', 'u4', 'u5', 'u6'] })).toMatchObject({ created: true });
  });

  it('finds the same again when the answer was lost, although it fills what it asked for; nothing is written', () => {
    put('s1', {}, 2);
    put('s2', {}, 1);
    const query = '+open_seats:>=2 +player_count:<3';
    expect(find(query)).toMatchObject({ session_id: 's1' });
    const before = ['u1', 'u2'].map((id) => seatOf(fake, id)?.['version']);
    fake.requests.length = 0;
    expect(find(query)).toMatchObject({ session_id: 's1', created: false, instance_info: { player_count: 4 } });
    expect([fake.requests, ['u1', 'u2'].map((id) => seatOf(fake, id)?.['version'])]).toEqual([[], before]);
    expect(find(`${query} -id:s1`), 'unless it wants to go on').toMatchObject({ session_id: 's2' });
    expect(instanceIn(fake)).toMatchObject({ player_count: 2, open_seats: 2 });
  });

  it('needs as many seats as it has players who do not sit there yet', () => {
    putInstance(fake, { region: EU, max_players: 2 }, { u1: 'joined' });
    expect(find()).toMatchObject({ session_id: 's1', instance_info: { player_count: 2, open_seats: 0 } });
  });

  it('gets a seat whose reservation has just run out', () => {
    putInstance(fake, { region: EU, max_players: 2 }, { u8: fake.clock() - 1, u9: fake.clock() - 1 });
    expect(find()).toMatchObject({ session_id: 's1', created: false });
  });

  it('goes to the next one when Gameye does not know the first any more', () => {
    put('s1', {}, 1);
    put('s2');
    let answers = 0;
    gameye['put'] = () => (answers++ === 0 ? answer(404, { code: 404, message: 'no such session' }) : answer(200, {}));
    expect(find()).toMatchObject({ session_id: 's2' });
    expect(instanceIn(fake)).toMatchObject({ status: 'lost', player_count: 1 });
  });

  it('is not seated at all when what a player needs cannot be made: code 14, and the seats are free', () => {
    configure({
      extras: (_ctx, _logger, _nk, _instance, userId) => {
        if (userId === 'u2') throw new Error('no team');
        return {};
      },
    });
    put('s1', {}, 1);
    expect(refusal(() => find()).code).toBe(14);
    expect(instanceIn(fake)).toMatchObject({ player_count: 1, open_seats: 3 });
    expect(fake.sent()).toEqual([]);
  });

  it('sends no notification when the caller tells the group', () => {
    put('s1');
    expect(find('', { notify: false })).toMatchObject({ matches: [{ user_id: 'u1' }, { user_id: 'u2' }] });
    expect(fake.sent()).toEqual([]);
  });
});

describe('fleet_find_or_create for a group that fits into no running session', () => {
  it('gets a session of its own, and keeps no seat elsewhere', () => {
    putInstance(fake, { status: 'draining' }, { u1: 'joined' });
    const { session_id, created } = find('+metadata.mode:duel', { metadata: { mode: 'duel' }, notify: false });
    expect(created).toBe(true);
    expect(allocationIn(fake, session_id)).toMatchObject({
      state: 'queued',
      doc: { request: { user_ids: ['u1', 'u2'], max_players: 4, metadata: { mode: 'duel' }, notify: false } },
    });
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'starting', session_id });
    expect(instanceIn(fake)).toMatchObject({ player_count: 0 });
  });

  it('gets the same one again with the same request_id, and code 10 with another request', () => {
    const named = { request_id: 'r1', asked: 'x' };
    const first = findOrCreate(call, group, '', named);
    put('s1');
    expect(findOrCreate(call, group, '', named)).toEqual(first);
    expect(refusal(() => findOrCreate(call, group, '', { ...named, asked: 'y' })).code).toBe(10);
    expect([rowsIn(fake, 'allocation'), instanceIn(fake)?.player_count]).toEqual([1, 0]);
  });

  it('is told what is wrong with its query before anything happens', () => {
    put('s1');
    expect(refusal(() => find('+nonsense:1'))).toMatchObject({ code: 3, message: expect.stringContaining('nonsense') });
    expect(fake.events).toEqual([]);
  });
});
