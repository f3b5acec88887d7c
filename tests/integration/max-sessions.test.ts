import { expect, it } from 'vitest';
import type { LedgerEntry } from '../../dev/gameye/simulator.ts';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneReason, toldOneSession } from './support/matches.ts';
import { allocationRows, allocationsSettled, endSessions, quietStack, requestsOf } from './support/world.ts';

const MOST = 3;
const REQUESTS = 16;

/** How many sessions ran or started at the same time, at most. */
function mostAtOnce(entries: readonly LedgerEntry[]): number {
  const living = (at: number) =>
    entries.filter(({ requestedAtMs, endedAtMs }) => requestedAtMs <= at && (endedAtMs ?? Infinity) > at).length;
  return Math.max(0, ...entries.map(({ requestedAtMs }) => living(requestedAtMs)));
}

forEachRuntime('long', (runtime) => {
  const stack = useStack(runtime, quietStack(['home'], { GAMEYE_MAX_SESSIONS: String(MOST) }));
  const running = (): string[] =>
    stack()
      .simulator.ledger.entries.filter(({ endedAtMs }) => endedAtMs === undefined)
      .map(({ id }) => id);
  const create = (node: Nakama) => node.rpc('fleet_create', { max_players: 2 });
  // A very busy server hangs up after 10 s; what was asked for may be done all the same.
  const createIfAnswered = (node: Nakama) => create(node).catch(() => undefined);

  it(
    'no more sessions run than GAMEYE_MAX_SESSIONS, however many are asked for at once on two nodes',
    { timeout: 120_000 },
    async () => {
      const { nakama, simulator } = stack();
      const second = await stack().startNode();
      for (let round = 0; round < 2; round++) {
        const answers = await Promise.all(
          Array.from({ length: REQUESTS }, (_, i) => createIfAnswered(i % 2 === 0 ? nakama : second)),
        );
        expect(answers.filter((answer) => answer && answer.status !== 200 && answer.code !== 8)).toEqual([]);
        await until(() => running().length === MOST, 30_000, 'as many sessions as may run');
        await allocationsSettled(stack(), undefined, 30_000);
        expect(running()).toHaveLength(MOST);
        expect(await create(second)).toMatchObject({ code: 8 });
        // One ends, so that in the second round there is room for exactly one.
        await endSessions(stack(), running().slice(0, 1));
      }
      expect(mostAtOnce(simulator.ledger.entries)).toBe(MOST);
      await endSessions(stack(), running());
    },
  );

  it(
    'GAMEYE_MAX_SESSIONS: players of one match too many are told, nothing is started, and the next match is served',
    { timeout: 60_000 },
    async () => {
      const games = [];
      for (let i = 0; i < MOST; i++) games.push(await queueMatch(stack()));
      const told = await Promise.all(games.map((players) => toldOneSession(stack(), players)));
      const posts = requestsOf(stack(), 'session-run').length;
      const tooMany = await queueMatch(stack());
      expect(await toldOneReason(stack(), tooMany)).toBe('quota_exceeded');
      expect(requestsOf(stack(), 'session-run')).toHaveLength(posts);
      expect(stack().nakama.logs.filter(({ msg }) => /GAMEYE_MAX_SESSIONS/.test(msg))).not.toEqual([]);

      await endSessions(stack(), [told[0]!.sessionId]);
      const next = await queueMatch(stack());
      const { sessionId } = await toldOneSession(stack(), next);
      await endSessions(stack(), [...told.slice(1).map((one) => one.sessionId), sessionId]);
      closeAll([...games.flat(), ...tooMany, ...next]);
    },
  );

  it(
    'GAMEYE_MAX_SESSIONS does not count a session that crashed: the match that would be one too many gets its own',
    { timeout: 60_000 },
    async () => {
      const games = [];
      for (let i = 0; i < MOST; i++) games.push(await queueMatch(stack()));
      const told = await Promise.all(games.map((players) => toldOneSession(stack(), players)));
      expect(stack().simulator.kill(told[0]!.sessionId)).toBe(true);
      const next = await queueMatch(stack());
      const { sessionId } = await toldOneSession(stack(), next);
      await endSessions(stack(), [...told.slice(1).map((one) => one.sessionId), sessionId]);
      closeAll([...games.flat(), ...next]);
    },
  );

  it(
    'GAMEYE_MAX_SESSIONS counts a session that a node was starting when it died, once, until it has ended',
    { timeout: 120_000 },
    async () => {
      const { simulator } = stack();
      const dying = await stack().startNode();
      simulator.faults.add({ operation: 'session-run', on: { times: MOST }, action: { kind: 'delay', ms: 4000 } });
      for (let i = 0; i < MOST; i++) expect(await create(dying)).toMatchObject({ status: 200 });
      await until(
        async () => (await allocationRows(stack())).filter((row) => row.value.attempts > 0).length === MOST,
        10_000,
        '',
      );
      await dying.kill();
      expect(await create(stack().nakama)).toMatchObject({ code: 8 });
      await allocationsSettled(stack(), undefined, 90_000);
      expect(running()).toHaveLength(MOST);
      expect(await create(stack().nakama)).toMatchObject({ code: 8 });
      await endSessions(stack(), running());
      expect(await create(stack().nakama)).toMatchObject({ status: 200 });
      await allocationsSettled(stack(), undefined, 10_000);
      expect(mostAtOnce(simulator.ledger.entries)).toBe(MOST);
      await endSessions(stack(), running());
    },
  );
});
