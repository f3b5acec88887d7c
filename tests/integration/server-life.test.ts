import { expect, it } from 'vitest';
import { callRpc } from '../../dev/stack/rpc.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers, matchTogether, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { toldOneSession } from './support/matches.ts';
import { containerEnv, endSessions, instanceRows, quietStack } from './support/world.ts';

/* What game servers say, and do not say, between the address and the end; by the program in the container. */
forEachRuntime('long', (runtime) => {
  const env = {
    GAMEYE_SERVER_TIMEOUT: '8s',
    GAMEYE_RECONNECT: '5s',
    GAMEYE_BACKFILL: 'on',
    GAMEYE_MAX_PLAYERS: '3',
    GAMEYE_SEAT_TIMEOUT: '10m',
    GAMEYE_EMPTY_GRACE: '10m',
    GAMEYE_RECONCILE_INTERVAL: '1h',
  };
  const stack = useStack(runtime, quietStack(['back', 'ban', 'hang', 'live', 'kept'], env));

  /** Players of one match, and how the program in their container speaks. */
  const play = async (count: number, region: string) => {
    const players = await connectPlayers(stack().nakama, count);
    await matchTogether(players, { strings: { gameye_region: region } });
    const { sessionId } = await toldOneSession(stack(), players);
    const { NAKAMA_URL: url = '', NAKAMA_SERVER_TOKEN: token = '' } = await containerEnv(stack(), sessionId);
    const says = (rpc: string, payload: object = {}) => callRpc(url, rpc, payload, { token });
    return { players, ids: players.map(({ userId }) => userId), sessionId, says };
  };
  const stands = async (player: Player) => (await player.rpc('gameye_assignment')).payload as Record<string, unknown>;
  const instance = async (id: string) => (await instanceRows(stack(), [id]))[0]?.value;

  it('a player who lost the connection comes back to the seat, which nobody else gets meanwhile', async () => {
    const { players, ids, sessionId, says } = await play(3, 'back');
    const [ann] = players as [Player];
    await says('gameye_server_join', { user_ids: ids });
    expect(await says('gameye_server_leave', { user_ids: [ann.userId], hold: true })).toMatchObject({
      payload: { player_count: 3 },
    });
    const again = await stands(ann);
    expect(again).toMatchObject({ state: 'ready', session_id: sessionId, seat_token: expect.stringMatching(/^v1\./) });
    const join = { id: sessionId, user_ids: ['5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6'] };
    expect(await stack().nakama.rpc('fleet_join', join)).toMatchObject({ code: 8 });
    expect(await says('gameye_server_join', { user_ids: [ann.userId] })).toMatchObject({
      payload: { player_count: 3 },
    });

    // Who does not come back loses the seat to others.
    await says('gameye_server_leave', { user_ids: [ann.userId], hold: true });
    const isFree = async () => {
      await says('gameye_server_heartbeat');
      return (await instance(sessionId))?.['open_seats'] === 1;
    };
    await until(isFree, 20_000, 'the end of the time', 200);
    await endSessions(stack(), [sessionId]);
    closeAll(players);
  });

  it('a banned player gets no seat in that session any more', async () => {
    const { players, sessionId, says } = await play(2, 'ban');
    const [ann, ben] = players as [Player, Player];
    await says('gameye_server_join', { user_ids: [ann.userId, ben.userId] });
    const ban = { user_ids: [ann.userId], ban: true };
    expect(await says('gameye_server_kick', ban)).toMatchObject({ payload: { player_count: 1 } });
    expect(await stands(ann)).toEqual({ state: 'none' });
    expect(await says('gameye_server_join', { user_ids: [ann.userId] })).toMatchObject({
      payload: { player_count: 1, refused: [ann.userId] },
    });
    const join = { id: sessionId, user_ids: [ann.userId] };
    expect(await stack().nakama.rpc('fleet_join', join)).toMatchObject({ status: 403, code: 7 });
    await endSessions(stack(), [sessionId]);
    closeAll(players);
  });

  it('a game server that hangs gets no players, its session is stopped, and its players hear of it', async () => {
    const { players, ids, sessionId, says } = await play(2, 'hang');
    await says('gameye_server_join', { user_ids: ids });
    expect(await says('gameye_server_heartbeat')).toEqual({ status: 200, payload: {} });
    const told = () => players.every(({ answers }) => answers.some((answer) => answer.kind === 'failed'));
    await until(told, 30_000, 'what the players hear');
    for (const { answers } of players) expect(answers.at(-1)).toMatchObject({ kind: 'failed', reason: 'unavailable' });
    await until(() => stack().simulator.ledger.get(sessionId)?.ended === 'stop', 10_000, 'the end of the session');
    await until(async () => (await instance(sessionId)) === undefined, 5_000, 'the end of the record');
    expect(await stands(players[0]!)).toEqual({ state: 'failed', reason: 'unavailable' });
    expect(await says('gameye_server_heartbeat')).toMatchObject({ status: 404, code: 5 });
    expect(await says('gameye_server_result', { result: {} })).toMatchObject({ status: 404, code: 5 });
    closeAll(players);
  });

  it('a game server that goes on reporting is not stopped', async () => {
    const { players, ids, sessionId, says } = await play(2, 'live');
    await says('gameye_server_join', { user_ids: ids });
    const until_ms = Date.now() + 20_000;
    const beat = async () => {
      expect(await says('gameye_server_heartbeat')).toMatchObject({ status: 200 });
      return Date.now() > until_ms;
    };
    await until(beat, 30_000, 'longer than twice the time-out', 500);
    expect(await instance(sessionId)).toMatchObject({ status: 'running', player_count: 2 });
    expect(await says('delete_instance_info')).toEqual({ status: 200, payload: {} });
    expect(await stands(players[0]!)).toEqual({ state: 'none' });
    closeAll(players);
  });

  it('results are kept for whoever fetches them, once a round', async () => {
    const { players, ids, sessionId, says } = await play(2, 'kept');
    await says('gameye_server_join', { user_ids: ids });
    const result = { winner: ids[0], text: '😀 "quoted" \\ 1e3' };
    expect(await says('gameye_server_result', { result, round: 'a/b' })).toMatchObject({
      payload: { id: `${sessionId}/a/b`, stored: true },
    });
    expect(await says('gameye_server_result', { result: {}, round: 'a/b' })).toMatchObject({ status: 409, code: 10 });
    const tooLarge = { result: { text: 'x'.repeat(16_000) } };
    expect(await says('gameye_server_result', tooLarge)).toMatchObject({ status: 400, code: 3 });
    expect(await says('gameye_server_result', { id: 'another', result })).toMatchObject({ status: 403, code: 7 });
    expect(await says('delete_instance_info')).toMatchObject({ status: 200 });
    expect(await says('gameye_server_result', { result, round: 'late' })).toMatchObject({ status: 404, code: 5 });
    const fetched = async (more: object = {}) =>
      (await stack().nakama.rpc('gameye_results', { session_id: sessionId, ...more })).payload as {
        results: { user_ids: string[] }[];
      };
    const { results } = await fetched();
    expect(results).toMatchObject([{ id: `${sessionId}/a/b`, round: 'a/b', result, instance: { id: sessionId } }]);
    expect(new Set(results[0]?.user_ids)).toEqual(new Set(ids));
    expect(await fetched({ forget: [`${sessionId}/a/b`] })).toEqual({ results: [], cursor: '' });
    closeAll(players);
  });
});
