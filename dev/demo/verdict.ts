import type { LedgerEntry } from '../gameye/ledger.ts';
import type { Match } from '../../kits/client/gameye-client.ts';
import type { LateResult } from './latecomer.ts';
import type { MatchResult } from './play-match.ts';
import type { RoomResult } from './play-room.ts';
import type { PlayerResult } from './player-result.ts';
import { count, shortId } from './timeline.ts';

/**
 * Everything that is wrong with a finished demo, as sentences; empty when all went as promised: every player played with
 * the server they were told of, one session per match, in the right region and mode, all ended, the guest stayed out, the
 * party stayed whole, the latecomers joined the running game, and who lost the connection came back to the same one.
 */
export function problemsOf(
  results: MatchResult[],
  rooms: RoomResult[],
  sessions: readonly LedgerEntry[],
  serverLogs: Map<string, string>,
): string[] {
  const problems = [
    ...results.flatMap((result) => matchProblems(result, sessions)),
    ...rooms.flatMap((room) => roomProblems(room, sessions)),
  ];
  const announced = new Set([
    ...results.flatMap((result) => [...sessionIdsOf(result), ...idOf(result.late)]),
    ...rooms.flatMap(({ host, friend, back }) => [host, friend, back].flatMap(idOf)),
  ]);
  for (const session of sessions) {
    const id = `session ${shortId(session.id)}`;
    if (!announced.has(session.id))
      problems.push(`${id} in ${session.region} was started, but no player was told of it`);
    if (session.endedAtMs === undefined) problems.push(`${id} still runs although its players have left`);
    else if (session.ended !== 'exit' || session.exitCode !== 0) {
      problems.push(`${id} ended by ${session.ended} with code ${session.exitCode} instead of by itself`);
    }
    const failed = (serverLogs.get(session.id) ?? '').split('\n').find((line) => line.includes('REPORT FAILED'));
    if (failed) problems.push(`the game server of ${id} could not tell Nakama about its players: ${failed}`);
  }
  for (const id of announced)
    if (!sessions.some((session) => session.id === id)) problems.push(`session ${shortId(id)} was never started`);
  return problems;
}

function matchProblems(result: MatchResult, sessions: readonly LedgerEntry[]): string[] {
  const { plan } = result;
  const problems = result.players.flatMap((player) => playerProblems(result, player));
  const ids = sessionIdsOf(result);
  if (ids.length > 1) problems.push(`${plan.name}: its players were sent to ${ids.length} different sessions`);
  const session = sessions.find((entry) => entry.id === ids[0]);
  if (session && session.region !== plan.region) {
    problems.push(`${plan.name}: the session started in ${session.region}, not in ${plan.region}`);
  }
  if (session) problems.push(...modeProblems(plan, session));
  if (!result.metTrouble) problems.push(`${plan.name}: "${plan.trouble?.text}" never happened, so nothing was shown`);
  if (ids.length > 0 && !result.nakamaSawEverybody) {
    problems.push(`${plan.name}: Nakama's record never showed all ${plan.players.length} players as joined`);
  }
  if (plan.latecomer && ids.length > 0) problems.push(...lateProblems(result, session));
  if (plan.leaderboard !== undefined && ids.length > 0) problems.push(...scoreProblems(result));
  if (!result.partyKept)
    problems.push(`${plan.name}: the party of ${plan.party?.join(' and ')} was not matched as one`);
  if (ids.length > 0 && plan.guest && result.guestRefused === undefined) {
    problems.push(`${plan.name}: ${plan.guest} was not turned away, although without a seat`);
  }
  return problems;
}

/** Every move that the game server confirmed to a player counts on the leaderboard. */
function scoreProblems({ plan, players, scores = {} }: MatchResult): string[] {
  return players.flatMap(({ name, game }) =>
    scores[name] !== undefined && scores[name] >= (game?.confirmedMoves ?? 0)
      ? []
      : [
          `${plan.name}: the leaderboard shows ${scores[name] ?? 'nothing'} for ${name}, who made ${game?.confirmedMoves ?? 0} moves`,
        ],
  );
}

