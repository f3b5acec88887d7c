import type { Stack } from '../stack/stack.ts';
import { until } from '../stack/until.ts';
import { playGame, Refused } from './game/client.ts';
import { joinLate, type LateResult } from './latecomer.ts';
import type { Match, PingTarget, Search } from '../../kits/client/gameye-client.ts';
import { Player } from './player.ts';
import { play, waitForAnswer, watchRecord, type PlayerResult } from './player-result.ts';
import type { MatchPlan } from './scenario.ts';
import { count, shortId, type Timeline } from './timeline.ts';

export interface MatchResult {
  plan: MatchPlan;
  players: PlayerResult[];
  /** Whether what was put in its way really happened; true when nothing was. */
  metTrouble: boolean;
  /** Whether Nakama's record said that every player is in, while they were. */
  nakamaSawEverybody: boolean;
  /** Whether the matchmaker put the party, whole, together with the others; true when there is none. */
  partyKept: boolean;
  /** What the game server told the guest; absent when the guest got in. */
  guestRefused?: string;
  late?: LateResult;
  /** What the leaderboard of its mode showed of its players at last, by their names. */
  scores?: Record<string, number>;
}

const ENDED_MS = 15_000;
/** A result is heard about a second after it was reported. */
const SCORES_MS = 10_000;

/** Plays one match as its players would, and writes what happens to the timeline. Does not throw for what players met. */
export async function playMatch(plan: MatchPlan, stack: Stack, timeline: Timeline): Promise<MatchResult> {
  const ping = measured(plan);
  const players = await Promise.all(plan.players.map((username) => Player.connect(stack.nakama, { username, ping })));
  const size = players.length;
  const tell = (text: string): void => timeline.event(plan.name, text);
  const searches = await queue(plan, players, tell);

  const results = await Promise.all(
    searches.map((search, i) => waitForAnswer(plan.players[i] as string, players[i]?.userId as string, search)),
  );
  const matchedAtMs = Math.min(...players.map((player) => player.matchedAtMs[0] ?? Date.now()));
  const first = results.find((result) => result.answer?.kind === 'match')?.answer;
  const outcome: MatchResult = {
    plan,
    players: results,
    metTrouble: metTrouble(plan, stack),
    nakamaSawEverybody: false,
    partyKept: partyKept(plan, players),
  };
  if (first?.kind === 'match') {
    const { session_id: sessionId, host, port } = first.match;
    const afterMs = Math.max(...results.map((result) => result.answer?.atMs ?? 0)) - matchedAtMs;
    const region = stack.simulator.ledger.get(sessionId)?.region ?? 'an unknown region';
    tell(`session ${shortId(sessionId)} in ${region} at ${host}:${port}, ${afterMs} ms after the match was made`);
    if (plan.guest) await tryToGetIn(outcome, first.match, tell);
    const watching = watchRecord(stack, sessionId, size);
    const { latecomer } = plan;
    const late = latecomer && joinLate({ ...plan, latecomer }, stack, sessionId, watching, tell);
    await Promise.all(results.map((result) => play(plan.moves, result, late ? late.isIn : watching)));
    outcome.nakamaSawEverybody = await watching;
    if (late) outcome.late = await late.result;
    tell(gameText([...results, ...(outcome.late ? [outcome.late] : [])]));
    await tellEnd(stack, sessionId, tell);
    if (plan.leaderboard !== undefined) outcome.scores = await readScores(plan.leaderboard, players, tell);
  }
  for (const result of [...results, ...(outcome.late ? [outcome.late] : [])])
    if (result.error) timeline.event(plan.name, `${result.name}: ${result.error}`, 'bad');
  players.forEach((player) => player.closeSocket());
  return outcome;
}

/** Everybody queues, a party with one ticket. Answers what each of them waits for. */
async function queue(plan: MatchPlan, players: Player[], tell: (text: string) => void): Promise<Search[]> {
  const { party = [] } = plan;
  const alone = plan.players.filter((name) => !party.includes(name)).join(', ');
  const who = party.length > 0 ? `${party.join(' and ')} as a party, ${alone}` : alone;
  const mode = plan.mode === undefined ? '' : ` for mode ${plan.mode}`;
  tell(`${who} queue${mode}${plan.trouble ? ` (${plan.trouble.text})` : ''}`);
  const [leader, ...members] = players.filter((_player, i) => party.includes(plan.players[i] ?? ''));
  const partyId = await leader?.createParty(party.length);
  for (const member of members) await member.joinParty(partyId ?? '');
  return players.map(({ gameye }, i) => {
    const player = players[i] as Player;
    if (members.includes(player)) return gameye.follow();
    return gameye.queue({ ...ticketOf(plan), ...(partyId && player === leader && { partyId }) });
  });
}

