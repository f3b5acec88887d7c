import { describe, expect, it } from 'vitest';
import type { NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers, matchTogether, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { allocationRows, allocationsSettled, endSessions, instanceRows, quietStack } from './support/world.ts';

const onRuntime = (runtime: NakamaRuntime): void => {
  const stack = useStack(runtime, quietStack(['home', 'slow-first', 'slow-second']));

  /** The middle one of three players gets two matches, one after the other, each in the region that is nearest to it. */
  async function matchTwice(first: string, second: string): Promise<[Player, Player, Player]> {
    const players = (await connectPlayers(stack().nakama, 3)) as [Player, Player, Player];
    const [one, twice, other] = players;
    const near = (region: string) => ({ numbers: { [`ping_${region}`]: 10 } });
    await matchTogether([one, twice], near(first));
    await until(async () => (await allocationRows(stack(), [one])).length === 1, 10_000, 'the first allocation');
    await matchTogether([twice, other], near(second));
    return players;
  }
  const slow = (region: string) =>
    stack().simulator.faults.add({
      operation: 'session-run',
      region,
      on: 'always',
      action: { kind: 'delay', ms: 5_000, when: 'after' },
    });
  async function sessionOf(player: Player): Promise<string> {
    const told = await player.waitForAnswer(20_000);
    if (told.kind !== 'match') throw new Error(`told ${told.reason}`);
    return told.sessionId;
  }
  async function seats(sessionId: string): Promise<string[]> {
    const rows = await instanceRows(stack(), [sessionId]);
    return Object.keys((rows[0]?.value['seats'] ?? {}) as object).sort();
  }

  it('has a seat in the second session only, and hears of no other, when the first one starts later', async () => {
    slow('slow-first');
    const players = await matchTwice('slow-first', 'home');
    const [one, twice, other] = players;
    const [first, second] = [await sessionOf(one), await sessionOf(other)];
    await allocationsSettled(stack(), players);
    expect(twice.answers.map((told) => told.kind === 'match' && told.sessionId)).toEqual([second]);
    expect(await seats(first)).toEqual([one.userId]);
    expect(await seats(second)).toEqual([twice.userId, other.userId].sort());
    await endSessions(stack(), [first, second]);
    closeAll(players);
  });

  it('has a seat in the second session only when that one starts later', async () => {
    slow('slow-first');
    slow('slow-second');
    const players = await matchTwice('slow-first', 'slow-second');
    const [one, twice, other] = players;
    const [first, second] = [await sessionOf(one), await sessionOf(other)];
    await allocationsSettled(stack(), players);
    await until(async () => (await seats(first)).length === 1, 10_000, 'the old seat to be free');
    expect(await seats(first)).toEqual([one.userId]);
    expect(await seats(second)).toEqual([twice.userId, other.userId].sort());
    expect(twice.answers.at(-1)).toMatchObject({ kind: 'match', sessionId: second });
    await endSessions(stack(), [first, second]);
    closeAll(players);
  });
};

describe('a player who is matched twice at the same time', () => forEachRuntime('long', onRuntime));
