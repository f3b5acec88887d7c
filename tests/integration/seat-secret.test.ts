import { expect, it } from 'vitest';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { callRpc } from '../../dev/stack/rpc.ts';
import { until } from '../../dev/stack/until.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { SEAT_SECRET, useStack } from '../helpers/stack.ts';
import { allocationsSettled, containerEnv, endSessions, quietStack } from './support/world.ts';

const NEXT_SECRET = SEAT_SECRET.split('').reverse().join('');

forEachRuntime('long', (runtime) => {
  const stack = useStack(runtime, quietStack(['home']));

  const startedBy = async (nakama: Nakama): Promise<string> => {
    const { payload } = await nakama.rpc('fleet_create', { max_players: 2 });
    const { session_id: id } = payload as { session_id: string };
    await until(() => stack().simulator.ledger.get(id)?.runningAtMs, 10_000, 'the session');
    await allocationsSettled(stack());
    return id;
  };
  /** What a node answers to the game server of a session, which has what its container was started with. */
  const reportTo = async (nakama: Nakama, sessionId: string) => {
    const { NAKAMA_SERVER_TOKEN: token = '' } = await containerEnv(stack(), sessionId);
    return callRpc(nakama.url, 'update_instance_info', { player_count: 1 }, { token });
  };

  it('a game server goes on reporting after a change of the seat secret, as long as the old one is given as well', async () => {
    const changed = (nakama: Nakama) => nakama.logs.filter(({ msg }) => msg.includes('the seat secret has changed'));
    const id = await startedBy(stack().nakama);
    expect(await reportTo(stack().nakama, id)).toMatchObject({ status: 200 });
    const both = await stack().startNode({
      env: { GAMEYE_SEAT_SECRET: NEXT_SECRET, GAMEYE_SEAT_SECRET_PREVIOUS: SEAT_SECRET },
    });
    expect(await reportTo(both, id)).toMatchObject({ status: 200 });
    const one = await stack().startNode({ env: { GAMEYE_SEAT_SECRET: NEXT_SECRET } });
    expect(await reportTo(one, id)).toMatchObject({ status: 403, code: 7 });
    // What was started after the change needs the new one only.
    const next = await startedBy(both);
    expect(await reportTo(one, next)).toMatchObject({ status: 200 });
    expect([stack().nakama, both, one].flatMap(changed)).toEqual([]);
    const back = await stack().startNode();
    expect(changed(back)).toMatchObject([{ level: 'warn', advice: expect.stringContaining('_PREVIOUS') }]);
    await endSessions(stack(), [id, next]);
    await Promise.all([both.stop(), one.stop(), back.stop()]);
  }, 60_000);

  it('without a seat secret a container has one all the same, and its reports are believed', async () => {
    const nakama = await stack().startNode({ env: { GAMEYE_SEAT_SECRET: '' } });
    const id = await startedBy(nakama);
    expect((await containerEnv(stack(), id))['SEAT_SECRET']).toMatch(/^[0-9a-f]{64}$/i);
    expect(await reportTo(nakama, id)).toMatchObject({ status: 200 });
    await endSessions(stack(), [id]);
    await nakama.stop();
  }, 60_000);
});
