import { beforeEach, describe, expect, it } from 'vitest';
import { newAllocation, type Allocation } from '../../src/allocation/allocation';
import { afterStart, cancel, fail } from '../../src/allocation/transitions';
import { loopAllocator, type AllocatorState } from '../../src/worker/allocator';
import type { Call } from '../../src/nakama/caller';
import { needsWorker, nothingSeen, resumeAllocations } from '../../src/supervision/resume';
import { ensureSupervisor, loopSupervisor } from '../../src/worker/supervisor';
import { configWith } from './support/config';
import { ALLOCATIONS, INSTANCES } from './support/life';
import { context, fakeNakama, goError, type FakeNakama } from './support/nakama';

const request = { user_ids: ['u1'], max_players: 2, latencies: [], metadata: {} };
const where = { host: '1.2.3.4', ports: { '7777/udp': 1 } };
const T0 = 1_700_000_000_000;
const held = (a: Allocation, until: number): Allocation => ({ ...a, lease: { holder: 'm1', until_ms: until } });
const starting = (): Allocation => held(newAllocation('s1', request, ['eu'], 'm1', 60_000, T0), T0 + 20_000);

let fake: FakeNakama;
let call: Call;

beforeEach(() => {
  fake = fakeNakama();
  call = { ctx: context({ matchId: 'm2' }), logger: fake.logger, nk: fake.nk, config: configWith() };
});

const matches = (): { [key: string]: unknown }[] =>
  fake.events.flatMap((event) => (event.kind === 'match' ? [event.params] : []));

describe('an allocation', () => {
  const situations: [string, Allocation, number, boolean][] = [
    ['whose worker holds the lease: left to it', starting(), T0 + 19_000, false],
    ['whose lease ran out: resumed', starting(), T0 + 20_001, true],
    ['just queued, its worker on the way: left to it', { ...held(starting(), 0), state: 'queued' }, T0 + 4_000, false],
    ['queued, and nobody came: resumed', { ...held(starting(), 0), state: 'queued' }, T0 + 6_000, true],
    ['started, players not told: resumed', held(afterStart(starting(), where, false, T0), T0 + 1), T0 + 30_000, true],
    [
      'failed, with a session to stop: resumed',
      held(fail({ ...starting(), in_doubt: true }, 'timeout', T0), 0),
      T0 + 9e5,
      true,
    ],
    ['cancelled: resumed', held(cancel(starting(), T0), 0), T0 + 9e5, true],
    ['announced, nothing to stop: left alone', { ...held(starting(), 0), state: 'announced' }, T0 + 9e5, false],
    [
      'announced, an old id to stop: resumed',
      { ...held(starting(), 0), state: 'announced', abandoned: [{ session_id: 'x', since_ms: T0 }] },
      T0 + 9e5,
      true,
    ],
  ];
  it.each(situations)('%s', (_situation, allocation, now, expected) => {
    expect(needsWorker(allocation, now)).toBe(expected);
    fake.put(ALLOCATIONS, allocation.id, allocation);
    fake.put(INSTANCES, allocation.session_id, { id: 's1' });
    resumeAllocations(call, now);
    expect(matches()).toHaveLength(expected ? 1 : 0);
    expect(fake.stored(ALLOCATIONS, 's1')).toEqual(allocation);
  });

  it('is resumed however many others only lead to sessions that still run', () => {
    const leads = (id: string): Allocation => ({ ...starting(), id, session_id: `of-${id}`, state: 'announced' });
    for (let i = 0; i < 300; i++) {
      const id = `a${String(i).padStart(3, '0')}`;
      fake.put(ALLOCATIONS, id, leads(id));
      if (i !== 299) fake.put(INSTANCES, `of-${id}`, { id: `of-${id}` });
    }
    fake.put(ALLOCATIONS, 's1', starting());
    resumeAllocations(call, T0 + 20_001);
    expect(matches()).toHaveLength(1);
    for (let pass = 0; pass < 500 && fake.stored(ALLOCATIONS, 'a299'); pass++) resumeAllocations(call, T0 + 20_001);
    expect(fake.stored(ALLOCATIONS, 'a299')).toBeUndefined();
    expect(fake.stored(ALLOCATIONS, 'a298')).toBeDefined();
  });

  it('whose node had a clock an hour ahead is resumed when its lease has not changed for longer than one lasts', () => {
    const hour = 3_600_000;
    const ahead = { ...held(starting(), T0 + hour + 20_000), created_at_ms: T0 + hour };
    fake.put(ALLOCATIONS, 's1', ahead);
    const seen = nothingSeen();
    for (let at = T0; at <= T0 + 70_000; at += 5000) resumeAllocations(call, at, seen);
    expect(matches()).toEqual([]);
    resumeAllocations(call, T0 + 75_000, seen);
    expect(matches()).toHaveLength(1);
    fake.put(ALLOCATIONS, 's1', held(ahead, T0 + hour + 30_000));
    resumeAllocations(call, T0 + 80_000, seen);
    expect(matches()).toHaveLength(1);
  });

  it('is given one worker at a time, while its record waits for the database, and another when none came of it', () => {
    fake.put(ALLOCATIONS, 's1', starting());
    const seen = nothingSeen();
    for (let at = T0 + 21_000; at < T0 + 51_000; at += 5000) resumeAllocations(call, at, seen);
    expect(matches()).toHaveLength(1);
    resumeAllocations(call, T0 + 51_000, seen);
    expect(matches()).toHaveLength(2);
    fake.put(ALLOCATIONS, 's1', { ...starting(), attempts: 1 });
    resumeAllocations(call, T0 + 52_000, seen);
    expect(matches()).toHaveLength(3);
  });

  it('is resumed however many others wait for the database', () => {
    const seen = nothingSeen();
    const blocked = Array.from({ length: 100 }, (_, i) => `a${String(i).padStart(3, '0')}`);
    for (const id of blocked) fake.put(ALLOCATIONS, id, { ...starting(), id });
    resumeAllocations(call, T0 + 21_000, seen);
    expect(matches()).toHaveLength(100);
    fake.put(ALLOCATIONS, 's1', starting());
    resumeAllocations(call, T0 + 26_000, seen);
    expect(matches()).toHaveLength(101);
  });

  it('that only leads to a session that is over is removed', () => {
    fake.put(ALLOCATIONS, 's1', { ...starting(), state: 'announced', session_id: 's2' });
    resumeAllocations(call, T0 + 9e5);
    expect(fake.rows()).toEqual([]);
    expect(matches()).toEqual([]);
  });
});

