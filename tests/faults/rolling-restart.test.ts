import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers, matchTogether, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { allocationsSettled, endSessions, quietStack } from '../integration/support/world.ts';

/** A match is asked for this often, as long as nodes are restarted. */
const EVERY_MS = 700;
const GRACE_SEC = 10;

forEachRuntime('long', (runtime) => {
  const quiet = quietStack(['home'], { GAMEYE_RECONCILE_INTERVAL: '5s', GAMEYE_SEAT_TIMEOUT: '10m' });
  const stack = useStack(runtime, {
    ...quiet,
    simulator: { ...quiet.simulator, startMs: 1500 },
    shutdownGraceSec: GRACE_SEC,
  });

  /** A new group that queues wherever there is a node in service, until it is matched, as game clients do. */
  async function group(inService: Nakama[], turn: number): Promise<Player[]> {
    const everybody: Player[] = [];
    for (let attempt = 0; attempt < 5; attempt++) {
      const node = inService[(turn + attempt) % inService.length] as Nakama;
      const players = await connectPlayers(node, 2).catch(() => []);
      everybody.push(...players);
      await matchTogether(players).catch(() => []);
      const matched = Promise.all(players.map((player) => player.waitUntilMatched(5000)));
      if (players.length > 0 && (await matched.catch(() => undefined))) break;
      // Its node went away: the ticket with it.
    }
    return everybody;
  }

  it('a rolling restart of two nodes under load starts one session for each match, and tells all of its players once', async () => {
    const { nodes, startNode, simulator } = stack();
    const inService: Nakama[] = [nodes[0] as Nakama, await startNode({ name: 'second' })];
    let restarting = true;
    const groups: Promise<Player[]>[] = [];
    const load = (async () => {
      for (let turn = 0; restarting; turn++) {
        groups.push(group(inService, turn));
        await pause(EVERY_MS);
      }
    })();
    try {
      for (const name of ['third', 'fourth']) {
        // Some seconds of load between the steps, so that each finds work in progress.
        await until(() => groups.length % 6 === 5, 30_000, 'load');
        const old = inService.shift() as Nakama;
        await old.stop();
        inService.push(await startNode({ name }));
      }
      const enough = groups.length + 4;
      await until(() => groups.length >= enough, 30_000, 'load');
    } finally {
      restarting = false;
      await load;
    }
    const players = (await Promise.all(groups)).flat();
    const node = inService[0] as Nakama;
    await allocationsSettled(stack(), undefined, 60_000);
    const { entries } = simulator.ledger;
    expect(entries.length).toBeGreaterThanOrEqual(groups.length);
    for (const player of players) {
      await player.openSocket(node);
      const told = (await player.listAnswers()).map((one) => (one.kind === 'match' ? one.sessionId : one.reason));
      const started = entries.filter(({ matchUserIds }) => matchUserIds.includes(player.userId)).map(({ id }) => id);
      expect(told).toEqual(started);
      expect(started.length).toBeLessThanOrEqual(1);
      if (player.matchedAtMs.length > 0) expect(started).toHaveLength(1);
      player.closeSocket();
    }
    expect(entries.filter(({ endedAtMs }) => endedAtMs !== undefined)).toEqual([]);
    await endSessions(
      { ...stack(), nakama: node },
      entries.map(({ id }) => id),
    );
    closeAll(players);
  }, 240_000);
});
