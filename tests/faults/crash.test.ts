import { expect, it } from 'vitest';
import type { FaultRule } from '../../dev/gameye/simulator.ts';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch } from '../integration/support/matches.ts';
import {
  allocationRows,
  allocationsSettled,
  endSessions,
  quietStack,
  sessionsFor,
} from '../integration/support/world.ts';

/** Longer than a lease and a pass of the supervisor, also on a busy machine. */
const TAKEN_OVER_MS = 60_000;

const slow = (when: 'before' | 'after'): FaultRule => ({
  operation: 'session-run',
  on: { times: 1 },
  action: { kind: 'delay', ms: 4000, when },
});

forEachRuntime((runtime) => {
  const stack = useStack(runtime, {
    ...quietStack(['eu-central-1'], { GAMEYE_CREATE_TIMEOUT: '90s' }),
    leavesSessions: 'each test ends its own at its end',
  });

  /** Kills the newest node while it waits for the API's answer, and answers the players of that match. */
  async function killDuringStart(when: 'before' | 'after'): Promise<Player[]> {
    const { simulator } = stack();
    const nakama = stack().nodes.at(-1) ?? stack().nakama;
    simulator.faults.add(slow(when));
    const players = await queueMatch({ ...stack(), nakama });
    const stored = async () => (await allocationRows(stack(), players)).length === 1;
    await until(stored, 10_000, 'the allocation');
    if (when === 'after') {
      await until(async () => (await sessionsFor(stack(), players)).length === 1, 10_000, 'the session');
    }
    await nakama.kill();
    closeAll(players);
    return players;
  }

  /** Every player finds one answer after coming back, the only session that ever ran for them. */
  async function toldOnce(players: Player[], nakama: Nakama): Promise<void> {
    const found = await Promise.all(
      players.map(async (player) => {
        await player.openSocket(nakama);
        const listed = async () => {
          const answers = await player.listAnswers();
          return answers.length > 0 && answers;
        };
        return until(listed, TAKEN_OVER_MS, 'the answer');
      }),
    );
    await allocationsSettled(stack(), players, TAKEN_OVER_MS);
    const [session, ...doubles] = await sessionsFor(stack(), players);
    expect(doubles).toEqual([]);
    for (const answers of found) expect(answers).toMatchObject([{ kind: 'match', sessionId: session?.id }]);
    await endSessions({ ...stack(), nakama }, [session?.id ?? '']);
    closeAll(players);
  }

  it('a node that dies after the session started, and comes back, leaves one session and players who are told', async () => {
    const players = await killDuringStart('after');
    const node = await stack().startNode({ name: 'back' });
    await toldOnce(players, node);
  }, 120_000);

  it('another node takes over when one dies before the session started', async () => {
    const survivor = stack().nodes.at(-1) ?? stack().nakama;
    await stack().startNode({ name: 'victim' });
    await toldOnce(await killDuringStart('before'), survivor);
  }, 120_000);
});
