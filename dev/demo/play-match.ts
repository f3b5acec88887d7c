import type { Stack } from '../stack/stack.ts';
import { until } from '../stack/until.ts';
import { playGame, Refused, type GameRecord } from './game/client.ts';
import { Player, type Answer } from './player.ts';
import type { MatchPlan } from './scenario.ts';
import { count, shortId, type Timeline } from './timeline.ts';

/** What became of one player. */
export interface PlayerResult {
  name: string;
  userId: string;
  answer?: Answer;
  game?: GameRecord;
  /** Why there is no answer, or no game. */
  error?: string;
}

export interface MatchResult {
  plan: MatchPlan;
  players: PlayerResult[];
  /** Whether what was put in its way really happened; true when nothing was. */
  metTrouble: boolean;
  /** Whether Nakama's record said that every player is in, while they were. */
  nakamaSawEverybody: boolean;
  /** What the game server told the guest; absent when the guest got in. */
  guestRefused?: string;
}

const ANSWER_MS = 45_000;
const ENDED_MS = 15_000;

/** Plays one match as its players would, and writes what happens to the timeline. Does not throw for what players met. */
export async function playMatch(plan: MatchPlan, stack: Stack, timeline: Timeline): Promise<MatchResult> {
  const players = await Promise.all(plan.players.map((username) => Player.connect(stack.nakama, { username })));
  const size = players.length;
  const tell = (text: string): void => timeline.event(plan.name, text);
  tell(`${plan.players.join(', ')} queue${plan.trouble ? ` (${plan.trouble.text})` : ''}`);
  await Promise.all(players.map((player) => player.matchmake(ticketOf(plan))));

  const results = await Promise.all(players.map((player, i) => waitForAnswer(plan.players[i] as string, player)));
  const matchedAtMs = Math.min(...players.map((player) => player.matchedAtMs[0] ?? Date.now()));
  const first = results.find((result) => result.answer?.kind === 'match')?.answer;
  const outcome: MatchResult = {
    plan,
    players: results,
    metTrouble: metTrouble(plan, stack),
    nakamaSawEverybody: false,
  };
  if (first?.kind === 'match') {
    const { sessionId, host, port } = first;
    const afterMs = Math.max(...results.map((result) => result.answer?.atMs ?? 0)) - matchedAtMs;
    const region = stack.simulator.ledger.get(sessionId)?.region ?? 'an unknown region';
    tell(`session ${shortId(sessionId)} in ${region} at ${host}:${port}, ${afterMs} ms after the match was made`);
    if (plan.guest) await tryToGetIn(outcome, first, tell);
    const watching = watchRecord(stack, sessionId, size);
    await Promise.all(results.map((result) => play(plan, result, watching)));
    outcome.nakamaSawEverybody = await watching;
    tell(gameText(results));
    await tellEnd(stack, sessionId, tell);
  }
  for (const result of results) if (result.error) timeline.event(plan.name, `${result.name}: ${result.error}`, 'bad');
  players.forEach((player) => player.closeSocket());
  return outcome;
}

function ticketOf(plan: MatchPlan) {
  const size = plan.players.length;
  const pings = Object.entries(plan.pings).map(([region, ms]) => [`ping_${region}`, ms] as const);
  const strings = { match: plan.name };
  const query = `+properties.match:${plan.name}`;
  return { query, minCount: size, maxCount: size, strings, numbers: Object.fromEntries(pings) };
}

function metTrouble({ trouble }: MatchPlan, stack: Stack): boolean {
  if (!trouble) return true;
  const starts = stack.simulator.requests().filter((request) => request.operation === 'session-run');
  return starts.some(({ region, status }) => region === trouble.region && status === trouble.status);
}

async function waitForAnswer(name: string, player: Player): Promise<PlayerResult> {
  const result: PlayerResult = { name, userId: player.userId };
  try {
    result.answer = await player.waitForAnswer(ANSWER_MS);
    if (result.answer.kind === 'failed') result.error = `was told "${result.answer.reason}" instead of an address`;
  } catch (error) {
    result.error = (error as Error).message;
  }
  return result;
}

async function play(plan: MatchPlan, result: PlayerResult, stayUntil: Promise<unknown>): Promise<void> {
  const { answer, userId } = result;
  if (answer?.kind !== 'match') return;
  try {
    const { host, port, seatToken: token } = answer;
    result.game = await playGame({ host, port, userId, token, moves: plan.moves, stayUntil });
  } catch (error) {
    result.error = (error as Error).message;
  }
}

/** Whether Nakama's record of the session says, at some moment of the game, that all players are in. */
async function watchRecord(stack: Stack, sessionId: string, size: number): Promise<boolean> {
  const everybodyIsIn = async (): Promise<boolean> => {
    const { payload } = await stack.nakama.rpc('fleet_get', { id: sessionId });
    const record = payload as { player_count?: number; seats?: Record<string, { state: string }> } | undefined;
    const joined = Object.values(record?.seats ?? {}).filter((seat) => seat.state === 'joined');
    return record?.player_count === size && joined.length === size;
  };
  return until(everybodyIsIn, 8_000, 'the record', 50).catch(() => false);
}

/** Somebody who knows the address but has no seat, and copies another player's token. */
async function tryToGetIn(
  outcome: MatchResult,
  address: Answer & { kind: 'match' },
  tell: (text: string) => void,
): Promise<void> {
  const { host, port, seatToken: token } = address;
  const name = outcome.plan.guest as string;
  try {
    await playGame({ host, port, userId: name, token, moves: 1, deadlineMs: 5_000 });
    tell(`${name}, who has no seat, got in`);
  } catch (error) {
    if (!(error instanceof Refused))
      return tell(`${name}, who has no seat, got no answer: ${(error as Error).message}`);
    outcome.guestRefused = error.reason;
    tell(`${name}, who has no seat and uses somebody's token, is turned away: ${error.reason}`);
  }
}

function gameText(results: PlayerResult[]): string {
  const games = results.flatMap((result) => result.game ?? []);
  const packets = games.reduce((sum, game) => sum + game.sent + game.received, 0);
  const moves = games.reduce((sum, game) => sum + game.confirmedMoves, 0);
  return `${count(games.length, 'player')} made ${count(moves, 'move')} with ${packets} packets, and left`;
}

async function tellEnd(stack: Stack, sessionId: string, tell: (text: string) => void): Promise<void> {
  const hasEnded = () => stack.simulator.ledger.get(sessionId)?.endedAtMs;
  await until(hasEnded, ENDED_MS, 'the end of the session').catch(() => {}); // The verdict says that it still runs.
  const entry = stack.simulator.ledger.get(sessionId);
  if (entry?.endedAtMs === undefined) return tell(`session ${shortId(sessionId)} still runs`);
  const why =
    entry.ended === 'exit' ? `its server ended by itself (exit code ${entry.exitCode})` : `ended by ${entry.ended}`;
  tell(`session ${shortId(sessionId)} is over: ${why}`);
}
