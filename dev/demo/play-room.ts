import type { Match } from '../../kits/client/gameye-client.ts';
import type { Stack } from '../stack/stack.ts';
import { until } from '../stack/until.ts';
import { tellEnd } from './play-match.ts';
import { Player } from './player.ts';
import { play, seatsIn, waitForAnswer, watchRecord, type PlayerResult } from './player-result.ts';
import type { RoomPlan } from './scenario.ts';
import { shortId, type Timeline } from './timeline.ts';

/** What became of a room. */
export interface RoomResult {
  plan: RoomPlan;
  host: PlayerResult;
  /** Until the connection broke. */
  friend: PlayerResult;
  /** The same player afterwards. */
  back: PlayerResult;
  /** Whether Nakama's record said that the seat is held while its player was away. */
  wasHeld: boolean;
}

const JOINED_MS = 30_000;
/** The game server notices after its --silence. */
const MISSED_MS = 20_000;

/** Plays what happens in a room, and writes it to the timeline. Does not throw for what players met. */
export async function playRoom(plan: RoomPlan, stack: Stack, timeline: Timeline): Promise<RoomResult> {
  const tell = (text: string): void => timeline.event(plan.name, text);
  const result: RoomResult = {
    plan,
    host: { name: plan.host, userId: '' },
    friend: { name: plan.friend, userId: '' },
    back: { name: plan.friend, userId: '' },
    wasHeld: false,
  };
  const [host, friend] = await Promise.all([
    Player.connect(stack.nakama, { username: plan.host }),
    Player.connect(stack.nakama, { username: plan.friend }),
  ]);
  let release = (): void => {};
  try {
    const waiting = host.gameye.follow();
    const { payload: room } = await host.rpc('gameye_room_create', { mode: plan.mode, max_players: 2 });
    const { code } = room as { code: string };
    tell(`${plan.host} makes a room of mode ${plan.mode}, its code is ${code}`);
    result.host = await waitForAnswer(plan.host, host.userId, waiting);
    const match = await enter(friend, code);
    result.friend = { name: plan.friend, userId: friend.userId, answer: { kind: 'match', match, atMs: Date.now() } };
    tell(`${plan.friend} types the code and is seated in session ${shortId(match.session_id)}`);

    const over = new Promise<void>((resolve) => (release = resolve));
    const hosting = play(plan.moves, result.host, over);
    await play(plan.moves, result.friend, undefined, { vanishes: true });
    tell(`${plan.friend} loses the connection in the middle of the game`);
    const isHeld = async (): Promise<boolean> =>
      (await seatsIn(stack, match.session_id))[friend.userId]?.state === 'reserved';
    result.wasHeld = await until(isHeld, MISSED_MS, 'the held seat', 50).catch(() => false);
    if (result.wasHeld) tell(`the game server misses ${plan.friend}; the seat is held`);

    friend.closeSocket();
    await friend.openSocket();
    result.back = await waitForAnswer(plan.friend, friend.userId, friend.gameye.comeBack());
    const both = watchRecord(stack, match.session_id, 2);
    await play(plan.moves, result.back, both);
    if (result.back.game) tell(`${plan.friend} came back to the same game and played on`);
    release();
    await hosting;
    await tellEnd(stack, match.session_id, tell);
  } catch (error) {
    result.back.error = (error as Error).message;
  } finally {
    release();
    host.closeSocket();
    friend.closeSocket();
  }
  for (const { name, error } of [result.host, result.friend, result.back])
    if (error) timeline.event(plan.name, `${name}: ${error}`, 'bad');
  return result;
}

/** As a client does it: with the code as it was typed, again while the room's game server is being started. */
async function enter(player: Player, code: string): Promise<Match> {
  const typed = code.toLowerCase().replace('-', '');
  const ask = async (): Promise<Match | undefined> => {
    const { payload } = await player.rpc('gameye_room_join', { code: typed });
    return (payload as { match?: Match } | undefined)?.match;
  };
  // Two asks a second stay below the limit of 30 a minute for each player.
  return until(ask, JOINED_MS, `a seat for ${player.username}`, 500);
}
