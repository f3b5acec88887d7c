import { expect } from 'vitest';
import type { Stack } from '../../../dev/stack/stack.ts';
import {
  answersOf,
  connectPlayers,
  matchTogether,
  sharedAddress,
  type Answer,
  type Player,
} from '../../helpers/players.ts';
import { allocationsSettled, sessionsFor } from './world.ts';

/** New players with live connections, queued so that exactly they become one match; `region` is the nearest to all. */
export async function queueMatch(stack: Stack, region?: string, size = 2): Promise<Player[]> {
  const players = await connectPlayers(stack.nakama, size);
  await matchTogether(players, region === undefined ? {} : { numbers: { [`ping_${region}`]: 10 } });
  return players;
}

/**
 * The address that a match was told, once everything about it is done: the same for every player, exactly once, and it is
 * that of the only session that ever ran for them.
 */
export async function toldOneSession(
  stack: Stack,
  players: Player[],
  deadlineMs = 15_000,
): Promise<Answer & { kind: 'match' }> {
  const told = sharedAddress(await answersOf(players, deadlineMs));
  await allocationsSettled(stack, players, deadlineMs);
  for (const player of players) {
    expect(player.answers).toHaveLength(1);
    expect(player.otherNotifications).toEqual([]);
    // Players who were away find it in the list that Nakama keeps, also once.
    expect(await player.listAnswers()).toMatchObject([{ kind: 'match', sessionId: told.sessionId }]);
  }
  const sessions = await sessionsFor(stack, players);
  expect(sessions.map(({ id }) => id)).toEqual([told.sessionId]);
  return told;
}

/** The reason that a match was told, once everything about it is done: the same for every player, exactly once. */
export async function toldOneReason(stack: Stack, players: Player[], deadlineMs = 15_000): Promise<string> {
  await answersOf(players, deadlineMs);
  await allocationsSettled(stack, players, deadlineMs);
  const told = players.map(({ answers, otherNotifications }) => ({
    reasons: answers.map((answer) => (answer.kind === 'failed' ? answer.reason : answer.kind)),
    others: otherNotifications,
  }));
  const [first] = told;
  expect(told).toEqual(players.map(() => ({ reasons: [first?.reasons[0]], others: [] })));
  return first?.reasons[0] as string;
}
