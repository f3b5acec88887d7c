import { expect, it, vi } from 'vitest';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers, matchTogether, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { allocationRows, allocationsSettled, endSessions, quietStack } from '../integration/support/world.ts';
import { Freezer } from './support/freezer.ts';
import { Scene } from './support/scene.ts';

vi.setConfig({ testTimeout: 120_000 });

/** Never waited for: a node ends as soon as it has nothing to finish. */
const GRACE_SEC = 60;
/** An answer that does not come before its node has ended. */
const NEVER_MS = 120_000;
/** A lease, a pass of the supervisor, and what a busy machine adds. */
const TAKEN_OVER_MS = 60_000;

forEachRuntime('long', (runtime) => {
  const stack = useStack(
    runtime,
    quietStack(['home', 'busy', 'pending', 'full'], { GAMEYE_RECONCILE_INTERVAL: '1h', GAMEYE_SEAT_TIMEOUT: '10m' }),
  );

  /** The one session that these players were told of, once each, as they find it at this node. */
  async function toldOnce(players: Player[], node: Nakama): Promise<string> {
    await allocationsSettled(stack(), players, TAKEN_OVER_MS);
    const ids = players.map(({ userId }) => userId);
    const started = stack().simulator.ledger.entries.filter((one) => ids.some((id) => one.matchUserIds.includes(id)));
    expect(started).toHaveLength(1);
    const id = started[0]?.id ?? '';
    for (const player of players) {
      await player.openSocket(node);
      expect(await player.listAnswers()).toMatchObject([{ kind: 'match', sessionId: id }]);
    }
    closeAll(players);
    return id;
  }

  it('a node that shuts down with grace finishes what it began and leaves new matches to the others', async () => {
    const staying = stack().nakama;
    const leaving = await stack().startNode({ name: 'leaving', shutdownGraceSec: GRACE_SEC });
    const begun = await Scene.enter(stack(), leaving, 'busy');
    const players = await connectPlayers(leaving, 2);
    const held = await Freezer.open(stack(), 'a node that shuts down');
    let requested: string;
    let stopped: Promise<void>;
    try {
      // What it began cannot end before the test lets it: nobody can be told.
      await held.notifications();
      await begun.create();
      await held.untilSomebodyWaits();
      stopped = leaving.stop();
      await leaving.waitForLog('Shutdown started', 10_000);
      await matchTogether(players);
      await leaving.waitForLog('left to the other nodes', 20_000);
      const asked = await leaving.rpc('fleet_create', { max_players: 1, regions: ['home'] });
      expect(asked).toMatchObject({ status: 200 });
      requested = (asked.payload as { session_id: string }).session_id;
      const isStored = async () => (await allocationRows(stack(), players)).length === 1;
      await until(isStored, 20_000, 'the match to be stored for the others');
      expect(leaving.isRunning()).toBe(true);
    } finally {
      await held.thaw();
    }
    await stopped;
    // Before any lease ran out: by the node itself.
    expect(await begun.progress()).toBeUndefined();
    const finished = await toldOnce([begun.player], staying);
    const made = await toldOnce(players, staying);
    const runs = async () =>
      ((await staying.rpc('fleet_get', { id: requested })).payload as { status?: string })?.status;
    await until(async () => (await runs()) === 'running', TAKEN_OVER_MS, 'the session that was asked for');
    await endSessions(stack(), [finished, made, requested]);
  });

  it('a node without work shuts down at once, whatever grace it has', async () => {
    const node = await stack().startNode({ name: 'idle', shutdownGraceSec: GRACE_SEC });
    const scene = await Scene.enter(stack(), node, 'full');
    // Whether that started something, nobody knows.
    scene.fault({ operation: 'session-run', on: 'always', action: { kind: 'status', status: 503 } });
    await scene.create();
    await scene.untilAsked('session-run');
    expect(await node.rpc('fleet_delete', { id: scene.id })).toMatchObject({ status: 200 });
    // Whether something starts all the same is looked at for half a minute, which another node can do as well.
    await scene.untilStored({ state: 'cancelled', told: true });
    const since = Date.now();
    await node.stop();
    expect(Date.now() - since).toBeLessThan((GRACE_SEC * 1000) / 2);
    expect(await scene.progress()).toMatchObject({ abandoned: [{ session_id: scene.id }] });
  });

  it('a node that shuts down without grace leaves what it began to the others', async () => {
    const node = await stack().startNode({ name: 'abrupt' });
    const scene = await Scene.enter(stack(), node, 'pending');
    scene.fault({ operation: 'session-run', on: { times: 1 }, action: { kind: 'delay', ms: NEVER_MS, when: 'after' } });
    await scene.create();
    await until(() => scene.running().length === 1, 10_000, 'the session');
    await node.stop();
    expect(await scene.progress()).toMatchObject({ state: 'starting' });
    await endSessions(stack(), [await toldOnce([scene.player], stack().nakama)]);
  });
});
