import { expect, it } from 'vitest';
import { notEnded } from '../../dev/gameye/ledger.ts';
import { until } from '../../dev/stack/until.ts';
import { answersOf, closeAll, connectPlayers, matchTogether, sharedAddress } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import {
  allocationRows,
  allocationsSettled,
  endSessions,
  instanceRows,
  quietStack,
} from '../integration/support/world.ts';

/** Longer than a lease and a pass of the supervisor, also on a busy machine. */
const TAKEN_OVER_MS = 60_000;

forEachRuntime('long', (runtime) => {
  const stack = useStack(
    runtime,
    quietStack(['home'], { GAMEYE_BACKFILL: 'on', GAMEYE_MAX_PLAYERS: '8', GAMEYE_SEAT_TIMEOUT: '10m' }),
  );

  it('a group whose node dies while it takes seats is seated once, and another node tells its players', async () => {
    const { simulator } = stack();
    const victim = await stack().startNode({ name: 'victim' });
    const first = await connectPlayers(victim, 2);
    await matchTogether(first);
    const { sessionId } = sharedAddress(await answersOf(first));
    await allocationsSettled(stack(), first);

    simulator.faults.add({ operation: 'join-session', on: { times: 1 }, action: { kind: 'delay', ms: 8000 } });
    const players = await connectPlayers(victim, 2);
    await matchTogether(players);
    const joined = async () => (await allocationRows(stack(), players))[0]?.value.state === 'seated';
    await until(joined, 10_000, 'the seats');
    await victim.kill();
    closeAll([...first, ...players]);

    for (const player of players) {
      await player.openSocket(stack().nakama);
      const told = await until(
        async () => {
          const answers = await player.listAnswers();
          return answers.length > 0 && answers;
        },
        TAKEN_OVER_MS,
        'the answer',
      );
      expect(told).toMatchObject([{ kind: 'match', sessionId }]);
    }
    await allocationsSettled(stack(), players, TAKEN_OVER_MS);
    const [row] = await instanceRows(stack(), [sessionId]);
    const seats = Object.keys(row?.value['seats'] as object).sort();
    expect(seats).toEqual([...first, ...players].map(({ userId }) => userId).sort());
    expect(row?.value).toMatchObject({ player_count: 4, open_seats: 4, status: 'running' });
    expect(notEnded(simulator.ledger.entries).map(({ id }) => id)).toEqual([sessionId]);
    await endSessions(stack(), [sessionId]);
    closeAll(players);
  }, 120_000);
});
