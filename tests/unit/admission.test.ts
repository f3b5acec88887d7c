import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newAllocation } from '../../src/allocation/create';
import { countSessions } from '../../src/database/allocations';
import { create } from '../../src/fleet/create';
import type { Call } from '../../src/nakama/caller';
import { startSolo } from '../../src/players/solo';
import { loopAllocator, type AllocatorState } from '../../src/worker/allocator';
import { configWith } from './support/config';
import { answer } from './support/gameye';
import { context, fakeNakama, goError, OWNER, type FakeNakama, type HttpRequest } from './support/nakama';
import { FLEET, instanceIn, putAllocation, putInstance, rowsIn } from './support/records';
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
  ])('players beyond the limit are told so, and nothing is sent, when as many sessions %s', (_how, arrange) => {
    putInstance(fake, { id: 'r0' });
    arrange();
    live();
    expect(reasons()).toEqual([
      [7301, 'quota_exceeded'],
      [7301, 'quota_exceeded'],
    ]);
    expect(posts()).toBe(0);
  });

  describe('a session that crashed', () => {
    /** These run at Gameye; a list shows them. */
    const runs = (...ids: string[]): void => {
      const shown = (id: string): object => ({
        ...{ id, status: 'running', host: '1.2.3.4', port: { '7777/udp': 20001 }, location: 'eu', image: 'my-game' },
        labels: { tags: JSON.stringify({ nakama_fleet: FLEET, nakama_owner: OWNER }) },
      });
      fake.http = (sent) => {
        if (sent.method !== 'get') return starts(sent);
        if (sent.url.includes('/session?')) return answer(200, { sessions: ids.map(shown) });
        const id = sent.url.split('/session/')[1] ?? '';
        return ids.includes(id) ? answer(200, shown(id)) : answer(404, {});
      };
    };
    const lists = (): number => fake.requests.filter(({ url }) => url.includes('/session?')).length;

    it('counts no more once a match is refused because of it: that match gets a session', () => {
      for (const id of ['r0', 'r1']) putInstance(fake, { id });
      runs('r0');
      live();
      expect(fake.sent().map(({ code }) => code)).toEqual([7300, 7300]);
      expect([posts(), lists(), instanceIn(fake, 'r1')?.status]).toEqual([1, 1, 'lost']);
    });
    it('counts no more once a server or a single player is refused because of it', () => {
      for (const id of ['r0', 'r1']) putInstance(fake, { id });
      runs('r0');
      expect(create(call, { ...request, user_ids: [] })).toHaveProperty('session_id');
      expect(startSolo(call, 'u9')).toEqual({ status: 'starting' });
    });
    it('is looked for every few seconds at most, however many requests are refused', () => {
      for (const id of ['r0', 'r1']) putInstance(fake, { id });
      runs('r0', 'r1');
      for (let i = 0; i < 20; i++) {
        now += 100;
        expect(refusal(() => create(call, { ...request, user_ids: [] })).code).toBe(8);
      }
      expect(lists()).toBe(1);
      const from = now;
      live();
      // A match waits for the next look instead.
      expect([lists(), now - from > 1000, now - from < 5000]).toEqual([2, true, true]);
      expect(reasons()).toEqual([
        [7301, 'quota_exceeded'],
        [7301, 'quota_exceeded'],
      ]);
    });
    it('holds up a match no longer than half of its time, or ten seconds, when the API does not answer', () => {
      for (const id of ['r0', 'r1']) putInstance(fake, { id });
      fake.http = () => {
        now += 2000;
        throw goError('HTTP request error: context deadline exceeded');
      };
      const from = now;
      live();
      live();
      expect(reasons()).toHaveLength(4);
      expect(now - from).toBeLessThan(25_000);
      expect([posts(), lists(), instanceIn(fake, 'r1')?.status]).toEqual([0, 1, 'running']);
    });
    it('is not presumed when the list lacks a session that runs', () => {
      for (const id of ['r0', 'r1']) putInstance(fake, { id });
      runs('r0', 'r1');
      const http = fake.http;
      fake.http = (sent) => (sent.url.includes('/session?') ? answer(200, { sessions: [] }) : http(sent));
      live();
      expect([posts(), instanceIn(fake, 'r0')?.status, instanceIn(fake, 'r1')?.status]).toEqual([
        0,
        'running',
        'running',
      ]);
    });
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

it('without GAMEYE_MAX_SESSIONS as many sessions start as are asked for', () => {
  for (let i = 0; i < 5; i++) putInstance(fake, { id: `r${i}` });
  live(configWith());
  expect(posts()).toBe(1);
});
