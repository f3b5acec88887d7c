import { beforeEach, describe, expect, it } from 'vitest';
import { newAllocation, type Allocation, type Superseded } from '../../src/allocation/allocation';
import { storeAttempt } from '../../src/allocation/attempt';
import { readAllocation } from '../../src/allocation/store';
import { leaveSuperseded } from '../../src/allocation/superseded';
import { afterAnnouncement, afterStart, cancel, fail } from '../../src/allocation/transitions';
import { newInstance } from '../../src/instances/instance';
import type { Call } from '../../src/nakama/caller';
import { work } from '../../src/allocation/steps';
import { assign, clearAssignment, readAssignment, startingAssignments } from '../../src/players/assignment';
import { configWith } from './support/config';
import { answer } from './support/gameye';
import { ALLOCATIONS, INSTANCES } from './support/life';
import { context, fakeNakama, type FakeNakama } from './support/nakama';

/* A player who is matched again while an older match is still being started, or already plays. */
const config = configWith();
const request = { user_ids: ['u1', 'u2'], max_players: 4, latencies: [], metadata: {} };
const where = { host: '1.2.3.4', ports: { '7777/udp': 20001 } };
const allocation = (id: string): Allocation => newAllocation(id, request, ['eu'], 'm1', 60_000, Date.now());
const started = (): Allocation => afterStart({ ...allocation('old'), attempts: 1 }, where, false, Date.now());
const chance = { newId: () => 'x', random: () => 0 };

let fake: FakeNakama;
let call: Call;
beforeEach(() => {
  fake = fakeNakama();
  fake.http = () => answer(200, {});
  call = { ctx: context(), logger: fake.logger, nk: fake.nk, config };
});

const waited: Superseded = { user_id: 'u1', session_id: 'old', allocation_id: 'old' };
const leave = (one: Superseded, playsIn = 'new'): void =>
  leaveSuperseded(call, { ...allocation('new'), superseded: [one] }, playsIn, 1000);
const old = (): Allocation => fake.stored(ALLOCATIONS, 'old') as Allocation;
const seats = (): string[] =>
  Object.keys((fake.stored(INSTANCES, 'old') as { seats: object } | undefined)?.seats ?? {}).sort();

describe('an allocation knows what its players had before', () => {
  it('a seat, or another start; nothing that has failed, and not itself', () => {
    assign(fake.nk, fake.logger, { ...allocation('seated'), request: { ...request, user_ids: ['u1'] } });
    const seated = { ...started(), id: 'seated', session_id: 'seated', request: { ...request, user_ids: ['u1'] } };
    assign(fake.nk, fake.logger, seated, 20001);
    assign(fake.nk, fake.logger, { ...allocation('waits'), request: { ...request, user_ids: ['u2'] } });
    const failed = { ...allocation('failed'), request: { ...request, user_ids: ['u3'] } };
    assign(fake.nk, fake.logger, failed);
    assign(fake.nk, fake.logger, fail(failed, 'error', Date.now()));
    const next = { ...allocation('new'), request: { ...request, user_ids: ['u1', 'u2', 'u3', 'u4'] } };
    expect(startingAssignments(fake.nk, next).superseded).toEqual([
      { user_id: 'u1', session_id: 'seated' },
      { user_id: 'u2', session_id: 'waits', allocation_id: 'waits' },
    ]);
    const again = { ...allocation('waits'), request: { ...request, user_ids: ['u2'] } };
    expect(startingAssignments(fake.nk, again).superseded).toEqual([]);
  });
});

