import type { Stack } from '../stack/stack.ts';
import type { Search } from '../../kits/client/gameye-client.ts';
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
 * Somebody who queues with nobody comes while a game runs that has a seat left. Answers at once a promise that settles
 * when they are in it, so that the others may stay until then, and one for what became of them. Neither rejects.
 */
export function joinLate(
  plan: MatchPlan & { latecomer: NonNullable<MatchPlan['latecomer']> },
  stack: Stack,
  sessionId: string,
  running: Promise<unknown>,
  tell: (text: string) => void,
): { isIn: Promise<unknown>; result: Promise<LateResult> } {
  const { name, by } = plan.latecomer;
  let seen: Promise<boolean> | undefined;
  const asked = running.then(async () => {
    const player = await Player.connect(stack.nakama, { username: name });
    const askedAtMs = Date.now();
    const search = by === 'solo' ? player.gameye.solo() : await joinFromList(player, plan, stack);
    const result = await waitForAnswer(name, player.userId, search);
    player.closeSocket();
    const { answer } = result;
    if (answer?.kind === 'match') {
      const where =
        answer.match.session_id === sessionId ? 'is seated in the running game' : 'gets a session of their own';
      const asks = by === 'solo' ? 'asks for a game alone' : 'picks a game from the list';
      tell(`${name} ${asks} and ${where}, ${answer.atMs - askedAtMs} ms later`);
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

/** As a studio's server browser does it: its server lists what has room, and seats the player there, who is told. */
async function joinFromList(player: Player, { mode }: MatchPlan, stack: Stack): Promise<Search> {
  const query = `+value.mode:${mode} +value.open_seats:>=1`;
  const { payload } = await stack.nakama.rpc('fleet_list', { query });
  const [game] = (payload as { instances: { id: string }[] }).instances;
  const search = player.gameye.follow();
  const joined = await stack.nakama.rpc('fleet_join', { id: game?.id, user_ids: [player.userId] });
  if (joined.status !== 200) throw new Error(`no seat from the list of games: ${JSON.stringify(joined)}`);
  return search;
}
