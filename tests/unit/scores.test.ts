import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { arrive } from '../../src/database/reports';
import { configure } from '../../src/extension/extension';
import { createLeaderboards } from '../../src/extension/scores';
import type { Call } from '../../src/nakama/caller';
import { reportResult } from '../../src/servers/results';
import { ensureFollowUp, loopFollowUp } from '../../src/supervision/follow-up';
import { configWith } from './support/config';
import { context, fakeNakama, goError, type FakeNakama } from './support/nakama';
import { FLEET, putInstance } from './support/records';

const A = '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6';
const B = '00000000-0000-4000-8000-000000000001';
const MODES = JSON.stringify({ duel: { leaderboard: 'duels' }, free: {}, pair: { leaderboard: 'duels' } });

let fake: FakeNakama;
let call: Call;
let written: unknown[][];
let created: unknown[][];
let failing: Error | undefined;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_000 });
  fake = fakeNakama();
  [written, created, failing] = [[], [], undefined];
  fake.nk.usersGetId = (ids) =>
    ids.filter((id) => id !== B).map((userId) => ({ userId, username: `name-${userId[0]}` }));
  fake.nk.leaderboardRecordWrite = (...record) => {
    if (failing) throw failing;
    return written.push(record);
  };
  fake.nk.leaderboardCreate = (...board) => {
    if (failing) throw failing;
    created.push(board);
  };
  call = { ctx: context(), logger: fake.logger, nk: fake.nk, config: configWith({ GAMEYE_MODES: MODES }) };
});
afterEach(() => {
  vi.useRealTimers();
  configure({});
});

const followUp = (): void => {
  ensureFollowUp(call);
  loopFollowUp(call, { follow_up: true });
};
const play = (scores: unknown, mode = 'duel'): void => {
  putInstance(fake, { mode }, {});
  arrive(fake.nk, FLEET, 's1', [A, B]);
  reportResult(call, 's1', { scores });
  followUp();
};
const stored = (): unknown => fake.query('SELECT callback, attempts FROM gameye_result');

describe('the scores of a result', () => {
  it('are written on the leaderboard of the mode, for players who were there and have an account', () => {
    play({ [A]: 12, [B]: 5, '7c1e5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6': 99 });
    expect(written).toEqual([['duels', A, 'name-5', 12]]);
    expect(stored()).toEqual([{ callback: 'done', attempts: 1 }]);
    followUp();
    expect(written).toHaveLength(1);
  });

  it.each([
    ['none', undefined],
    ['a list', [1, 2]],
    ['a text', { [A]: '12' }],
    ['a fraction', { [A]: 1.5 }],
    ['a score below zero', { [A]: -1 }],
    ['too large a score', { [A]: 2 ** 60 }],
    ['a score for a name that all objects have', { constructor: 1 }],
  ])('are left out when there is %s', (_what, scores) => {
    play(scores);
    expect([written, stored()]).toEqual([[], [{ callback: 'done', attempts: 1 }]]);
  });

  it('are kept for whoever fetches them where the mode has no leaderboard', () => {
    play({ [A]: 12 }, 'free');
    expect(written).toEqual([]);
  });

  it('are written again when Nakama could not, and then the module hears of the result', () => {
    const heard: unknown[] = [];
    configure({ onResult: (_ctx, _logger, _nk, { result }) => void heard.push(result) });
    failing = goError('error writing leaderboard record: database is gone');
    play({ [A]: 12 });
    expect([heard, stored()]).toEqual([[], [{ callback: 'waiting', attempts: 1 }]]);
    failing = undefined;
    vi.setSystemTime(Date.now() + 60_000);
    followUp();
    expect([heard, written]).toEqual([[{ scores: { [A]: 12 } }], [['duels', A, 'name-5', 12]]]);
  });
});

it('leaderboards are made once each when Nakama starts, which also starts, and says so, when that fails', () => {
  call = { ...call, config: configWith({ GAMEYE_MODES: MODES, GAMEYE_LEADERBOARD: 'all' }) };
  createLeaderboards(call);
  expect(created).toEqual([
    ['all', true, 'desc', 'best'],
    ['duels', true, 'desc', 'best'],
  ]);
  failing = goError('error creating leaderboard: database is gone');
  createLeaderboards(call);
  expect(fake.log.map(({ level, fields }) => [level, fields['leaderboard']])).toEqual([
    ['error', 'all'],
    ['error', 'duels'],
  ]);
});

it('a mode without a leaderboard of its own uses GAMEYE_LEADERBOARD', () => {
  call = { ...call, config: configWith({ GAMEYE_MODES: MODES, GAMEYE_LEADERBOARD: 'all' }) };
  play({ [A]: 3 }, 'free');
  expect(written).toEqual([['all', A, 'name-5', 3]]);
});
