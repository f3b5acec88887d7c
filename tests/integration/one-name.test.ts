import { beforeAll, expect, it } from 'vitest';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { closeAll, connectPlayers, matchTogether, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { endSessions, quietStack } from './support/world.ts';

const NAME = 'same';

forEachRuntime('long', (runtime) => {
  // Sessions with room for more groups, slow enough that one is still being started when the next group comes.
  const quiet = quietStack(['home'], { GAMEYE_BACKFILL: 'yes', GAMEYE_MAX_PLAYERS: '8' });
  const stack = useStack(runtime, {
    ...quiet,
    simulator: { ...quiet.simulator, startMs: 3000 },
    firstNode: { name: NAME },
  });
  let nodes: [Nakama, Nakama];
  beforeAll(async () => {
    nodes = [stack().nakama, await stack().startNode({ name: NAME })];
  });

  it('players of two nodes with one name hear live where they play, while both nodes start sessions', async () => {
    const groups: Player[][] = [];
    for (const node of nodes) groups.push(await connectPlayers(node, 2));
    await Promise.all(groups.map((group) => matchTogether(group)));
    const players = groups.flat();
    const told = await Promise.all(players.map((player) => player.waitForAnswer(20_000)));
    for (const answer of told) expect(answer).toMatchObject({ kind: 'match', host: expect.any(String) });
    const ids = new Set(told.map((answer) => (answer as { sessionId: string }).sessionId));
    await endSessions(stack(), [...ids]);
    closeAll(players);
  }, 60_000);

  it('both nodes warn that names should differ', async () => {
    for (const node of nodes) {
      const warning = await node.waitForLog('another Nakama on this database has the same name', 40_000);
      expect(warning).toMatchObject({ level: 'warn', node: NAME });
    }
  }, 60_000);
});
