import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newAllocation } from '../../src/allocation/create';
import { allocatorLoop } from '../../src/allocator';
import { allocatorInit } from '../../src/functions';
import { keeperLoop } from '../../src/library';
import { startWorker } from '../../src/nakama/worker-match';
import { ensureSupervisor } from '../../src/supervision/heartbeat';
import { configWith, FIVE } from './support/config';
import { ModelGameye, CALM } from './support/gameye';
import { context, fakeNakama, goError, type FakeNakama } from './support/nakama';
import { putInstance, seatOf } from './support/records';

/*
 * Nakama with match.max_empty_sec: a match without players is ended after so many seconds of ticks, without a word to it
 * (match_handler.go). Nobody calls an RPC in these tests.
 */
interface Match {
  role: string;
  state: object;
  tick: number;
  rate: number;
}

let fake: FakeNakama;
let running: Map<string, Match>;
let killed: string[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_000 });
  fake = fakeNakama();
  running = new Map();
  killed = [];
  let created = 0;
  fake.nk.matchGet = (id) => running.get(id) ?? null;
  fake.nk.matchCreate = (_module, params = {}) => {
    const id = `m${++created}.n1`;
    const init = allocatorInit(context(), fake.logger, fake.nk, params as { [key: string]: string });
    const { supervisor, reconciler } = params;
    const role = supervisor ? 'supervisor' : reconciler ? 'reconciler' : 'allocator';
    running.set(id, { role, state: init.state, tick: 0, rate: init.tickRate });
    return id;
  };
  for (const key of ['gameye_supervisor', 'gameye_reconciler']) fake.nk.localcachePut(key, '', 0.001);
  vi.setSystemTime(Date.now() + 10);
  const api = new ModelGameye({ now: () => Date.now(), pass: () => undefined }, () => CALM);
  fake.http = (request) =>
    request.url.includes('/session?') ? { code: 200, headers: {}, body: '{"sessions":[]}' } : api.handle(request);
});
afterEach(() => void vi.useRealTimers());

/** One second of all matches. */
function second(maxEmptySec: number): void {
  vi.setSystemTime(Date.now() + 1000);
  for (const [id, match] of [...running]) {
    const ctx = context({ matchId: id, env: FIVE });
    for (let i = 0; i < match.rate && running.has(id); i++) {
      const loop = match.role === 'allocator' ? allocatorLoop : keeperLoop;
      const next = loop(ctx, fake.logger, fake.nk, match.state as never, match.tick);
      if (next) match.state = JSON.parse(JSON.stringify(next.state)) as object;
      match.tick += 1;
      if (next && match.tick >= match.rate * maxEmptySec) killed.push(match.role);
      if (!next || match.tick >= match.rate * maxEmptySec) running.delete(id);
    }
  }
}
const roles = (): string[] => [...running.values()].map(({ role }) => role).sort();

describe.each([1, 2, 5])('with match.max_empty_sec %d', (maxEmptySec) => {
  const run = (seconds: number): void => {
    for (let i = 0; i < seconds; i++) second(maxEmptySec);
  };

  it('a node always has a supervisor and a reconciler, once Nakama has ended the first of them', () => {
    ensureSupervisor(fake.nk);
    run(maxEmptySec + 2);
    expect(killed).toEqual(['supervisor']);
    for (let i = 0; i < 60; i++) {
      expect(roles()).toEqual(['reconciler', 'supervisor']);
      second(maxEmptySec);
    }
    expect(killed).toEqual(['supervisor']);
  });

  it('seats are freed and sessions compared as ever', () => {
    ensureSupervisor(fake.nk);
    run(30);
    putInstance(fake, {}, { u1: Date.now() + 10_000 });
    const lists = () => fake.requests.filter(({ url }) => /session\?/.test(url)).length;
    const before = lists();
    run(12);
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'lapsed' });
    run(240);
    expect(lists() - before).toBeGreaterThanOrEqual(1);
    expect(lists() - before).toBeLessThan(5);
  });

  it('players are told of one session as soon as an outage is over that lasts longer than a worker', () => {
    ensureSupervisor(fake.nk);
    run(maxEmptySec + 2);
    const answered = fake.http;
    fake.http = () => {
      throw goError('HTTP request error: Post "http://gameye.test/session": dial tcp: connect: connection refused');
    };
    const request = { user_ids: ['u1'], max_players: 2, latencies: [], metadata: {} };
    const call = { ctx: context(), logger: fake.logger, nk: fake.nk, config: configWith() };
    startWorker(fake.nk, { allocation: JSON.stringify(newAllocation(call, request)), from: '' });
    run(12);
    expect(fake.sent()).toEqual([]);
    fake.http = answered;
    run(7);
    expect(fake.sent()).toMatchObject([{ userId: 'u1', code: 7300 }]);
    expect(fake.requests.filter(({ method, url }) => method === 'post' && /session$/.test(url)).length).toBeGreaterThan(
      1,
    );
    run(60);
    expect(fake.sent()).toHaveLength(1);
    expect(roles()).toEqual(['reconciler', 'supervisor']);
  });
});
