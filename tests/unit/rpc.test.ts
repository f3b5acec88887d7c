import { describe, expect, it, vi } from 'vitest';
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

describe('the table of RPCs', () => {
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

describe('null in a payload', () => {
  /** A payload that each RPC takes, with its required fields only. */
  const payloads: { [id: string]: object } = {
    fleet_create: { max_players: 2 },
    fleet_find_or_create: { user_ids: [B] },
    fleet_get: { id: 's1' },
    fleet_list: {},
    fleet_join: { id: 's1', user_ids: [B] },
    fleet_leave: { id: 's1', user_ids: [A] },
    fleet_update: { id: 's1', player_count: 2 },
    fleet_delete: { id: 's1' },
    update_instance_info: { id: 's1', playerCount: 2 },
    delete_instance_info: { id: 's1' },
    gameye_server_join: { id: 's1', user_ids: [B] },
    gameye_server_leave: { id: 's1', user_ids: [A] },
    gameye_server_kick: { id: 's1', user_ids: [A] },
    gameye_server_ready: { id: 's1' },
    gameye_server_heartbeat: { id: 's1' },
    gameye_server_result: { id: 's1', result: { winner: A } },
    gameye_server_backfill: { id: 's1', open: false },
    gameye_join_friend: { user_id: B },
    gameye_room_create: { max_players: 2 },
    gameye_room_join: { code: 'K7QM-2XPA' },
    gameye_room_update: { open: false },
    gameye_room_invite: { user_id: B },
    gameye_drain: { id: 's1' },
    gameye_terminate: { id: 's1' },
    gameye_set_version: { version: '1.0', force: true },
    gameye_unity_allocate: { MatchId: 'm1' },
    gameye_unity_poll: { MatchId: 'm1' },
  };
  /** What an RPC does with a payload, but for what is new each time. */
  const outcome = (id: string, payload: object): string => {
    const fake = withInstance();
    const caller = RPCS.find((rpc) => rpc.id === id)!.caller;
    const asks = caller === 'player' ? { ...ctx, userId: A } : ctx;
    let said: unknown;
    try {
      said = JSON.parse(answerRpc(id, asks, fake.logger, fake.nk, JSON.stringify(payload)));
    } catch (error) {
      said = error;
    }
    const rows = fake.query('SELECT doc FROM gameye_allocation');
    return JSON.stringify([said, rows]).replace(
      /[0-9a-f]{8}-[0-9a-f-]{27}|[0-9A-Z]{4}-[0-9A-Z]{4}|\d{13}|\d{4}-\d\d-\d\dT[\d:.]+Z/g,
      '*',
    );
  };
  it.each(RPCS.map((rpc) => [rpc.id, rpc] as const))('is the same as nothing: %s', (id, { fields, nulls = [] }) => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_000 });
    const payload = payloads[id] ?? {};
    const missing = fields.filter((field) => !(field in payload) && !nulls.includes(field));
    const withNulls = { ...payload, ...Object.fromEntries(missing.map((field) => [field, null])) };
    try {
      expect(outcome(id, withNulls)).toBe(outcome(id, payload));
    } finally {
      vi.useRealTimers();
    }
  });
  it('is nothing in metadata’s keys with a meaning of their own, and in Unity’s results', () => {
    const metadata = { 'gameye.env': null, 'gameye.external_id': null };
    expect(ask('fleet_create', { max_players: 1, metadata })).toHaveProperty('session_id');
    const MatchmakingResults = { matchProperties: null, MatchProperties: { maxPlayers: null }, poolName: null };
    expect(ask('gameye_unity_allocate', { MatchId: 'm1', MatchmakingResults })).toMatchObject({ Status: 'Created' });
  });
});

