import { expect, it } from 'vitest';
import { overlaps, type LedgerEntry } from '../../dev/gameye/ledger.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers, matchInGroups, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { allocationRows, allocationsSettled, endSessions, instanceRows, quietStack } from './support/world.ts';

const MATCHES = 50;
const GROUP = 2;
/** What players are promised: the create timeout, and 10 s more. */
const ANSWER_MS = 70_000;

/** The session that a group was told in its `burst`-th answer: one for all of the group. */
async function sessionOf(group: Player[], burst: number): Promise<string> {
  const answers = await Promise.all(group.map((player) => player.waitForAnswer(ANSWER_MS, burst)));
  const told = new Set(answers.map((answer) => (answer.kind === 'match' ? answer.sessionId : answer.reason)));
  expect(told.size).toBe(1);
  return [...told][0] as string;
}

/** A session that should not be as it is, and what its players were told. */
function explain(entry: LedgerEntry, players: Player[]): object {
  const own = players.filter(({ userId }) => entry.matchUserIds.includes(userId));
  const told = own.map(({ answers, matchedAtMs }) => ({ answers, matchedAtMs }));
  return { ...entry, told };
}

forEachRuntime('long', (runtime) => {
  // Nobody comes to these game servers: seats last as long as the test, and who has left for good is seen at once.
  const env = { GAMEYE_SEAT_TIMEOUT: '10m', GAMEYE_EMPTY_GRACE: '1s', GAMEYE_RECONCILE_INTERVAL: '3s' };
  const stack = useStack(runtime, quietStack(['home'], env));

  it(
    `${MATCHES} matches at once get a session each, twice in a row, and sessions that all players have left are stopped`,
    { timeout: 180_000 },
    async () => {
      const { nakama, simulator } = stack();
      const players = await connectPlayers(nakama, MATCHES * GROUP);
      const { entries } = simulator.ledger;
      const sessions: string[] = [];
      for (const burst of [0, 1]) {
        const groups = await matchInGroups(players, GROUP);
        const told = await Promise.all(groups.map((group) => sessionOf(group, burst)));
        expect(new Set(told).size).toBe(MATCHES);
        sessions.push(...told);
        await allocationsSettled(stack(), undefined, 30_000);
        expect(await allocationRows(stack())).toEqual([]);
        // Who is matched again is where they were matched last, and nobody is where they were before.
        const isRight = ({ id, endedAtMs, players: { length } }: LedgerEntry): boolean =>
          told.includes(id) ? endedAtMs === undefined && length === GROUP : endedAtMs !== undefined;
        const wrong = (): LedgerEntry[] => entries.filter((entry) => !isRight(entry));
        const explained = (): object[] => wrong().map((entry) => explain(entry, players));
        await until(
          () => wrong().length === 0,
          60_000,
          () => `players in their places: ${JSON.stringify(explained().slice(0, 3))}`,
        );
      }
      for (const player of players) {
        expect(player.answers).toHaveLength(2);
        expect(player.otherNotifications).toEqual([]);
      }
      // Every session that was ever started is one of those that players were told.
      expect(entries.map(({ id }) => id).sort()).toEqual([...sessions].sort());
      expect(overlaps(entries, ({ id }) => id)).toEqual([]);
      const last = sessions.slice(MATCHES);
      // The record of a session goes after the session.
      let rows: string[] = [];
      const lastOnly = async (): Promise<boolean> => {
        rows = (await instanceRows(stack())).map(({ key }) => key);
        return rows.join() === [...last].sort().join();
      };
      await until(lastOnly, 10_000, () => `the records of the last sessions only; there are ${rows.join()}`);
      await endSessions(stack(), last);
      closeAll(players);
    },
  );
});
