import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { allocationRows, instanceRows, quietStack, requestsOf } from './support/world.ts';

const FLEET_RPCS = ['create', 'get', 'list', 'join', 'leave', 'update', 'delete'].map((verb) => `fleet_${verb}`);
const SERVER_RPCS = ['update_instance_info', 'delete_instance_info', 'gameye_server_join', 'gameye_server_leave'];
const USER = '6f0c1b9e-6e0f-4e38-a5a3-8a4f6a3e4f10';
const ID = '11111111-2222-4333-8444-555555555555';

/** An RPC, a payload that it refuses, and what the sentence must name. */
const INVALID: [string, unknown, string][] = [
  ...[...FLEET_RPCS, ...SERVER_RPCS].flatMap((rpc): [string, unknown, string][] => [
    [rpc, 'max_players=2', 'JSON'],
    [rpc, '"text"', 'object'],
    [rpc, [], 'object'],
    [rpc, { colour: 'red' }, '"colour"'],
  ]),
  ['fleet_create', {}, '"max_players"'],
  ['fleet_create', { max_players: '2' }, '"max_players"'],
  ['fleet_create', { max_players: 0 }, '"max_players"'],
  ['fleet_create', { max_players: 1.5 }, '"max_players"'],
  ['fleet_create', { max_players: 1, user_ids: [USER, randomUUID()] }, '"max_players"'],
  ['fleet_create', { max_players: 2, user_ids: 'me' }, '"user_ids"'],
  ['fleet_create', { max_players: 2, user_ids: ['me'] }, '"user_ids"'],
  ['fleet_create', { max_players: 2, latencies: [{ user_id: USER, region: 'home' }] }, '"latencies"'],
  ['fleet_create', { max_players: 2, latencies: { home: 20 } }, '"latencies"'],
  ['fleet_create', { max_players: 2, metadata: 'fun' }, '"metadata"'],
  ['fleet_create', { max_players: 2, metadata: { nakama_fleet: 'mine' } }, '"nakama_fleet"'],
  ['fleet_create', { max_players: 2, metadata: { env: 'A=1' } }, '"gameye.env"'],
  ['fleet_create', { max_players: 2, metadata: { 'gameye.env': { A: 1 } } }, '"gameye.env"'],
  ['fleet_create', { max_players: 2, metadata: { 'gameye.external_id': 7 } }, '"gameye.external_id"'],
  ['fleet_create', { max_players: 2, regions: [] }, '"regions"'],
  ['fleet_create', { max_players: 2, regions: ['home', 'home'] }, '"regions"'],
  ['fleet_create', { max_players: 2, regions: 'home' }, '"regions"'],
  ['fleet_get', {}, '"id"'],
  ['fleet_get', { id: 7 }, '"id"'],
  ['fleet_get', { id: '../other' }, '"id"'],
  ['fleet_list', { limit: 0 }, '"limit"'],
  ['fleet_list', { limit: 1001 }, '"limit"'],
  ['fleet_list', { limit: '10' }, '"limit"'],
  ['fleet_list', { query: ['home'] }, '"query"'],
  ['fleet_list', { cursor: 3 }, '"cursor"'],
  ['fleet_join', { user_ids: [USER] }, '"id"'],
  ['fleet_join', { id: ID }, '"user_ids"'],
  ['fleet_join', { id: ID, user_ids: [] }, '"user_ids"'],
  ['fleet_join', { id: ID, user_ids: [USER, null] }, '"user_ids"'],
  ['fleet_join', { id: ID, user_ids: [USER], notify: 'no' }, '"notify"'],
  ['fleet_find_or_create', {}, '"user_ids"'],
  ['fleet_find_or_create', { user_ids: [USER], query: '+nowhere:1' }, '"query"'],
  ['fleet_create', { max_players: 2, request_id: '' }, '"request_id"'],
  ['fleet_create', { max_players: 2, user_ids: [USER], empty_timeout: 9 }, '"empty_timeout"'],
  ['fleet_leave', { id: ID, user_ids: USER }, '"user_ids"'],
  ['fleet_update', { id: ID }, '"player_count"'],
  ['fleet_update', { id: ID, player_count: -1 }, '"player_count"'],
  ['fleet_update', { id: ID, playerCount: '3' }, '"playerCount"'],
  ['fleet_update', { id: ID, player_count: 1, playerCount: 1 }, '"playerCount"'],
  ['fleet_update', { id: ID, metadata: [1] }, '"metadata"'],
  ['fleet_delete', {}, '"id"'],
  ['update_instance_info', { player_count: 1 }, '"id"'],
  ['delete_instance_info', {}, '"id"'],
  ['gameye_server_join', { id: ID }, '"user_ids"'],
  ['gameye_server_leave', { id: ID, user_ids: [1] }, '"user_ids"'],
];

forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(['home']));

  it('every RPC answers a wrong payload with code 3 and a sentence that names the field', async () => {
    const answers = await Promise.all(INVALID.map(([rpc, payload]) => stack().nakama.rpc(rpc, payload)));
    const seen = answers.map(({ status, code, message = '' }, i) => {
      const [rpc, payload, name] = INVALID[i]!;
      return { rpc, payload, status, code, names: message.includes(name) ? name : message };
    });
    expect(seen).toEqual(INVALID.map(([rpc, payload, names]) => ({ rpc, payload, status: 400, code: 3, names })));
    for (const { message } of answers) expect(message).toMatch(/^["A-Zm].*\.$/);
  });

  it('fleet_list answers a query or a cursor that cannot be read with code 3', async () => {
    const { nakama } = stack();
    for (const [field, value] of Object.entries({ query: '+value.region:"home', cursor: 'bm90IGEgY3Vyc29y' })) {
      expect(await nakama.rpc('fleet_list', { [field]: value }), field).toMatchObject({
        status: 400,
        code: 3,
        message: expect.stringContaining(`"${field}"`),
      });
    }
  });

  it('RPCs answer code 5 for an unknown session, and deleting one is no error', async () => {
    const { nakama } = stack();
    const payloads: [string, object][] = [
      ['fleet_get', { id: ID }],
      ['fleet_join', { id: ID, user_ids: [USER] }],
      ['fleet_leave', { id: ID, user_ids: [USER] }],
      ['fleet_update', { id: ID, player_count: 1 }],
      ['update_instance_info', { id: ID, player_count: 1 }],
      ['gameye_server_join', { id: ID, user_ids: [USER] }],
      ['gameye_server_leave', { id: ID, user_ids: [USER] }],
    ];
    for (const [rpc, payload] of payloads) {
      expect(await nakama.rpc(rpc, payload), rpc).toMatchObject({
        status: 404,
        code: 5,
        message: expect.stringContaining(ID),
      });
    }
    for (const rpc of ['fleet_delete', 'delete_instance_info']) {
      expect(await nakama.rpc(rpc, { id: ID }), rpc).toEqual({ status: 200, payload: {} });
    }
  });

  describe('a player', () => {
    it('may call nothing that is for servers, whatever their token claims', async () => {
      const { nakama } = stack();
      // Players choose their own session variables.
      const player = await Player.authenticate(nakama, { vars: { gameye_session_id: ID } });
      for (const rpc of [...FLEET_RPCS, ...SERVER_RPCS]) {
        const answer = await player.rpc(rpc, { id: ID, user_ids: [player.userId], player_count: 1, max_players: 2 });
        expect(answer, rpc).toMatchObject({ status: 403, code: 7, message: expect.stringMatching(/^Only /) });
      }
    });
  });

  it('a refused RPC changes and starts nothing', async () => {
    expect(requestsOf(stack(), 'session-run')).toEqual([]);
    expect(requestsOf(stack(), 'session-stop')).toEqual([]);
    expect(await allocationRows(stack())).toEqual([]);
    expect(await instanceRows(stack())).toEqual([]);
  });
});