describe('an allocation still knows it when its batch with the assignments is refused', () => {
  const attempt = (): Allocation => {
    const alone = { ...request, user_ids: ['u1'] };
    assign(fake.nk, fake.logger, { ...allocation('old'), request: alone });
    assign(fake.nk, fake.logger, { ...started(), request: alone }, 20001);
    const hold = { allocation: { ...allocation('new'), request: alone }, version: '*' };
    storeAttempt(call, hold, { ...hold.allocation, state: 'starting', attempts: 1 });
    return fake.stored(ALLOCATIONS, 'new') as Allocation;
  };
  /** Before the first write that holds the new allocation. */
  const atTheBatch = (act: () => void): void => {
    let done = false;
    fake.before = (event) => {
      if (done || event.kind !== 'write' || !event.keys.includes(`${ALLOCATIONS}/new`)) return;
      done = true;
      act();
    };
  };

  it('because an assignment changed in between', () => {
    atTheBatch(() => clearAssignment(fake.nk, 'u1', 'old', Date.now()));
    expect(attempt().superseded).toEqual([{ user_id: 'u1', session_id: 'old' }]);
  });

  it('because of a deleted account', () => {
    atTheBatch(() => {
      throw new Error('storage user does not exist');
    });
    expect(attempt().superseded).toEqual([{ user_id: 'u1', session_id: 'old' }]);
    expect(readAssignment(fake.nk, 'u1')?.value).toMatchObject({ state: 'starting', allocation_id: 'new' });
  });
});

describe('once its players know of the new session', () => {
  it('an older start goes on for the others', () => {
    fake.put(ALLOCATIONS, 'old', { ...allocation('old'), attempts: 1 });
    leave(waited);
    expect(old()).toMatchObject({ state: 'starting', request: { user_ids: ['u2'] } });
    leave(waited);
    expect(old().request.user_ids).toEqual(['u2']);
  });

  it('an older start of this player alone is given up, and nobody is told', () => {
    const alone = { ...allocation('old'), attempts: 1, request: { ...request, user_ids: ['u1'] } };
    fake.put(ALLOCATIONS, 'old', alone);
    leave(waited);
    expect(old()).toMatchObject({ state: 'cancelled', told: true, abandoned: [{ session_id: 'old' }] });
  });

  it.each([
    ['whose players are just being told', (): Allocation => started()],
    ['whose players were told', (): Allocation => afterAnnouncement(started(), Date.now(), chance)],
  ])('the seat in an older session is free, also of one %s and that is not stored yet', (_when, row) => {
    fake.put(ALLOCATIONS, 'old', row());
    leave(waited);
    expect(seats()).toEqual(['u2']);
    expect(old().request.user_ids).toEqual(['u1', 'u2']);
  });

  it('the seat in an older session is free', () => {
    const session = { id: 'old', region: 'eu', maxPlayers: 4, metadata: {}, startedAtMs: 0 };
    const taken = { u1: { state: 'joined' }, u2: { state: 'joined' } } as const;
    fake.put(INSTANCES, 'old', newInstance(config, session, where, taken)!);
    for (const one of [{ user_id: 'u1', session_id: 'old' }, waited]) {
      leave(one);
      expect(seats()).toEqual(['u2']);
    }
  });

  it('the seat in a running session is free that backfill had just taken, although the older match is being told of it', () => {
    const session = { id: 'running', region: 'eu', maxPlayers: 4, metadata: {}, startedAtMs: 0 };
    const joins = newInstance(config, session, where, { u1: { state: 'joined' }, u2: { state: 'joined' } })!;
    fake.put(INSTANCES, 'running', joins);
    const backfill = { pool: 'p', passed: [], vacates: [], guests: [], joins, registered: true };
    fake.put(ALLOCATIONS, 'old', { ...allocation('old'), state: 'joined', backfill });
    leave(waited);
    expect(Object.keys((fake.stored(INSTANCES, 'running') as { seats: object }).seats)).toEqual(['u2']);
    expect(old().request.user_ids).toEqual(['u1', 'u2']);
  });

  it.each([
    ['failed', (): Allocation => fail(allocation('old'), 'error', Date.now())],
    ['was cancelled', (): Allocation => cancel({ ...allocation('old'), attempts: 1 }, Date.now())],
  ])('an older start that %s is left alone', (_how, row) => {
    fake.put(ALLOCATIONS, 'old', row());
    const before = old();
    leave(waited);
    expect(old()).toEqual(before);
  });

  it('the session in which they play is left alone, and so is their own allocation', () => {
    const session = { id: 'old', region: 'eu', maxPlayers: 4, metadata: {}, startedAtMs: 0 };
    fake.put(INSTANCES, 'old', newInstance(config, session, where, { u1: { state: 'joined' } })!);
    leave({ user_id: 'u1', session_id: 'old' }, 'old');
    expect(seats()).toEqual(['u1']);
    fake.put(ALLOCATIONS, 'new', allocation('new'));
    leave({ user_id: 'u1', session_id: 'other', allocation_id: 'new' });
    expect(fake.stored(ALLOCATIONS, 'new')).toMatchObject({ request: { user_ids: ['u1', 'u2'] } });
  });
});

