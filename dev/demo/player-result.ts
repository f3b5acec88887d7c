import type { Stack } from '../stack/stack.ts';
import { until } from '../stack/until.ts';
import { playGame, type GameRecord } from './game/client.ts';
import type { Outcome, Search } from '../../kits/client/gameye-client.ts';

/** What became of one player. */
export interface PlayerResult {
  name: string;
  userId: string;
  answer?: Outcome & { atMs: number };
  /** Who was in the game when the server let this player in, the player included. */
  metAtWelcome?: string[];
  game?: GameRecord;
  /** Why there is no answer, or no game. */
  error?: string;
}

/** Waits for what comes of a player's search; what went wrong is in the result. */
export async function waitForAnswer(name: string, userId: string, search: Search): Promise<PlayerResult> {
  const answer = { ...(await search.result), atMs: Date.now() };
  const result: PlayerResult = { name, userId, answer };
  if (answer.kind === 'failed') result.error = `was told "${answer.message ?? answer.reason}" instead of an address`;
  return result;
}

/** Plays where the answer says, for so many moves and then until `stayUntil` settles; notes the game in the result. */
export async function play(
  moves: number,
  result: PlayerResult,
  stayUntil?: Promise<unknown>,
  more: { vanishes?: boolean } = {},
): Promise<void> {
  const { answer, userId } = result;
  if (answer?.kind !== 'match') return;
  try {
    const { host, port, seat_token: token } = answer.match;
    const onWelcome = (players: string[]): void => void (result.metAtWelcome = players);
    result.game = await playGame({
      host,
      port,
      userId,
      token,
      moves,
      ...(stayUntil && { stayUntil }),
      onWelcome,
      ...more,
    });
  } catch (error) {
    result.error = (error as Error).message;
  }
}

/** The seats in a session, as Nakama's record has them. */
export async function seatsIn(stack: Stack, sessionId: string): Promise<Record<string, { state: string }>> {
  return (await recordOf(stack, sessionId))?.seats ?? {};
}

interface SessionRecord {
  player_count?: number;
  seats?: Record<string, { state: string }>;
}

async function recordOf(stack: Stack, id: string): Promise<SessionRecord | undefined> {
  return (await stack.nakama.rpc('fleet_get', { id })).payload as SessionRecord | undefined;
}

/** Whether Nakama's record of the session says, at some moment of the game, that so many players are in. */
export async function watchRecord(stack: Stack, sessionId: string, size: number): Promise<boolean> {
  const everybodyIsIn = async (): Promise<boolean> => {
    const record = await recordOf(stack, sessionId);
    const joined = Object.values(record?.seats ?? {}).filter((seat) => seat.state === 'joined');
    return record?.player_count === size && joined.length === size;
  };
  return until(everybodyIsIn, 8_000, 'the record', 50).catch(() => false);
}
