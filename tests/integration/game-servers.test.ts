import { beforeAll, expect, it } from 'vitest';
import { callRpc } from '../../dev/stack/rpc.ts';
import { until } from '../../dev/stack/until.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { Player } from '../helpers/players.ts';
import { useStack } from '../helpers/stack.ts';
import { allocationRows, containerEnv, endSessions, instanceRows, quietStack } from './support/world.ts';

forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(['home']));
  let ann = '';
  let ben = '';
  let mine = '';
  let other = '';

  const start = async (...userIds: string[]): Promise<string> => {
    const { payload } = await stack().nakama.rpc('fleet_create', { max_players: 4, user_ids: userIds });
    const { session_id: id } = payload as { session_id: string };
    // Players hear of a session when its allocation says that it has started; before, nobody can come.
    const hasStarted = async (): Promise<boolean> => {
      const row = (await allocationRows(stack())).find(({ key }) => key === id);
      return row === undefined || row.value.state === 'started';
    };
    await until(hasStarted, 10_000, 'the session');
    return id;
  };

  beforeAll(async () => {
    const players = await Promise.all([1, 2, 3].map(() => Player.authenticate(stack().nakama)));
    const [first = '', second = '', stranger = ''] = players.map(({ userId }) => userId);
    [ann, ben] = [first, second];
    // Other players: who starts another session gives up the seat in the one before.
    [mine, other] = await Promise.all([start(ann, ben), start(stranger)]);
  });

  /** Calls as the program in the container of a session does: with what it has in its environment. */
  const callAs = async (sessionId: string, rpc: string, payload: object) => {
    const { NAKAMA_URL: url = '', NAKAMA_SERVER_TOKEN: token = '' } = await containerEnv(stack(), sessionId);
    return callRpc(url, rpc, payload, { token });
  };
  const instance = async (id: string) => (await instanceRows(stack(), [id]))[0]?.value;

  it('game servers report the players who have arrived, with the credential of their session', async () => {
    // Nobody waited for the record: the server may be faster than it.
    expect(await callAs(mine, 'gameye_server_join', { user_ids: [ann] })).toEqual({
      status: 200,
      payload: { player_count: 2 },
    });
    expect(await instance(mine)).toMatchObject({
      player_count: 2,
      seats: { [ann]: { state: 'joined' }, [ben]: { state: 'reserved' } },
    });
    expect(await callAs(mine, 'gameye_server_join', { id: mine, user_ids: [ann, ben] })).toMatchObject({ status: 200 });
    expect(await callAs(mine, 'gameye_server_leave', { user_ids: [ben] })).toEqual({
      status: 200,
      payload: { player_count: 1 },
    });
    expect((await instance(mine))?.['seats']).toEqual({ [ann]: { state: 'joined' } });
  });

  it('game servers report the number of their players and metadata', async () => {
    expect(await callAs(mine, 'update_instance_info', { playerCount: 3, metadata: { map: 'ice' } })).toEqual({
      status: 200,
      payload: {},
    });
    expect(await instance(mine)).toMatchObject({ player_count: 3, open_seats: 1, metadata: { map: 'ice' } });
  });

  it('game servers may report about no session but their own, and call no other RPC', async () => {
    const before = await until(() => instance(other), 5_000, 'the record of the other session');
    const calls: [string, object][] = [
      ['update_instance_info', { id: other, player_count: 4 }],
      ['gameye_server_join', { id: other, user_ids: [ann] }],
      ['gameye_server_leave', { id: other, user_ids: [ann] }],
      ['delete_instance_info', { id: other }],
      ['fleet_get', { id: mine }],
      ['fleet_delete', { id: mine }],
    ];
    for (const [rpc, payload] of calls) {
      expect(await callAs(mine, rpc, payload), rpc).toMatchObject({ status: 403, code: 7 });
    }
    expect(await instance(other)).toEqual(before);
    expect(stack().simulator.ledger.get(other)?.stopRequestedAtMs).toBeUndefined();
  });

  it('nobody passes for a game server by saying so in session variables', async () => {
    const { nakama } = stack();
    const forger = await Player.authenticate(nakama, { vars: { gameye_session_id: mine }, username: 'gameye-server' });
    const answer = await forger.rpc('update_instance_info', { id: mine, player_count: 0 });
    expect(answer).toMatchObject({ status: 403, code: 7 });
    expect(await instance(mine)).toMatchObject({ player_count: 3 });
  });

  it('game servers report their end, and their session is stopped and its record removed', async () => {
    expect(await callAs(mine, 'delete_instance_info', {})).toEqual({ status: 200, payload: {} });
    await until(() => stack().simulator.ledger.get(mine)?.ended === 'stop', 5_000, 'the end of the session');
    expect(await instance(mine)).toBeUndefined();
    expect(await callAs(mine, 'gameye_server_join', { user_ids: [ann] })).toMatchObject({ status: 404, code: 5 });
    expect(await instance(mine)).toBeUndefined();
  });

  it('other servers report for game servers when they name the session', async () => {
    const { nakama } = stack();
    expect(await nakama.rpc('update_instance_info', { id: other, player_count: 2 })).toEqual({
      status: 200,
      payload: {},
    });
    expect(await nakama.rpc('gameye_server_join', { id: other, user_ids: [ann] })).toMatchObject({ status: 200 });
    await endSessions(stack(), [other]);
  });
});