describe('fleet_create', () => {
  const valid = { max_players: 2, user_ids: [A, B] };
  it('takes every field that it knows', () => {
    const fake = fakeNakama();
    const payload = {
      ...valid,
      latencies: [{ user_id: A, region: 'us', ms: 12.5 }],
      metadata: { map: 'dust', 'gameye.env': { X: 'y' } },
      regions: ['eu', 'us'],
      backfill: false,
    };
    const { session_id } = ask('fleet_create', payload, fake) as { session_id: string };
    expect((allocationIn(fake, session_id)!.doc as { request: object }).request).toEqual(payload);
  });
  it('is the same request whatever the order of its fields, and another one when it says something else', () => {
    const fake = fakeNakama();
    const first = ask('fleet_create', { max_players: 2, metadata: { a: 1, b: 2 }, request_id: 'r1' }, fake);
    const same = { request_id: 'r1', metadata: { b: 2, a: 1 }, image: null, max_players: 2 };
    expect(ask('fleet_create', same, fake)).toEqual(first);
    const other = { max_players: 3, metadata: { a: 1, b: 2 }, request_id: 'r1' };
    expect(refusal(() => ask('fleet_create', other, fake)).code).toBe(10);
  });
  it('may say how long a session for nobody waits', () => {
    const fake = fakeNakama();
    const { session_id } = ask('fleet_create', { max_players: 1, empty_timeout: 90 }, fake) as { session_id: string };
    expect(allocationIn(fake, session_id)!.doc).toMatchObject({ request: { empty_timeout_ms: 90_000 } });
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
    [{ ...valid, metadata: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, i])) }, 'at most 64 keys'],
    [{ ...valid, metadata: { map: 'x'.repeat(16_000) } }, 'at most 64 keys and 16000 characters'],
    [{ ...valid, regions: [] }, '"regions"'],
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

describe('an RPC of the fleet', () => {
  it.each<[string, object, object]>([
    ['fleet_list', {}, { instances: [{ id: 's1' }], cursor: '' }],
    ['fleet_list', { query: '*', limit: 1000, order: ['-open_seats', 'create_time'] }, { instances: [{}], cursor: '' }],
    ['fleet_join', { id: 's1', user_ids: [B] }, { session_info: [{ user_id: B, session_id: 's1' }] }],
    ['fleet_join', { id: 's1', user_ids: [B], partial: true }, { instance_info: { player_count: 2 } }],
    ['fleet_join', { id: 's1', user_ids: [B], notify: false }, { matches: [{ user_id: B, session_id: 's1' }] }],
    ['fleet_find_or_create', { user_ids: [B], regions: ['eu'] }, { session_id: 's1', created: false, matches: [{}] }],
    ['fleet_find_or_create', { user_ids: [B], query: '-id:s1' }, { created: true }],
    ['fleet_leave', { id: 's1', user_ids: [A] }, { instance_info: { player_count: 0 } }],
    ['fleet_update', { id: 's1', player_count: 3 }, { instance_info: { player_count: 3 } }],
    ['fleet_update', { id: 's1', playerCount: 0, metadata: { a: 1 } }, { instance_info: { metadata: { a: 1 } } }],
    ['fleet_delete', { id: 's1' }, {}],
    ['update_instance_info', { id: 's1', playerCount: 2 }, {}],
    ['delete_instance_info', { id: 's1' }, {}],
    ['gameye_server_join', { id: 's1', user_ids: [B] }, { player_count: 2 }],
    ['gameye_server_leave', { id: 's1', user_ids: [A] }, { player_count: 0 }],
  ])('%s takes %j', (id, payload, expected) => {
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
    ['fleet_join', { id: 's1', user_ids: [B], notify: 'no' }, 3],
    ['fleet_find_or_create', {}, 3],
    ['fleet_find_or_create', { user_ids: [] }, 3],
    ['fleet_find_or_create', { user_ids: [B], query: 7 }, 3],
    ['fleet_find_or_create', { user_ids: [B], query: 'duel' }, 3],
    ['fleet_find_or_create', { user_ids: [A, B], max_players: 1 }, 3],
    ['fleet_find_or_create', { user_ids: [B], notify: 1 }, 3],
    ['fleet_find_or_create', { user_ids: [B], request_id: '' }, 3],
    ['fleet_find_or_create', { user_ids: [B], empty_timeout: 9 }, 3],
    ['fleet_create', { max_players: 1, request_id: 'a b' }, 3],
    ['fleet_create', { max_players: 1, request_id: 'x'.repeat(201) }, 3],
    ['fleet_create', { max_players: 1, backfill: 'no' }, 3],
    ['fleet_create', { max_players: 1, empty_timeout: 0 }, 3],
    ['fleet_create', { max_players: 1, empty_timeout: 1.5 }, 3],
    ['fleet_create', { max_players: 1, empty_timeout: 86_401 }, 3],
    ['fleet_create', { max_players: 1, user_ids: [A], empty_timeout: 60 }, 3],
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