function playerProblems(
  { plan, players }: { plan: { name: string; moves: number }; players: PlayerResult[] },
  { name, answer, game, error }: PlayerResult,
): string[] {
  if (error) return [`${plan.name}: ${name}: ${error}`];
  if (answer?.kind !== 'match') return [`${plan.name}: ${name} got no address`];
  if (!answer.match.seat_token) return [`${plan.name}: ${name} got no seat token`];
  if (!game || game.confirmedMoves < plan.moves) {
    return [
      `${plan.name}: only ${game?.confirmedMoves ?? 0} of ${name}'s ${plan.moves} moves were confirmed by the server`,
    ];
  }
  if (Object.keys(game.lastState).length < 1 || game.received < plan.moves) {
    return [`${plan.name}: ${name} saw no game with ${players.length} players`];
  }
  return [];
}

/** Seated in the session that was running when they asked, with those who played there. */
function lateProblems({ plan, players, late }: MatchResult, session: LedgerEntry | undefined): string[] {
  if (!late) return [`${plan.name}: ${plan.latecomer?.name} never came`];
  const problems = playerProblems({ plan, players }, late);
  if (problems.length > 0) return problems;
  const { name, answer, askedAtMs, metAtWelcome = [], nakamaSaw } = late as LateResult & { answer: { match: Match } };
  if (answer.match.session_id !== session?.id) return [`${plan.name}: ${name} was not seated in the running game`];
  if (!(session.runningAtMs !== undefined && session.runningAtMs < askedAtMs)) {
    problems.push(`${plan.name}: the game was not running yet when ${name} asked for one`);
  }
  if (!players.every(({ userId }) => metAtWelcome.includes(userId))) {
    problems.push(`${plan.name}: the others had left when ${name} was let in`);
  }
  if (!nakamaSaw) problems.push(`${plan.name}: Nakama's record never showed ${name} as joined beside the others`);
  return problems;
}

/** The label by which Gameye and a studio's console tell modes apart; without a mode there is none. */
function modeProblems({ name, mode }: { name: string; mode?: string }, { labels }: LedgerEntry): string[] {
  const found = labels['nakama_mode'];
  return found === mode ? [] : [`${name}: its session is of mode ${found ?? 'none'}, not of ${mode ?? 'none'}`];
}

function roomProblems({ plan, host, friend, back, wasHeld }: RoomResult, sessions: readonly LedgerEntry[]): string[] {
  const players = [host, friend];
  const problems = [host, friend, back].flatMap((player) => playerProblems({ plan, players }, player));
  if (problems.length > 0) return problems;
  const ids = new Set([host, friend, back].flatMap(idOf));
  if (ids.size > 1) problems.push(`${plan.name}: its players were sent to ${ids.size} different sessions`);
  const session = sessions.find(({ id }) => ids.has(id));
  if (session) problems.push(...modeProblems(plan, session));
  if (!wasHeld) problems.push(`${plan.name}: Nakama's record never showed that the seat of ${friend.name} is held`);
  if (!back.metAtWelcome?.includes(host.userId))
    problems.push(`${plan.name}: ${friend.name} came back, and ${host.name} was not there`);
  return problems;
}

/** The last line of a demo that went well. */
export function summary(results: MatchResult[], rooms: RoomResult[], sessions: readonly LedgerEntry[]): string {
  const late = results.flatMap((result) => result.late ?? []);
  const parties = results.filter(({ plan }) => plan.party).length;
  const players = [
    ...results.flatMap((result) => result.players),
    ...late,
    ...rooms.flatMap(({ host, friend }) => [host, friend]),
  ];
  const games = [...players, ...rooms.map(({ back }) => back)];
  const packets = games.reduce((sum, { game }) => sum + (game ? game.sent + game.received : 0), 0);
  const parts = [
    count(results.length, 'match'),
    ...(rooms.length > 0 ? [count(rooms.length, 'room')] : []),
    count(players.length, 'player'),
    `${count(sessions.length, 'session')} started and ended, none doubled`,
    ...(late.length > 0 ? [`${count(late.length, 'player')} seated in a running game`] : []),
    ...(parties > 0 ? [`${count(parties, 'party')} kept whole`] : []),
    ...(rooms.length > 0 ? [`${count(rooms.length, 'player')} back after a lost connection`] : []),
    ...(results.some(({ plan }) => plan.leaderboard) ? ['scores on the leaderboard'] : []),
    `${packets} packets exchanged`,
  ];
  return parts.join(', ');
}

function sessionIdsOf(result: MatchResult): string[] {
  return [...new Set(result.players.flatMap(idOf))];
}

function idOf(player: PlayerResult | undefined): string[] {
  return player?.answer?.kind === 'match' ? [player.answer.match.session_id] : [];
}