/** As the matchmaker told every player: the party's members, and they only, have its id. */
function partyKept({ players: names, party = [] }: MatchPlan, players: Player[]): boolean {
  const inParty = names.map((name) => party.includes(name));
  const ids = new Set(players.filter((_player, i) => inParty[i]).map((player) => player.userId));
  return players.every(({ matched: [match] }) => {
    const members = (match?.users ?? []).filter(({ party_id }) => party_id);
    const sameParty = new Set(members.map(({ party_id }) => party_id)).size <= 1;
    return sameParty && members.length === ids.size && members.every(({ presence }) => ids.has(presence.user_id));
  });
}

function ticketOf(plan: MatchPlan) {
  const size = plan.players.length;
  const strings = { match: plan.name, ...(plan.mode !== undefined && { mode: plan.mode }) };
  return { query: `+properties.match:${plan.name}`, minCount: size, maxCount: size, strings };
}

/** The demo's regions are all on this machine, so their distances are made up. */
function measured({ pings }: MatchPlan) {
  return async (targets: PingTarget[]): Promise<Record<string, number>> =>
    Object.fromEntries(targets.flatMap(({ region, property }) => (pings[region] ? [[property, pings[region]]] : [])));
}

function metTrouble({ trouble }: MatchPlan, stack: Stack): boolean {
  if (!trouble) return true;
  const starts = stack.simulator.requests().filter((request) => request.operation === 'session-run');
  return starts.some(({ region, status }) => region === trouble.region && status === trouble.status);
}

/** Somebody who knows the address but has no seat, and copies another player's token. */
async function tryToGetIn(
  outcome: MatchResult,
  { host, port, seat_token: token }: Match,
  tell: (text: string) => void,
): Promise<void> {
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

/** Waits until all players are on a leaderboard, and says what it shows of them. */
async function readScores(
  id: string,
  players: Player[],
  tell: (text: string) => void,
): Promise<Record<string, number>> {
  const ids = new Set(players.map(({ userId }) => userId));
  let shown: [string, number][] = [];
  const isComplete = async (): Promise<boolean> => {
    const records = (await players[0]?.leaderboard(id)) ?? [];
    shown = records.filter(({ userId }) => ids.has(userId)).map(({ username, score }) => [username, score]);
    return shown.length === ids.size;
  };
  await until(isComplete, SCORES_MS, 'the scores', 100).catch(() => {}); // The verdict says what is missing.
  tell(`leaderboard ${id}: ${shown.map(([name, score]) => `${name} ${score}`).join(', ')}`);
  return Object.fromEntries(shown);
}

function gameText(results: PlayerResult[]): string {
  const games = results.flatMap((result) => result.game ?? []);
  const packets = games.reduce((sum, game) => sum + game.sent + game.received, 0);
  const moves = games.reduce((sum, game) => sum + game.confirmedMoves, 0);
  return `${count(games.length, 'player')} made ${count(moves, 'move')} with ${packets} packets, and left`;
}

/** Waits for a session to end, and says how it did. */
export async function tellEnd(stack: Stack, sessionId: string, tell: (text: string) => void): Promise<void> {
  const hasEnded = () => stack.simulator.ledger.get(sessionId)?.endedAtMs;
  await until(hasEnded, ENDED_MS, 'the end of the session').catch(() => {}); // The verdict says that it still runs.
  const entry = stack.simulator.ledger.get(sessionId);
  if (entry?.endedAtMs === undefined) return tell(`session ${shortId(sessionId)} still runs`);
  const why =
    entry.ended === 'exit' ? `its server ended by itself (exit code ${entry.exitCode})` : `ended by ${entry.ended}`;
  tell(`session ${shortId(sessionId)} is over: ${why}`);
}
