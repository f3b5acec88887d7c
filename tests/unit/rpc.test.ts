import { describe, expect, it } from 'vitest';
import type { Allocation } from '../../src/allocation/allocation';
import * as library from '../../src/library';
import { newInstance } from '../../src/instances/instance';
import { configWith, FIVE, SEAT_SECRET } from './support/config';
import { answer } from './support/gameye';
import { ALLOCATIONS, INSTANCES } from './support/life';
import { context, fakeNakama, type FakeNakama } from './support/nakama';
import { refusal } from './support/refusal';

const ctx = context({ env: { ...FIVE, GAMEYE_SEAT_SECRET: SEAT_SECRET } });
const A = '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6';
const B = '00000000-0000-4000-8000-000000000001';

type Verb = Exclude<keyof typeof library, 'initialize' | 'matchmakerMatched' | 'beforeMatchmakerAdd' | 'allocatorLoop'>;

function ask(verb: Verb, payload: unknown, fake: FakeNakama = fakeNakama()): unknown {
  return JSON.parse(library[verb](ctx, fake.logger, fake.nk, JSON.stringify(payload)) as string);
}

function withInstance(): FakeNakama {
  const fake = fakeNakama();
  const session = { id: 's1', region: 'eu', maxPlayers: 4, metadata: {}, startedAtMs: 0 };
  const made = newInstance(
    configWith(),
    session,
    { host: '1.2.3.4', ports: { '7777/udp': 1 } },
    { [A]: { state: 'joined' } },
  )!;
  fake.put(INSTANCES, 's1', made);
  fake.http = ({ method }) => (method === 'get' ? answer(404, {}) : answer(200, {}));
  return fake;
}

describe('fleet_create', () => {
  const valid = { max_players: 2, user_ids: [A, B] };
  it('takes everything that it knows', () => {
    const fake = fakeNakama();
    const payload = {
      ...valid,
      latencies: [{ user_id: A, region: 'us', ms: 12.5 }],
      metadata: { map: 'dust', 'gameye.env': { X: 'y' } },
      regions: ['eu', 'us'],
    };
    const { session_id } = ask('fleetCreate', payload, fake) as { session_id: string };
    expect((fake.stored(ALLOCATIONS, session_id) as Allocation).request).toEqual(payload);
  });
  it('needs no players and no regions', () => {
    const fake = fakeNakama();
    const { session_id } = ask('fleetCreate', { max_players: 1 }, fake) as { session_id: string };
    expect(fake.stored(ALLOCATIONS, session_id)).toMatchObject({
      regions: ['eu-central-1', 'us-east-1'],
      request: { user_ids: [], max_players: 1, latencies: [], metadata: {} },
    });
  });
  it.each([
    [{}, '"max_players"'],
    [{ ...valid, max_players: 0 }, '"max_players"'],
    [{ ...valid, max_players: 10_001 }, '"max_players"'],
    [{ ...valid, max_players: '2' }, '"max_players"'],
    [{ ...valid, max_players: 1 }, '"max_players" is less than the number of user_ids'],
    [{ ...valid, user_ids: 'x' }, '"user_ids"'],
    [{ ...valid, latencies: {} }, '"latencies"'],
    [{ ...valid, latencies: [null] }, '"latencies"'],
    [{ ...valid, latencies: [{ user_id: A, region: 'us' }] }, '"latencies"'],
    [{ ...valid, latencies: [{ user_id: A, region: 'us', ms: -1 }] }, '"latencies"'],
    [{ ...valid, latencies: [{ user_id: 7, region: 'us', ms: 1 }] }, '"latencies"'],
    [{ ...valid, metadata: [] }, '"metadata"'],
    [{ ...valid, metadata: { env: 'x' } }, 'gameye.env'],
    [{ ...valid, regions: [] }, '"regions"'],
    [{ ...valid, regions: null }, '"regions"'],
    [{ ...valid, regions: ['eu', 'eu'] }, '"regions"'],
    [{ ...valid, regions: ['e u'] }, '"regions"'],
    [{ ...valid, region: 'eu' }, 'Unknown field "region"'],
  ])('refuses %j with 3 and changes nothing', (payload, words) => {
    const fake = fakeNakama();
    const { code, message } = refusal(() => ask('fleetCreate', payload, fake));
    expect(code).toBe(3);
    expect(message).toContain(words);
    expect(fake.events).toEqual([]);
  });
});

describe('the other verbs', () => {
  it.each<[Verb, object, object]>([
    ['fleetList', {}, { instances: [], cursor: '' }],
    ['fleetList', { query: '*', limit: 1000, order: ['-open_seats', 'create_time'] }, { instances: [], cursor: '' }],
    ['fleetJoin', { id: 's1', user_ids: [B] }, { session_info: [{ user_id: B, session_id: 's1' }] }],
    ['fleetJoin', { id: 's1', user_ids: [B], partial: true }, { instance_info: { player_count: 2 } }],
    ['fleetLeave', { id: 's1', user_ids: [A] }, { instance_info: { player_count: 0 } }],
    ['fleetUpdate', { id: 's1', player_count: 3 }, { instance_info: { player_count: 3 } }],
    ['fleetUpdate', { id: 's1', playerCount: 0, metadata: { a: 1 } }, { instance_info: { metadata: { a: 1 } } }],
    ['fleetDelete', { id: 's1' }, {}],
    ['updateInstanceInfo', { id: 's1', playerCount: 2 }, {}],
    ['deleteInstanceInfo', { id: 's1' }, {}],
    ['serverJoin', { id: 's1', user_ids: [B] }, { player_count: 2 }],
    ['serverLeave', { id: 's1', user_ids: [A] }, { player_count: 0 }],
  ])('%s answers %j', (verb, payload, expected) => {
    expect(ask(verb, payload, withInstance())).toMatchObject(expected);
  });

  it.each<[Verb, object, number]>([
    ['fleetGet', {}, 3],
    ['fleetGet', { id: 's1' }, 5],
    ['fleetList', { limit: 0 }, 3],
    ['fleetList', { limit: 1001 }, 3],
    ['fleetList', { query: 7 }, 3],
    ['fleetList', { cursor: 'c' }, 3],
    ['fleetList', { order: 'player_count' }, 3],
    ['fleetList', { order: [] }, 3],
    ['fleetList', { order: ['region'] }, 3],
    ['fleetList', { order: ['--open_seats'] }, 3],
    ['fleetList', { order: ['open_seats', '-open_seats'] }, 3],
    ['fleetList', { order: [['open_seats']] }, 3],
    ['fleetJoin', { id: 's1', user_ids: [B], partial: 'yes' }, 3],
    ['fleetJoin', { id: 's1' }, 3],
    ['fleetJoin', { id: 's1', user_ids: [] }, 3],
    ['fleetLeave', { user_ids: [A] }, 3],
    ['fleetUpdate', { id: 's1' }, 3],
    ['fleetUpdate', { id: 's1', player_count: 1, playerCount: 1 }, 3],
    ['fleetUpdate', { id: 's1', player_count: -1 }, 3],
    ['fleetUpdate', { id: 's1', metadata: { tags: 'x' } }, 3],
    ['fleetDelete', {}, 3],
    ['updateInstanceInfo', { id: 's1' }, 3],
    ['serverJoin', { id: 's1', user_ids: ['me'] }, 3],
    ['serverLeave', { id: 'unknown', user_ids: [A] }, 5],
  ])('%s refuses %j with %i', (verb, payload, code) => {
    const fake = withInstance();
    expect(refusal(() => ask(verb, payload, fake)).code).toBe(code);
    if (code === 3) expect(fake.events).toEqual([]);
  });
});
