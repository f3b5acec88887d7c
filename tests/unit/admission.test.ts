import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newAllocation } from '../../src/allocation/create';
import { countSessions } from '../../src/database/allocations';
import { create } from '../../src/fleet/create';
import type { Call } from '../../src/nakama/caller';
import { startSolo } from '../../src/players/solo';
import { loopAllocator, type AllocatorState } from '../../src/worker/allocator';
import { configWith } from './support/config';
import { answer } from './support/gameye';
import { context, fakeNakama, type FakeNakama, type HttpRequest } from './support/nakama';
import { FLEET, putAllocation, putInstance, rowsIn } from './support/records';
import { refusal } from './support/refusal';

const request = { user_ids: ['u1', 'u2'], max_players: 2, latencies: [], metadata: {} };

let fake: FakeNakama;
let call: Call;
let now: number;
beforeEach(() => {
  now = 1_700_000_000_000;
  vi.spyOn(Date, 'now').mockImplementation(() => now);
  fake = fakeNakama();
  call = {
    ctx: context({ matchId: 'm1.n1' }),
    logger: fake.logger,
    nk: fake.nk,
    config: configWith({ GAMEYE_MAX_SESSIONS: '2' }),
  };
  fake.http = starts;
});
afterEach(() => void vi.restoreAllMocks());

const starts = ({ method, body }: HttpRequest) =>
  method === 'post'
    ? answer(201, { id: (body as { id: string }).id, host: 'h', ports: [{ type: 'udp', container: 7777, host: 9 }] })
    : answer(200, {});
const posts = (): number => fake.requests.filter(({ method }) => method === 'post').length;
const reasons = (): unknown[] => fake.sent().map(({ code, content }) => [code, content['reason']]);

/** A matched group's allocation, as its worker carries it out. */
function live(config = call.config): void {
  const worker = { ...call, config };
  const allocation = JSON.stringify(newAllocation(worker, request));
  let state: AllocatorState | undefined = { allocation, wake_at_ms: 0 };
  for (let tick = 0; state && tick < 100; tick++) {
    now = Math.max(now + 17, state.wake_at_ms);
    state = loopAllocator(worker, state);
  }
  expect(state).toBeUndefined();
}

describe('with GAMEYE_MAX_SESSIONS', () => {
  it('a session is started while there is room', () => {
    putInstance(fake, { id: 'r0' });
    live();
    expect([posts(), countSessions(fake.nk, FLEET)]).toEqual([1, 2]);
  });

  it.each<[string, () => void]>([
    ['run', () => putInstance(fake, { id: 'r1' })],
    ['are being started', () => putAllocation(fake, {}, { attempts: 1 })],
    [
      'may run although they were given up',
      () => putAllocation(fake, {}, { state: 'announced', abandoned: [{ session_id: 'x', since_ms: 0 }] }),
    ],
  ])('the players of one too many are told so and nothing is sent, when as many %s', (_how, arrange) => {
    putInstance(fake, { id: 'r0' });
    arrange();
    live();
    expect(reasons()).toEqual([
      [7301, 'quota_exceeded'],
      [7301, 'quota_exceeded'],
    ]);
    expect(fake.requests).toEqual([]);
  });

  it.each<[string, () => void]>([
    ['that may be gone', () => putInstance(fake, { id: 'r1', status: 'lost' })],
    ['for which nothing was sent', () => putAllocation(fake)],
    ['that was asked for and is over', () => putAllocation(fake, {}, { state: 'over', attempts: 1 })],
  ])('a session %s counts for nothing', (_how, arrange) => {
    putInstance(fake, { id: 'r0' });
    arrange();
    live();
    expect(posts()).toBe(1);
  });

  it('an attempt that is repeated is not counted again', () => {
    putInstance(fake, { id: 'r0' });
    fake.http = (sent) => (posts() === 1 ? { code: 503, headers: {}, body: '' } : starts(sent));
    live();
    expect(posts()).toBe(2);
    expect(fake.sent().map(({ code }) => code)).toEqual([7300, 7300]);
  });

  it('requests of servers and of single players are refused with code 8', () => {
    for (const id of ['r0', 'r1']) putInstance(fake, { id });
    expect(refusal(() => create(call, { ...request, user_ids: [] }))).toMatchObject({ code: 8 });
    expect(refusal(() => startSolo(call, 'u9'))).toMatchObject({ code: 8 });
    expect(rowsIn(fake, 'allocation')).toBe(0);
  });
});

it('without GAMEYE_MAX_SESSIONS as many are started as are asked for', () => {
  for (let i = 0; i < 5; i++) putInstance(fake, { id: `r${i}` });
  live(configWith());
  expect(posts()).toBe(1);
});
