import { beforeEach, describe, expect, it } from 'vitest';
import { newAllocation } from '../../src/allocation/create';
import { create } from '../../src/fleet/create';
import { startSolo } from '../../src/players/solo';
import { leaveAll, standing } from '../../src/players/standing';
import type { Call } from '../../src/nakama/caller';
import { loopAllocator, type AllocatorState } from '../../src/worker/allocator';
import { configWith } from './support/config';
import { answer } from './support/gameye';
import { context, fakeNakama, type FakeNakama } from './support/nakama';
import { putInstance, rowsIn, seatOf } from './support/records';
import { refusal } from './support/refusal';

let fake: FakeNakama;
let call: Call;
let refused: number;

const begin = (variables: { [name: string]: string } = {}): void => {
  fake = fakeNakama();
  refused = 0;
  fake.nk.metricsCounterAdd = (name, { reason }, delta) => {
    if (name === 'gameye_refusals' && reason === 'starts') refused += delta;
  };
  fake.http = ({ method, body }) => {
    const { id } = (body ?? {}) as { id?: string };
    const ports = [{ type: 'udp', container: 7777, host: 9 }];
    return method === 'post' ? answer(201, { id, host: '5.6.7.8', ports }) : answer(200, {});
  };
  const config = configWith({ GAMEYE_STARTS_PER_MINUTE: '3', ...variables });
  call = { ctx: context({ matchId: 'm1.n1' }), logger: fake.logger, nk: fake.nk, config };
};

beforeEach(() => begin());

/** A matched group's worker, to its end. */
const match = (...userIds: string[]): void => {
  const request = { user_ids: userIds, max_players: userIds.length, latencies: [], metadata: {} };
  const allocation = { ...newAllocation(call, request), created_at_ms: 0 };
  let state: AllocatorState | undefined = { allocation: JSON.stringify(allocation), wake_at_ms: 0 };
  for (let i = 0; state && i < 20; i++) state = loopAllocator(call, { ...state, wake_at_ms: 0 });
};
const posts = (): unknown[] => fake.requests.filter(({ method }) => method === 'post').map(({ body }) => body);
const told = (userId: string): unknown[] =>
  fake.sent().flatMap((one) => (one.userId === userId ? [one.content['reason'] ?? one.content['session_id']] : []));
const often = (userId: string, times = 3): void => {
  for (let i = 0; i < times; i++) match(userId, `other-${userId}-${i}`);
};

describe('starts of one player within a minute', () => {
  it('above the limit get that player no server and a reason, and the others of the match theirs', () => {
    often('u1');
    match('u1', 'u2', 'u3');
    expect(told('u1')[3]).toBe('quota_exceeded');
    expect(told('u1')).toHaveLength(4);
    for (const userId of ['u2', 'u3']) expect(told(userId)).toEqual([expect.stringMatching(/-/)]);
    expect(posts()[3]).toMatchObject({ env: { NAKAMA_MATCH_USER_IDS: 'u2,u3' } });
    expect(refused).toBe(1);
  });

  it('above the limit are told of once, also when the answer of the first statement was lost', () => {
    often('u1');
    let isLost = false;
    fake.after = (event) => {
      if (isLost || event.kind !== 'sql' || !event.statement.includes('too_often')) return;
      isLost = true;
      throw new Error('context canceled');
    };
    match('u1', 'u2');
    expect(isLost).toBe(true);
    expect([told('u1').slice(3), told('u2')]).toEqual([['quota_exceeded'], [expect.stringMatching(/-/)]]);
  });

  it('of all players of a match above the limit start nothing, and leave nothing behind', () => {
    often('u1');
    often('u2');
    match('u1', 'u2');
    expect([told('u1')[3], told('u2')[3], posts().length, refused]).toEqual(['quota_exceeded', 'quota_exceeded', 6, 2]);
    expect(rowsIn(fake, 'allocation')).toBe(0);
  });

  it('above the limit are shown to a player who plays nowhere, and cost nobody a seat', () => {
    often('u1');
    const before = seatOf(fake, 'u1');
    match('u1', 'u2');
    expect(seatOf(fake, 'u1')).toEqual(before);
    leaveAll(call, 'u1');
    match('u1', 'u3');
    expect(standing(call, 'u1')).toEqual({ state: 'failed', reason: 'quota_exceeded' });
  });

  it('count whatever the way: matched, alone, or asked for by a server', () => {
    match('u1', 'u2');
    startSolo(call, 'u1');
    create(call, { user_ids: ['u1'], max_players: 2, latencies: [], metadata: {} });
    leaveAll(call, 'u1');
    expect(refusal(() => startSolo(call, 'u1'))).toMatchObject({ code: 8 });
    const request = { user_ids: ['u1'], max_players: 2, latencies: [], metadata: {} };
    expect(refusal(() => create(call, request))).toMatchObject({ code: 8 });
    create(call, { ...request, user_ids: ['u1', 'u2'] });
    expect(told('u1').slice(-1)).toEqual(['quota_exceeded']);
    expect(seatOf(fake, 'u2')).toMatchObject({ state: 'starting' });
  });

  it('are few again after a minute', () => {
    often('u1');
    const now = Date.now() + 61_000;
    fake.clock = () => now;
    match('u1', 'u2');
    expect(told('u1')[3]).toMatch(/-/);
  });

  it('that were matched do not count among those that a player may ask for alone', () => {
    begin({ GAMEYE_SOLO_PER_MINUTE: '1' });
    match('u1', 'u2');
    leaveAll(call, 'u1');
    expect(startSolo(call, 'u1')).toEqual({ status: 'starting' });
  });

  it('have no limit with 0, and are not counted then', () => {
    begin({ GAMEYE_STARTS_PER_MINUTE: '0' });
    often('u1', 14);
    expect(posts()).toHaveLength(14);
    expect(seatOf(fake, 'u1')).toMatchObject({ starts: [] });
  });

  it('leave seats in running sessions alone', () => {
    often('u1');
    putInstance(fake, { id: 's9' }, { u9: 'joined' });
    match('u1', 'u9');
    expect(told('u9')).toEqual([expect.stringMatching(/-/)]);
  });
});
