import type { Stack } from '../stack/stack.ts';
import { Player } from './player.ts';
import { play, waitForAnswer, watchRecord, type PlayerResult } from './player-result.ts';
import type { MatchPlan } from './scenario.ts';

/** What became of somebody who came when the game was running. */
export interface LateResult extends PlayerResult {
  /** When the game that is to be joined was running already. */
  askedAtMs: number;
  /** Whether Nakama's record said that this player is in as well, while they were. */
  nakamaSaw: boolean;
}

/**
 * Somebody who queues with nobody asks for a game while one runs that has a seat left. Answers at once a promise that settles
 * when they are in it, so that the others may stay until then, and one for what became of them. Neither rejects.
 */
export function joinLate(
  plan: MatchPlan & { latecomer: string },
  stack: Stack,
  sessionId: string,
  running: Promise<unknown>,
  tell: (text: string) => void,
): { isIn: Promise<unknown>; result: Promise<LateResult> } {
  const name = plan.latecomer;
  let seen: Promise<boolean> | undefined;
  const asked = running.then(async () => {
    const player = await Player.connect(stack.nakama, { username: name });
    const askedAtMs = Date.now();
    const result = await waitForAnswer(name, player.userId, player.gameye.solo());
    player.closeSocket();
    const { answer } = result;
    if (answer?.kind === 'match') {
      const where =
        answer.match.session_id === sessionId ? 'is seated in the running game' : 'gets a session of their own';
      tell(`${name} asks for a game alone and ${where}, ${answer.atMs - askedAtMs} ms later`);
    }
    seen = watchRecord(stack, sessionId, plan.players.length + 1);
    return { ...result, askedAtMs, nakamaSaw: false };
  });
  const result = asked
    .then(async (late): Promise<LateResult> => {
      await play(plan.moves, late, seen ?? Promise.resolve());
      return { ...late, nakamaSaw: (await seen) === true };
    })
    .catch((error: unknown) => {
      const { message } = error as Error;
      return { name, userId: '', askedAtMs: 0, nakamaSaw: false, error: message };
    });
  return { isIn: asked.then(() => seen).catch(() => undefined), result };
}