describe('a worker that takes over', () => {
  it('does nothing when another one was faster', () => {
    const version = fake.put(ALLOCATIONS, 's1', starting());
    const state = { allocation: JSON.stringify(starting()), version, wake_at_ms: 0, claim: 'yes' };
    fake.put(ALLOCATIONS, 's1', held(starting(), Date.now() + 20_000));
    expect(loopAllocator(call, state)).toBeUndefined();
    expect(fake.requests).toEqual([]);
    expect(fake.sent()).toEqual([]);
  });

  it('holds the lease before it tells anybody anything', () => {
    const overdue = starting();
    const version = fake.put(ALLOCATIONS, 's1', overdue);
    loopAllocator(call, { allocation: JSON.stringify(overdue), version, wake_at_ms: 0, claim: 'yes' });
    const kinds = fake.events.map((event) => event.kind);
    expect(kinds.indexOf('write')).toBeGreaterThanOrEqual(0);
    expect(kinds.indexOf('write')).toBeLessThan(kinds.indexOf('notify'));
  });

  it('tries again for the lease when the database fails', () => {
    const version = fake.put(ALLOCATIONS, 's1', starting());
    fake.before = () => {
      throw goError('pq: the database system is shutting down');
    };
    const state = { allocation: JSON.stringify(starting()), version, wake_at_ms: 0, claim: 'yes' };
    expect(loopAllocator(call, state)).toMatchObject({ claim: 'yes', version });
  });
});

describe('a worker whose server shuts down', () => {
  const waiting = (a: Allocation): AllocatorState => {
    const wake_at_ms = Date.now() + 10_000;
    return { allocation: JSON.stringify(a), version: fake.put(ALLOCATIONS, a.id, a), wake_at_ms, ending: true };
  };

  it('goes on as long as somebody waits for its answer', () => {
    const state = waiting(starting());
    expect(loopAllocator(call, state)).toEqual(state);
    const next = loopAllocator(call, { ...waiting({ ...starting(), deadline_ms: Date.now() + 1e5 }), wake_at_ms: 0 });
    expect(next).toMatchObject({ ending: true });
  });

  it('leaves the sessions that are only to be stopped to the other nodes', () => {
    const doubtful = { ...starting(), in_doubt: true };
    for (const a of [fail(doubtful, 'timeout', T0), cancel(doubtful, T0)]) {
      expect(loopAllocator(call, waiting(a))).toBeDefined();
      expect(loopAllocator(call, waiting({ ...a, told: true }))).toBeUndefined();
      expect(fake.stored(ALLOCATIONS, 's1')).toMatchObject({ abandoned: [{ session_id: 's1' }] });
    }
  });
});

describe('the supervisor of a node', () => {
  const forget = (): void => fake.nk.localcachePut('gameye_supervisor', '', -1);
  beforeEach(() => {
    fake = fakeNakama();
    const cache = new Map<string, unknown>();
    fake.nk.localcacheGet = (key) => cache.get(key);
    fake.nk.localcachePut = (key, value) => void cache.set(key, value);
    call = { ...call, logger: fake.logger, nk: fake.nk };
  });

  it('is started once, however many hooks and RPCs miss it', () => {
    ensureSupervisor(fake.nk);
    ensureSupervisor(fake.nk);
    expect(matches()).toEqual([{ supervisor: 'yes' }]);
  });

  it('is no reason to fail when the server shuts down', () => {
    fake.nk.matchCreate = () => {
      throw goError('error creating match: shutdown in progress');
    };
    expect(() => ensureSupervisor(fake.nk)).not.toThrow();
  });

  it('ends when another one supervises the node, and stays when it is alone', () => {
    forget();
    const state = loopSupervisor(call, { supervisor: true, next_pass_at_ms: Infinity });
    expect(state).toBeDefined();
    const other = { ...call, ctx: context({ matchId: 'm3' }) };
    expect(loopSupervisor(other, { supervisor: true, next_pass_at_ms: Infinity })).toBeUndefined();
    expect(loopSupervisor(call, { supervisor: true, next_pass_at_ms: Infinity })).toBeDefined();
  });

  it('survives a pass that fails, and says so', () => {
    fake.nk.storageList = () => {
      throw goError('pq: the database system is shutting down');
    };
    const next = loopSupervisor(call, { supervisor: true, next_pass_at_ms: 0 });
    expect(next?.next_pass_at_ms).toBeGreaterThan(Date.now());
    expect(fake.log).toContainEqual(expect.objectContaining({ level: 'error' }));
  });
});
