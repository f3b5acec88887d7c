import { describe, expect, it } from 'vitest';
import type { LedgerEntry } from '../../dev/gameye/ledger.ts';
import type { MatchResult, PlayerResult } from '../../dev/demo/play-match.ts';
import { matchPlans, type MatchPlan } from '../../dev/demo/scenario.ts';
import { problemsOf, summary } from '../../dev/demo/verdict.ts';

const plan = matchPlans.find((one) => one.guest !== undefined) as MatchPlan;

function player(name: string, change: Partial<PlayerResult> = {}): PlayerResult {
  const answer = {
    kind: 'match',
    host: '127.0.0.1',
    port: 20_001,
    sessionId: 'session-1',
    seatToken: 'v1.a.b',
  } as const;
  return {
    name,
    userId: `id-of-${name}`,
    answer: { ...answer, atMs: 1, via: 'live', notificationId: name, content: {} },
    game: {
      welcomedAtMs: 1,
      leftAtMs: 2,
      sent: plan.moves + 2,
      received: plan.moves + 2,
      confirmedMoves: plan.moves,
      lastState: { [`id-of-${name}`]: { x: 1, y: 1, moves: plan.moves } },
      endedBy: 'leave',
      reason: 'left',
    },
    ...change,
  };
}

function match(change: Partial<MatchResult> = {}): MatchResult {
  const players = plan.players.map((name) => player(name));
  return {
    plan,
    players,
    metTrouble: true,
    nakamaSawEverybody: true,
    guestRefused: 'a seat token is needed',
    ...change,
  };
}

function session(change: Partial<LedgerEntry> = {}): LedgerEntry {
  const ended = { requestedAtMs: 1, runningAtMs: 2, endedAtMs: 3, ended: 'exit', exitCode: 0 } as const;
  return { id: 'session-1', region: plan.region, ...ended, ...change } as LedgerEntry;
}

const noLogs = new Map<string, string>();

describe('the verdict on a demo', () => {
  it('is good when everybody played on one session that ended by itself', () => {
    expect(problemsOf([match()], [session()], noLogs)).toEqual([]);
    expect(summary([match()], [session()])).toMatch(
      /^1 match, 4 players, 1 session started and ended, none doubled, 416 packets/,
    );
  });

  it.each<[string, MatchResult, LedgerEntry[], RegExp]>([
    ['a session nobody was told of', match(), [session(), session({ id: 'session-2' })], /no player was told/],
    [
      'a session that still runs',
      match(),
      [{ ...session(), endedAtMs: undefined } as unknown as LedgerEntry],
      /still runs/,
    ],
    ['a session that had to be stopped', match(), [session({ ended: 'stop', exitCode: 143 })], /ended by stop/],
    ['a server that crashed', match(), [session({ exitCode: 1 })], /code 1/],
    ['a session in another region', match(), [session({ region: 'mars-1' })], /mars-1/],
    ['a session that never was', match(), [], /never started/],
    ['trouble that did not come', match({ metTrouble: false }), [session()], /never happened/],
    ['a record without the players', match({ nakamaSawEverybody: false }), [session()], /never showed all 4 players/],
    [
      'a guest who got in',
      { ...match(), guestRefused: undefined } as unknown as MatchResult,
      [session()],
      /not turned away/,
    ],
    [
      'a player with an error',
      match({ players: [player('ana', { error: 'no answer' })] }),
      [session()],
      /ana: no answer/,
    ],
  ])('names %s', (_what, result, sessions, problem) => {
    expect(problemsOf([result], sessions, noLogs).join('\n')).toMatch(problem);
  });

  it('names players who were sent to different sessions', () => {
    const [first, ...others] = match().players as [PlayerResult, ...PlayerResult[]];
    const elsewhere = { ...first, answer: { ...first.answer, sessionId: 'session-2' } } as PlayerResult;
    const problems = problemsOf(
      [match({ players: [elsewhere, ...others] })],
      [session(), session({ id: 'session-2' })],
      noLogs,
    );
    expect(problems.join('\n')).toMatch(/2 different sessions/);
  });

  it('names a player whose moves the server did not confirm', () => {
    const slow = player('ana');
    const game = { ...slow.game, confirmedMoves: 3 } as NonNullable<PlayerResult['game']>;
    expect(problemsOf([match({ players: [{ ...slow, game }] })], [session()], noLogs).join('\n')).toMatch(
      /only 3 of ana's/,
    );
  });

  it('names a game server that could not reach Nakama', () => {
    const logs = new Map([['session-1', 'x joined\nx REPORT FAILED gameye_server_join: 401\n']]);
    expect(problemsOf([match()], [session()], logs).join('\n')).toMatch(/could not tell Nakama.*401/);
  });
});
