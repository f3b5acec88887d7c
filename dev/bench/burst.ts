import { Player } from '../demo/player.ts';
import type { Nakama } from '../stack/nakama.ts';
import { until } from '../stack/until.ts';
import { hookRuns } from './hook-probe.ts';
import type { SimulatorProcess } from './simulator-process.ts';

const GROUP_SIZE = 2;
const ANSWER_DEADLINE_MS = 90_000;

/** What one burst of matches showed, in milliseconds. */
export interface BurstResult {
  matches: number;
  /** How long each hook kept the matchmaker. */
  hookMs: number[];
  /** From the hook's start to the notification at the group's last player, without what the API took for its session. */
  beyondApiMs: number[];
  /** Players without an address. */
  missed: number;
}

/** Makes `matches` groups queue at once and measures until every player has an answer. */
export async function runBurst(matches: number, nakama: Nakama, simulator: SimulatorProcess): Promise<BurstResult> {
  const run = `b${Date.now().toString(36)}`;
  const players = await inChunks(matches * GROUP_SIZE, 20, () => Player.connect(nakama));
  const group = (player: number): string => `${run}g${Math.floor(player / GROUP_SIZE)}`;
  await Promise.all(
    players.map((player, index) =>
      player.matchmake({
        query: `+properties.group:${group(index)}`,
        minCount: GROUP_SIZE,
        maxCount: GROUP_SIZE,
        strings: { group: group(index) },
      }),
    ),
  );
  await until(() => players.every((player) => player.answers.length > 0), ANSWER_DEADLINE_MS, 'all answers').catch(
    () => {},
  );
  players.forEach((player) => player.closeSocket());
  return evaluate(matches, players, nakama, simulator);
}

async function evaluate(
  matches: number,
  players: Player[],
  nakama: Nakama,
  simulator: SimulatorProcess,
): Promise<BurstResult> {
  const result: BurstResult = { matches, hookMs: [], beyondApiMs: [], missed: 0 };
  const apiMs = new Map<string, number>();
  for (const request of await simulator.requests()) {
    if (request.operation !== 'session-run' || request.sessionId === undefined) continue;
    apiMs.set(request.sessionId, (apiMs.get(request.sessionId) ?? 0) + (request.tookMs ?? 0));
  }
  const byUser = new Map(players.map((player) => [player.userId, player]));
  for (const hook of hookRuns(nakama.logs)) {
    const answers = hook.userIds.map((userId) => byUser.get(userId)?.answers[0]);
    if (hook.userIds.every((userId) => !byUser.has(userId))) continue; // of an earlier burst
    result.hookMs.push(hook.tookMs);
    const arrived = answers.flatMap((answer) => (answer?.kind === 'match' ? [answer] : []));
    result.missed += answers.length - arrived.length;
    const first = arrived[0];
    if (!first || arrived.length < answers.length) continue;
    const lastAtMs = Math.max(...arrived.map((answer) => answer.atMs));
    result.beyondApiMs.push(lastAtMs - hook.atMs - (apiMs.get(first.sessionId) ?? 0));
  }
  result.missed += (matches - result.hookMs.length) * GROUP_SIZE;
  return result;
}

/** Makes `amount` things, `width` at a time: hundreds of sign-ins at once would only measure the password hashing. */
async function inChunks<T>(amount: number, width: number, make: () => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  while (made.length < amount) {
    made.push(...(await Promise.all(Array.from({ length: Math.min(width, amount - made.length) }, make))));
  }
  return made;
}
