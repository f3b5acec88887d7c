import { describe, expect, it } from 'vitest';
import type { LedgerEntry } from '../../dev/gameye/ledger.ts';
import type { LateResult } from '../../dev/demo/latecomer.ts';
import type { MatchResult } from '../../dev/demo/play-match.ts';
import type { PlayerResult } from '../../dev/demo/player-result.ts';
import type { RoomResult } from '../../dev/demo/play-room.ts';
import { matchPlans, roomPlan, type MatchPlan } from '../../dev/demo/scenario.ts';
import { problemsOf, summary } from '../../dev/demo/verdict.ts';

const { latecomer: _later, ...plan } = matchPlans.find((one) => one.guest !== undefined) as MatchPlan;

function inSession(session_id: string): NonNullable<PlayerResult['answer']> {
  return { kind: 'match', match: { host: '127.0.0.1', port: 20_001, session_id, seat_token: 'v1.a.b' }, atMs: 1 };
}

function player(name: string, change: Partial<PlayerResult> = {}): PlayerResult {
  return {
    name,
    userId: `id-of-${name}`,
    answer: inSession('session-1'),
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
    partyKept: true,
    guestRefused: 'a seat token is needed',
    ...change,
  };
}

function session(change: Partial<LedgerEntry> = {}): LedgerEntry {
  const ended = { requestedAtMs: 1, runningAtMs: 2, endedAtMs: 3, ended: 'exit', exitCode: 0 } as const;
  const labels = { nakama_mode: plan.mode };
  return { id: 'session-1', region: plan.region, labels, ...ended, ...change } as LedgerEntry;
}

const noLogs = new Map<string, string>();