describe('the reason why an older start has failed', () => {
  const failed = (attempts: number): Allocation => ({ ...fail(allocation('old'), 'error', Date.now()), attempts });
  /** Who hears of it when another worker takes it over. */
  const told = (a: Allocation): string[] => {
    fake.put(ALLOCATIONS, 'old', a);
    work(call, { allocation: a, version: readAllocation(fake.nk, 'old')!.version }, () => undefined);
    expect(fake.rows().filter((row) => row.startsWith(ALLOCATIONS))).toEqual([]);
    return fake.events.flatMap((event) =>
      event.kind === 'notify' ? event.notifications.map(({ userId }) => userId) : [],
    );
  };
  const alone = { ...request, user_ids: ['u1'] };
  const later = (a: Allocation): Allocation => ({ ...a, created_at_ms: a.created_at_ms - 5000 });

  it('is told to all, and again when nobody knows whether they heard it', () => {
    assign(fake.nk, fake.logger, allocation('old'));
    expect(told(failed(1))).toEqual(['u1', 'u2']);
    expect(readAssignment(fake.nk, 'u1')?.value).toMatchObject({ state: 'failed', allocation_id: 'old' });
    fake.events.length = 0;
    expect(told(failed(1))).toEqual(['u1', 'u2']);
  });

  it.each([
    ['waits for another', (): Allocation => ({ ...allocation('new'), request: alone })],
    ['plays in another', (): Allocation => ({ ...started(), id: 'new', session_id: 'new', request: alone })],
    ['was refused another', (): Allocation => ({ ...fail(allocation('new'), 'timeout', Date.now()), request: alone })],
  ])('is not told to a player who %s by now', (_how, newer) => {
    assign(fake.nk, fake.logger, allocation('old'));
    assign(fake.nk, fake.logger, { ...allocation('new'), request: alone });
    assign(fake.nk, fake.logger, newer(), 20001);
    expect(told(later(failed(1)))).toEqual(['u2']);
    expect(readAssignment(fake.nk, 'u1')?.value.allocation_id).toBe('new');
  });

  it('is told to those who had something else before', () => {
    assign(fake.nk, fake.logger, { ...allocation('before'), request: alone });
    const next = failed(1);
    expect(told({ ...next, created_at_ms: next.created_at_ms + 5000 })).toEqual(['u1', 'u2']);
    fake.events.length = 0;
    // Before its first attempt only clocks could tell, and those of two nodes differ.
    expect(told(later(failed(0)))).toEqual(['u1', 'u2']);
  });

  it('is told to all when the database does not answer', () => {
    assign(fake.nk, fake.logger, { ...allocation('new'), request: alone });
    let reads = 0;
    fake.before = (event) => {
      if (event.kind === 'read' && event.keys.some((key) => key.startsWith('gameye_assignment')) && reads++ === 0) {
        throw new Error('pq: the database system is shutting down');
      }
    };
    expect(told(later(failed(1)))).toEqual(['u1', 'u2']);
  });
});
