import { beforeAll, expect, it } from 'vitest';
import { query } from '../../dev/stack/database.ts';
import { callRpc } from '../../dev/stack/rpc.ts';
import { until } from '../../dev/stack/until.ts';
import { buildOwnModule, ownModule } from '../helpers/own-module.ts';
import { closeAll, connectPlayers, matchTogether } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { toldOneSession } from '../integration/support/matches.ts';
import { containerEnv, endSessions, quietStack, tableOf } from '../integration/support/world.ts';
import { Freezer } from './support/freezer.ts';

beforeAll(() => buildOwnModule(), 240_000);

forEachRuntime('long', (runtime) => {
  const stack = useStack(runtime, { ...quietStack(['eu-central-1']), modulePath: ownModule });

  it('another node calls onResult again when a node dies in it, and the winner is rewarded once', async () => {
    const players = await connectPlayers(stack().nakama, 2);
    await matchTogether(players, { strings: { mode: 'duel' } });
    const { sessionId } = await toldOneSession(stack(), players);
    const { NAKAMA_URL: url = '', NAKAMA_SERVER_TOKEN: token = '' } = await containerEnv(stack(), sessionId);
    const [winner] = players.map(({ userId }) => userId);
    await callRpc(url, 'gameye_server_join', { user_ids: players.map(({ userId }) => userId) }, { token });

    const rewards = await Freezer.open(stack(), 'the reward');
    await rewards.rewards();
    const result = { winner, score: 3 };
    expect(await callRpc(url, 'gameye_server_result', { result }, { token })).toMatchObject({ status: 200 });
    await rewards.untilSomebodyWaits();
    await stack().nakama.kill();
    closeAll(players);
    await rewards.thawForOthers();
    const next = await stack().startNode({ name: 'next' });

    // The minute is over that the first call had.
    const results = tableOf(stack(), 'gameye_result');
    const row = async () =>
      (await query(stack().database, `SELECT id, callback, attempts FROM ${results} WHERE kind = 'result'`))[0];
    expect(await row()).toEqual({ id: sessionId, callback: 'waiting', attempts: 1 });
    await query(stack().database, `UPDATE ${results} SET due = now() WHERE id = $1`, [sessionId]);
    const isDone = async () => ((await row()) as { callback: string }).callback === 'done';
    await until(isDone, 30_000, 'the second call');
    expect(await row()).toEqual({ id: sessionId, callback: 'done', attempts: 2 });
    const rewarded = tableOf(stack(), 'duel_reward');
    expect(await query(stack().database, `SELECT id, user_id, coins FROM ${rewarded}`)).toEqual([
      { id: sessionId, user_id: winner, coins: 10 },
    ]);
    await endSessions({ ...stack(), nakama: next }, [sessionId]);
  }, 180_000);
});