describe('the verdict on a demo', () => {
  it('is bad when a move that counted is not on the leaderboard of the mode', () => {
    const scored = { ...plan, leaderboard: 'all' };
    const scores = Object.fromEntries(plan.players.map((name) => [name, plan.moves]));
    expect(problemsOf([match({ plan: scored, scores })], [], [session()], noLogs)).toEqual([]);
    const [first = '', ...others] = plan.players;
    const { [first]: _missing, ...rest } = scores;
    expect(problemsOf([match({ plan: scored, scores: rest })], [], [session()], noLogs)).toEqual([
      `${plan.name}: the leaderboard shows nothing for ${first}, who made ${plan.moves} moves`,
    ]);
    const low = { ...scores, [others[0] ?? '']: 1 };
    expect(problemsOf([match({ plan: scored, scores: low })], [], [session()], noLogs)).toHaveLength(1);
  });
  it('is good when everybody played on one session that ended by itself', () => {
    expect(problemsOf([match()], [], [session()], noLogs)).toEqual([]);
    expect(summary([match()], [], [session()])).toMatch(
      /^1 match, 4 players, 1 session started and ended, none doubled, 1 party kept whole, 416 packets/,
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
    [
      'a session of another mode',
      match(),
      [session({ labels: { nakama_mode: 'duel' } })],
      /of mode duel, not of arena/,
    ],
    ['a session that never was', match(), [], /never started/],
    ['trouble that did not come', match({ metTrouble: false }), [session()], /never happened/],
    ['a record without the players', match({ nakamaSawEverybody: false }), [session()], /never showed all 4 players/],
    [
      'a guest who got in',
      { ...match(), guestRefused: undefined } as unknown as MatchResult,
      [session()],
      /not turned away/,
    ],
    ['a party that was torn apart', match({ partyKept: false }), [session()], /party of finn and gus/],
    [
      'a player with an error',
      match({ players: [player('ana', { error: 'no answer' })] }),
      [session()],
      /ana: no answer/,
    ],
  ])('names %s', (_what, result, sessions, problem) => {
    expect(problemsOf([result], [], sessions, noLogs).join('\n')).toMatch(problem);
  });

  describe('where somebody comes late', () => {
    const latePlan: MatchPlan = { ...plan, latecomer: { name: 'jo', by: 'solo' } };
    const late = (change: Partial<LateResult> = {}): LateResult => ({
      ...player('jo'),
      askedAtMs: 3,
      metAtWelcome: [...plan.players, 'jo'].map((name) => `id-of-${name}`),
      nakamaSaw: true,
      ...change,
    });
    const verdict = (result: Partial<MatchResult>, sessions = [session()]): string =>
      problemsOf([match({ plan: latePlan, ...result })], [], sessions, noLogs).join('\n');

    it('is good when they played with the others in the session that was running', () => {
      expect(verdict({ late: late() })).toBe('');
      expect(summary([match({ plan: latePlan, late: late() })], [], [session()])).toMatch(
        /^1 match, 5 players, 1 session .*1 player seated in a running game, 1 party kept whole, 520 packets/,
      );
    });

    const elsewhere = inSession('session-2');
    it.each<[string, LateResult | undefined, LedgerEntry[], RegExp]>([
      ['one who never came', undefined, [session()], /jo never came/],
      ['one who got no answer', late({ error: 'no answer' }), [session()], /jo: no answer/],
      [
        'a session of their own',
        late({ answer: elsewhere }),
        [session(), session({ id: 'session-2' })],
        /not seated in/,
      ],
      ['a game that had not begun', late({ askedAtMs: 2 }), [session()], /not running yet/],
      ['a game that was empty', late({ metAtWelcome: ['id-of-jo'] }), [session()], /others had left/],
      ['a record without them', late({ nakamaSaw: false }), [session()], /never showed jo/],
    ])('names %s', (_what, result, sessions, problem) => {
      const found = verdict(result ? { late: result } : {}, sessions);
      expect(found).toMatch(problem);
      expect(found.split('\n')).toHaveLength(1);
    });
  });

  describe('where a player of a room loses the connection', () => {
    const { host, friend } = roomPlan;
    const room = (change: Partial<RoomResult> = {}): RoomResult => ({
      plan: roomPlan,
      host: player(host),
      friend: player(friend),
      back: player(friend, { metAtWelcome: [`id-of-${host}`, `id-of-${friend}`] }),
      wasHeld: true,
      ...change,
    });
    const verdict = (result: RoomResult, sessions = [session()]): string =>
      problemsOf([], [result], sessions, noLogs).join('\n');

    it('is good when they came back to the same game', () => {
      expect(verdict(room())).toBe('');
      expect(summary([], [room()], [session()])).toMatch(
        /1 room, 2 players, 1 session .*, 1 player back after a lost connection, 312 packets/,
      );
    });

    it.each<[string, RoomResult, LedgerEntry[], RegExp]>([
      [
        'one who got no address',
        room({ back: { name: friend, userId: 'x', error: 'no seat' } }),
        [session()],
        /no seat/,
      ],
      [
        'another session',
        room({ back: player(friend, { answer: inSession('session-2') }) }),
        [session(), session({ id: 'session-2' })],
        /2 different sessions/,
      ],
      ['another mode', room(), [session({ labels: {} })], /of mode none, not of arena/],
      ['a seat that was not held', room({ wasHeld: false }), [session()], /is held/],
      [
        'an empty game',
        room({ back: player(friend, { metAtWelcome: [`id-of-${friend}`] }) }),
        [session()],
        /not there/,
      ],
    ])('names %s', (_what, result, sessions, problem) => {
      expect(verdict(result, sessions)).toMatch(problem);
    });
  });

  it('names players who were sent to different sessions', () => {
    const [first, ...others] = match().players as [PlayerResult, ...PlayerResult[]];
    const elsewhere = { ...first, answer: inSession('session-2') };
    const problems = problemsOf(
      [match({ players: [elsewhere, ...others] })],
      [],
      [session(), session({ id: 'session-2' })],
      noLogs,
    );
    expect(problems.join('\n')).toMatch(/2 different sessions/);
  });

  it('names a player whose moves the server did not confirm', () => {
    const slow = player('ana');
    const game = { ...slow.game, confirmedMoves: 3 } as NonNullable<PlayerResult['game']>;
    expect(problemsOf([match({ players: [{ ...slow, game }] })], [], [session()], noLogs).join('\n')).toMatch(
      /only 3 of ana's/,
    );
  });

  it('names a game server that could not reach Nakama', () => {
    const logs = new Map([['session-1', 'x joined\nx REPORT FAILED gameye_server_join: 401\n']]);
    expect(problemsOf([match()], [], [session()], logs).join('\n')).toMatch(/could not tell Nakama.*401/);
  });
});
