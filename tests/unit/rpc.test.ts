import { describe, expect, it } from 'vitest';
import { answerRpc } from '../../src/rpc/callers';
import { RPCS } from '../../src/rpc/table';
import { FIVE, SEAT_SECRET } from './support/config';
import { answer } from './support/gameye';
import { context, fakeNakama, type FakeNakama } from './support/nakama';
import { allocationIn, putInstance } from './support/records';
import { refusal } from './support/refusal';

const ctx = context({ env: { ...FIVE, GAMEYE_SEAT_SECRET: SEAT_SECRET } });
const A = '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6';
const B = '00000000-0000-4000-8000-000000000001';

function ask(id: string, payload: unknown, fake: FakeNakama = fakeNakama()): unknown {
  return JSON.parse(answerRpc(id, ctx, fake.logger, fake.nk, JSON.stringify(payload)));
}

function withInstance(): FakeNakama {
  const fake = fakeNakama();
  putInstance(fake, { max_players: 4 }, { [A]: 'joined' });
  fake.http = ({ method }) => (method === 'get' ? answer(404, {}) : answer(200, {}));
  return fake;
}

describe('the table', () => {
  it('has every RPC once, with what it takes and what it answers', () => {
    expect(new Set(RPCS.map(({ id }) => id)).size).toBe(RPCS.length);
    for (const { id, doc, fields } of RPCS) {
      const [payload = '', answers, ...more] = doc.split(' → ');
      expect([id, answers !== undefined, more]).toEqual([id, true, []]);
      const mentioned = [...payload.matchAll(/`([a-z]\w+)\??[:`]/g)].map((match) => match[1]);
      for (const field of mentioned.filter((word) => word !== 'true' && word !== 'false')) {
        expect(fields, `${id}: ${field}`).toContain(field);
      }
    }
  });
});

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
    const { session_id } = ask('fleet_create', payload, fake) as { session_id: string };
    expect((allocationIn(fake, session_id)!.doc as { request: object }).request).toEqual(payload);
  });
  it('needs no players and no regions', () => {
    const fake = fakeNakama();
    const { session_id } = ask('fleet_create', { max_players: 1 }, fake) as { session_id: string };
    expect(allocationIn(fake, session_id)!.doc).toMatchObject({
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
    const { code, message } = refusal(() => ask('fleet_create', payload, fake));
    expect(code).toBe(3);
    expect(message).toContain(words);
    expect(fake.events).toEqual([]);
  });
});

describe('the other verbs', () => {
  it.each<[string, object, object]>([
    ['fleet_list', {}, { instances: [{ id: 's1' }], cursor: '' }],
    ['fleet_list', { query: '*', limit: 1000, order: ['-open_seats', 'create_time'] }, { instances: [{}], cursor: '' }],
    ['fleet_join', { id: 's1', user_ids: [B] }, { session_info: [{ user_id: B, session_id: 's1' }] }],
    ['fleet_join', { id: 's1', user_ids: [B], partial: true }, { instance_info: { player_count: 2 } }],
    ['fleet_leave', { id: 's1', user_ids: [A] }, { instance_info: { player_count: 0 } }],
    ['fleet_update', { id: 's1', player_count: 3 }, { instance_info: { player_count: 3 } }],
    ['fleet_update', { id: 's1', playerCount: 0, metadata: { a: 1 } }, { instance_info: { metadata: { a: 1 } } }],
    ['fleet_delete', { id: 's1' }, {}],
    ['update_instance_info', { id: 's1', playerCount: 2 }, {}],
    ['delete_instance_info', { id: 's1' }, {}],
    ['gameye_server_join', { id: 's1', user_ids: [B] }, { player_count: 2 }],
    ['gameye_server_leave', { id: 's1', user_ids: [A] }, { player_count: 0 }],
  ])('%s answers %j', (id, payload, expected) => {
    expect(ask(id, payload, withInstance())).toMatchObject(expected);
  });

  it.each<[string, object, number]>([
    ['fleet_get', {}, 3],
    ['fleet_get', { id: 's1' }, 5],
    ['fleet_list', { limit: 0 }, 3],
    ['fleet_list', { limit: 1001 }, 3],
    ['fleet_list', { query: 7 }, 3],
    ['fleet_list', { cursor: 'c' }, 3],
    ['fleet_list', { order: 'player_count' }, 3],
    ['fleet_list', { order: [] }, 3],
    ['fleet_list', { order: ['region'] }, 3],
    ['fleet_list', { order: ['--open_seats'] }, 3],
    ['fleet_list', { order: ['open_seats', '-open_seats'] }, 3],
    ['fleet_list', { order: [['open_seats']] }, 3],
    ['fleet_join', { id: 's1', user_ids: [B], partial: 'yes' }, 3],
    ['fleet_join', { id: 's1' }, 3],
    ['fleet_join', { id: 's1', user_ids: [] }, 3],
    ['fleet_leave', { user_ids: [A] }, 3],
    ['fleet_update', { id: 's1' }, 3],
    ['fleet_update', { id: 's1', player_count: 1, playerCount: 1 }, 3],
    ['fleet_update', { id: 's1', player_count: -1 }, 3],
    ['fleet_update', { id: 's1', metadata: { tags: 'x' } }, 3],
    ['fleet_delete', {}, 3],
    ['update_instance_info', { id: 's1' }, 3],
    ['gameye_server_join', { id: 's1', user_ids: ['me'] }, 3],
    ['gameye_server_leave', { id: 'unknown', user_ids: [A] }, 5],
  ])('%s refuses %j with %i', (id, payload, code) => {
    const fake = withInstance();
    fake.events.length = 0;
    expect(refusal(() => ask(id, payload, fake)).code).toBe(code);
    if (code === 3) expect(fake.events).toEqual([]);
  });
});
