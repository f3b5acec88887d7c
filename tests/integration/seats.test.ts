import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { endSessions, instanceRows, quietStack } from './support/world.ts';

const users = (count: number): string[] => Array.from({ length: count }, () => randomUUID());

forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(['home']));

  /** A session that runs, with room for so many. */
  const start = async (maxPlayers: number): Promise<string> => {
    const { payload } = await stack().nakama.rpc('fleet_create', { max_players: maxPlayers });
    const { session_id: id } = payload as { session_id: string };
    await until(async () => (await instanceRows(stack(), [id])).length === 1, 10_000, 'the instance', 50);
    return id;
  };
  const playersAtGameye = (id: string) => [...(stack().simulator.ledger.get(id)?.players ?? [])].sort();

  it('fleet_join gives seats to all who join, or to none of them', async () => {
    const { nakama } = stack();
    const id = await start(3);
    const [a, b, c, d] = users(4) as [string, string, string, string];
    expect(await nakama.rpc('fleet_join', { id, user_ids: [a, b] })).toMatchObject({
      status: 200,
      payload: {
        instance_info: { id, player_count: 2, open_seats: 1 },
        session_info: [
          { user_id: a, session_id: id },
          { user_id: b, session_id: id },
        ],
      },
    });
    expect(playersAtGameye(id)).toEqual([a, b].sort());
    const refused = await nakama.rpc('fleet_join', { id, user_ids: [c, d] });
    expect(refused).toMatchObject({ status: 429, code: 8, message: expect.stringContaining('full') });
    expect(await nakama.rpc('fleet_get', { id })).toMatchObject({ payload: { player_count: 2, open_seats: 1 } });
    expect(playersAtGameye(id)).toEqual([a, b].sort());
    // Who has a seat keeps it and takes no second one.
    expect(await nakama.rpc('fleet_join', { id, user_ids: [a, c] })).toMatchObject({
      payload: { instance_info: { player_count: 3, open_seats: 0 } },
    });
    expect(await nakama.rpc('fleet_join', { id, user_ids: [a, b, c] })).toMatchObject({ status: 200 });
    expect(await nakama.rpc('fleet_join', { id, user_ids: [d] })).toMatchObject({ code: 8 });
    await endSessions(stack(), [id]);
  });

  it('fleet_join gives no seat twice when many join at once', async () => {
    const { nakama } = stack();
    const id = await start(5);
    const answers = await Promise.all(
      users(12).map(async (user) => ({ user, ...(await nakama.rpc('fleet_join', { id, user_ids: [user] })) })),
    );
    const seated = answers.filter(({ status }) => status === 200).map(({ user }) => user);
    expect(seated).toHaveLength(5);
    expect(answers.filter(({ code }) => code === 8)).toHaveLength(7);
    const [row] = await instanceRows(stack(), [id]);
    expect(row?.value).toMatchObject({ player_count: 5, open_seats: 0 });
    expect(Object.keys(row?.value['seats'] as object).sort()).toEqual([...seated].sort());
    await endSessions(stack(), [id]);
  });

  it('fleet_leave frees the seats of those who leave, once', async () => {
    const { nakama } = stack();
    const id = await start(2);
    const [a, b, c] = users(3) as [string, string, string];
    await nakama.rpc('fleet_join', { id, user_ids: [a, b] });
    expect(await nakama.rpc('fleet_leave', { id, user_ids: [a, c] })).toMatchObject({
      status: 200,
      payload: { instance_info: { player_count: 1, open_seats: 1 } },
    });
    expect(playersAtGameye(id)).toEqual([b]);
    expect(await nakama.rpc('fleet_leave', { id, user_ids: [a] })).toMatchObject({
      payload: { instance_info: { player_count: 1 } },
    });
    expect(await nakama.rpc('fleet_join', { id, user_ids: [c] })).toMatchObject({ status: 200 });
    expect(playersAtGameye(id)).toEqual([b, c].sort());
    await endSessions(stack(), [id]);
  });

  it('fleet_update stores the player count that it is told, and merges metadata', async () => {
    const { nakama } = stack();
    const id = await start(10);
    expect(
      await nakama.rpc('fleet_update', { id, player_count: 7, metadata: { map: 'dust', round: 1 } }),
    ).toMatchObject({
      payload: { instance_info: { player_count: 7, open_seats: 3, metadata: { map: 'dust', round: 1 } } },
    });
    expect(await nakama.rpc('fleet_update', { id, metadata: { round: 2 } })).toMatchObject({
      payload: { instance_info: { player_count: 7, metadata: { map: 'dust', round: 2 } } },
    });
    expect(await nakama.rpc('fleet_join', { id, user_ids: users(4) })).toMatchObject({ code: 8 });
    expect(await nakama.rpc('fleet_join', { id, user_ids: users(3) })).toMatchObject({ status: 200 });
    expect(await nakama.rpc('fleet_update', { id, playerCount: 0 })).toMatchObject({
      payload: { instance_info: { player_count: 3 } },
    });
    await endSessions(stack(), [id]);
  });
});
