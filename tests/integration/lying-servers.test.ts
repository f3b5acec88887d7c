import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { callRpc } from '../../dev/stack/rpc.ts';
import { until } from '../../dev/stack/until.ts';
import type { Health } from '../../src/operations/health.ts';
import { Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { ask } from './support/operators.ts';
import {
  allocationsSettled,
  containerEnv,
  endSessions,
  instanceRows,
  quietStack,
  requestsOf,
} from './support/world.ts';

forEachRuntime('long', (runtime) => {
  const stack = useStack(
    runtime,
    quietStack(['home'], {
      GAMEYE_SEAT_TIMEOUT: '4s',
      GAMEYE_EMPTY_GRACE: '1s',
      GAMEYE_RECONCILE_INTERVAL: '1s',
    }),
  );

  const players = (count: number): Promise<Player[]> =>
    Promise.all(Array.from({ length: count }, () => Player.authenticate(stack().nakama)));
  const start = async (maxPlayers: number, userIds: string[] = []): Promise<string> => {
    const request = { max_players: maxPlayers, user_ids: userIds };
    const { payload } = await stack().nakama.rpc('fleet_create', request);
    const { session_id: id } = payload as { session_id: string };
    await until(async () => (await instanceRows(stack(), [id])).length === 1, 10_000, 'the record', 50);
    await allocationsSettled(stack());
    return id;
  };
  const instance = async (id: string): Promise<Record<string, unknown> | undefined> =>
    (await instanceRows(stack(), [id]))[0]?.value;
  /** Calls with what the container of a session has. */
  const callAs = async (sessionId: string, rpc: string, payload: object) => {
    const { NAKAMA_URL: url = '', NAKAMA_SERVER_TOKEN: token = '' } = await containerEnv(stack(), sessionId);
    return callRpc(url, rpc, payload, { token });
  };
  const playersAtGameye = (id: string): string[] => [...(stack().simulator.ledger.get(id)?.players ?? [])].sort();

  it('game servers that never report are not stopped when all reservations ran out, and the health says that none reports', async () => {
    const [ann] = await players(1);
    const id = await start(2, [ann!.userId]);
    const lapsed = async () => (await instance(id))?.['player_count'] === 0;
    await until(lapsed, 15_000, 'the end of the reservation');
    const lists = requestsOf(stack(), 'session-list').length;
    await until(() => requestsOf(stack(), 'session-list').length >= lists + 4, 20_000, 'four comparisons');
    expect(stack().simulator.ledger.get(id)?.endedAtMs).toBeUndefined();
    const { checks } = await ask<Health>(stack().nakama, 'gameye_health');
    expect(checks.find(({ check }) => check === 'reports')).toMatchObject({ ok: 'unknown' });
    // One word, and it is known that nobody came.
    expect(await callAs(id, 'gameye_server_ready', {})).toMatchObject({ status: 200 });
    await until(() => stack().simulator.ledger.get(id)?.endedAtMs !== undefined, 20_000, 'the end of the session');
    const { checks: after } = await ask<Health>(stack().nakama, 'gameye_health');
    expect(after.find(({ check }) => check === 'reports')).toEqual({ check: 'reports', ok: true });
  }, 90_000);

  it('game servers seat no late player when another has the seat: the seat token ran out with the reservation', async () => {
    const [ann, ben, cid] = (await players(3)) as [Player, Player, Player];
    const id = await start(2, [ann.userId, ben.userId]);
    const before = Date.now();
    const { payload } = await ben.rpc('gameye_assignment', {});
    expect((payload as { exp: number }).exp).toBeLessThanOrEqual(Math.ceil((before + 6000) / 1000));
    expect(await callAs(id, 'gameye_server_join', { user_ids: [ann.userId] })).toMatchObject({ status: 200 });
    await until(async () => (await instance(id))?.['player_count'] === 1, 15_000, 'the end of the reservation');
    expect(await stack().nakama.rpc('fleet_join', { id, user_ids: [cid.userId] })).toMatchObject({ status: 200 });
    expect(await callAs(id, 'gameye_server_join', { user_ids: [cid.userId, ben.userId] })).toEqual({
      status: 200,
      payload: { player_count: 2, refused: [ben.userId] },
    });
    await endSessions(stack(), [id]);
  }, 60_000);

  it('game servers that name another session’s players move, count and unregister none of them', async () => {
    const [ann, ben, cid, dora] = (await players(4)).map(({ userId }) => userId) as [string, string, string, string];
    const [mine, theirs] = [await start(8, [ann, ben]), await start(2, [cid, dora])];
    expect(await callAs(theirs, 'gameye_server_join', { user_ids: [cid, dora] })).toMatchObject({ status: 200 });
    expect(await callAs(mine, 'gameye_server_join', { user_ids: [cid, ann, dora, ben] })).toEqual({
      status: 200,
      payload: { player_count: 2, refused: [cid, dora] },
    });
    expect(await callAs(mine, 'gameye_server_leave', { user_ids: [cid, dora] })).toEqual({
      status: 200,
      payload: { player_count: 2 },
    });
    expect(await instance(theirs)).toMatchObject({ player_count: 2, joined: 2 });
    expect(playersAtGameye(theirs)).toEqual([cid, dora].sort());
    await endSessions(stack(), [mine, theirs]);
  }, 60_000);

  it('game servers that report too much are refused, and nothing of it is stored', async () => {
    const id = await start(4);
    await callAs(id, 'update_instance_info', { player_count: 1 });
    const before = await instance(id);
    const many = Array.from({ length: 1000 }, () => randomUUID());
    const huge = Object.fromEntries(many.map((key) => [key, 'x']));
    for (const [rpc, payload] of [
      ['gameye_server_join', { user_ids: many }],
      ['update_instance_info', { player_count: 1000 }],
      ['update_instance_info', { player_count: 2, metadata: huge }],
      ['update_instance_info', { metadata: { map: 'x'.repeat(20_000) } }],
    ] as const) {
      expect(await callAs(id, rpc, payload), rpc).toMatchObject({ status: 400, code: 3 });
    }
    expect(await instance(id)).toEqual(before);
    let added = 0;
    const grows = async (): Promise<boolean> =>
      (await callAs(id, 'update_instance_info', { metadata: { [`key${added++}`]: added } })).status === 200;
    while (added < 100 && (await grows()));
    expect(added).toBe(65);
    expect(Object.keys((await instance(id))?.['metadata'] as object)).toHaveLength(64);
    await endSessions(stack(), [id]);
  }, 60_000);

  it('game servers replace nothing by their metadata that the module tells players', async () => {
    const [ann] = (await players(1)) as [Player];
    const id = await start(2, [ann.userId]);
    await callAs(id, 'gameye_server_join', { user_ids: [ann.userId] });
    const before = (await ann.rpc('gameye_assignment', {})).payload as Record<string, unknown>;
    const ours = ['state', 'host', 'port', 'session_id', 'seat_token', 'exp', 'ports'];
    const metadata = { ...Object.fromEntries(ours.map((field) => [field, 'evil'])), map: 'ice' };
    expect(await callAs(id, 'update_instance_info', { metadata })).toMatchObject({ status: 200 });
    const { seat_token: _token, exp: _exp, ...rest } = before;
    const after = (await ann.rpc('gameye_assignment', {})).payload;
    expect(after).toMatchObject({ ...rest, map: 'ice' });
    expect(JSON.stringify(after)).not.toContain('evil');
    await endSessions(stack(), [id]);
  }, 60_000);
});
