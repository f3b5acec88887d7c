import { describe, expect, it } from 'vitest';
import { newAllocation, nextStep, type Allocation, type Step } from '../../src/allocation/allocation';
import { afterStop, cancel, fail, SETTLE_MS, timeOut } from '../../src/allocation/transitions';
import type { FailureKind, Outcome } from '../../src/gameye/failure';

const NOW = 1_000_000;
const DEADLINE = NOW + 60_000;
const TTL_MS = 600_000;
const chance = { newId: () => 'id-2', random: () => 0 };

/** A stored allocation in any state. */
function allocation(more: object = {}): Allocation {
  const request = { user_ids: ['u1'], max_players: 1, latencies: [], metadata: {} };
  return { ...newAllocation('id-1', request, ['eu'], 60_000, NOW), version: 1, ...more } as Allocation;
}
const left = (since_ms: number, session_id = 'old') => ({ session_id, since_ms });
const refused = (kind: FailureKind, retry_after_ms = 0): Outcome<never> => ({
  kind: 'refused',
  failure: { kind, operation: 'session-stop', message: 'm', ...(retry_after_ms ? { retry_after_ms } : {}) },
});

describe('the next step of an allocation', () => {
  const rows: [string, object, number, Step][] = [
    ['queued: it asks for a session', { state: 'queued' }, NOW, { do: 'run' }],
    ['starting: it asks for a session', {}, NOW, { do: 'run' }],
    ['starting, with an id to look up: it looks the id up', { next: 'look-up' }, NOW, { do: 'look-up' }],
    ['starting, with an id to give up: it gives the id up', { next: 'give-up-id' }, NOW, { do: 'give-up-id' }],
    ['starting, before its time: it waits', { next_at_ms: NOW + 500 }, NOW, { do: 'wait', untilMs: NOW + 500 }],
    ['starting, when its time has come: it asks for a session', { next_at_ms: NOW + 500 }, NOW + 500, { do: 'run' }],
    ['a wait ends at the deadline', { next_at_ms: DEADLINE + 9 }, NOW, { do: 'wait', untilMs: DEADLINE }],
    ['just before the deadline: it asks for a session', {}, DEADLINE - 1, { do: 'run' }],
    ['at the deadline: it gives up', {}, DEADLINE, { do: 'time-out' }],
    [
      'at the deadline, although it should wait: it gives up',
      { next_at_ms: DEADLINE + 9 },
      DEADLINE,
      { do: 'time-out' },
    ],
    ['queued until the deadline: it gives up', { state: 'queued' }, DEADLINE, { do: 'time-out' }],
    ['started: it tells the players', { state: 'started' }, NOW, { do: 'announce' }],
    ['started, after the deadline: it tells the players', { state: 'started' }, DEADLINE + 1, { do: 'announce' }],
    [
      'started, told nobody, before its time: it waits',
      { state: 'started', next_at_ms: NOW + 1 },
      NOW,
      { do: 'wait', untilMs: NOW + 1 },
    ],
    [
      'started, players told: it tells Gameye',
      { state: 'started', told: ['u1'], next_at_ms: NOW + 9 },
      NOW,
      { do: 'close' },
    ],
    ['started, game server not ready: it looks', { state: 'started', waits: true }, NOW, { do: 'await-server' }],
    ['started, game server never ready: it gives up', { state: 'started', waits: true }, DEADLINE, { do: 'time-out' }],
    [
      'started, game server not ready, cancelled: it ends',
      { state: 'started', waits: true, cancelled: true },
      NOW,
      { do: 'cancel' },
    ],
    [
      'started, cancelled too late: it tells the players',
      { state: 'started', cancelled: true },
      NOW,
      { do: 'announce' },
    ],
    ['queued, cancelled: it ends', { state: 'queued', cancelled: true }, NOW, { do: 'cancel' }],
    ['starting, cancelled while it waits: it ends', { cancelled: true, next_at_ms: NOW + 9 }, NOW, { do: 'cancel' }],
    ['seated: it tells the players', { state: 'seated' }, DEADLINE + 1, { do: 'welcome' }],
    ['seated, players told: it tells Gameye', { state: 'seated', told: ['u1'] }, NOW, { do: 'close' }],
    ['announced: its row goes', { state: 'announced' }, NOW, { do: 'finish' }],
    [
      'failed, with an id left: it tells the players first',
      { state: 'failed', abandoned: [left(NOW)] },
      NOW,
      { do: 'tell-failure' },
    ],
    ['cancelled: it tells the players', { state: 'cancelled' }, NOW, { do: 'tell-failure' }],
    ['failed, players told: its row goes', { state: 'failed', told: true }, DEADLINE, { do: 'finish' }],
    [
      'failed, players told, an id left: it stops that id',
      { state: 'failed', told: true, abandoned: [left(NOW)] },
      NOW,
      { do: 'stop', sessionId: 'old' },
    ],
    [
      'announced, an id left: it stops that id',
      { state: 'announced', abandoned: [left(NOW, 'a'), left(NOW, 'b')] },
      DEADLINE + 99,
      { do: 'stop', sessionId: 'a' },
    ],
    [
      'failed, an id left for later: it waits beyond the deadline',
      { state: 'cancelled', told: true, abandoned: [{ ...left(NOW), next_at_ms: DEADLINE + 99 }] },
      DEADLINE,
      { do: 'wait', untilMs: DEADLINE + 99 },
    ],
    [
      'failed, several ids left: it stops the one that is due first',
      {
        state: 'failed',
        told: true,
        abandoned: [
          { ...left(NOW, 'young'), next_at_ms: NOW + SETTLE_MS },
          { ...left(NOW, 'unstoppable'), next_at_ms: NOW + 5000, failures: 9 },
          { ...left(NOW - 1000, 'due'), next_at_ms: NOW },
        ],
      },
      NOW,
      { do: 'stop', sessionId: 'due' },
    ],
    [
      'failed, several ids left: it waits for the first of them',
      {
        state: 'failed',
        told: true,
        abandoned: [
          { ...left(NOW, 'b'), next_at_ms: NOW + 9 },
          { ...left(NOW, 'a'), next_at_ms: NOW + 5 },
        ],
      },
      NOW,
      { do: 'wait', untilMs: NOW + 5 },
    ],
  ];
  it.each(rows)('%s', (_sentence, record, now, step) => {
    expect(nextStep(allocation(record), now)).toEqual(step);
  });
});

describe('an allocation that is given up', () => {
  const reasons: [FailureKind | undefined, string][] = [
    [undefined, 'timeout'],
    ['unknown', 'timeout'],
    ['no-capacity', 'no_capacity'],
    ['unavailable', 'unavailable'],
    ['conflict', 'error'],
    ['invalid', 'misconfigured'],
  ];
  it.each(reasons)('at the deadline, after the failure %s, tells its players %s', (kind, reason) => {
    const last = kind && ({ kind, operation: 'session-run', message: 'm' } as const);
    const after = timeOut(allocation(last ? { last_failure: last } : {}), DEADLINE);
    expect(after).toMatchObject({ state: 'failed', reason, abandoned: [], failures: 0 });
  });
  it('keeps an id in doubt to be stopped', () => {
    const after = timeOut(allocation({ in_doubt: true, abandoned: [left(NOW)] }), DEADLINE);
    expect(after.abandoned).toEqual([left(NOW), left(DEADLINE, 'id-1')]);
  });
  it('stops nothing that cannot run', () => {
    expect(fail(allocation(), 'no_capacity', NOW).abandoned).toEqual([]);
  });
});

describe('a cancelled allocation', () => {
  const rows: [Allocation['state'], object, string[]][] = [
    ['queued', {}, []],
    ['starting', {}, []],
    ['starting', { in_doubt: true }, ['id-1']],
    ['starting', { in_doubt: true, abandoned: [left(NOW)] }, ['old', 'id-1']],
    ['started', { waits: true }, ['id-1']],
    ['seated', {}, []],
  ];
  it.each(rows)('that was %s with %j stops %j', (state, more, ids) => {
    const after = cancel(allocation({ ...more, state }), NOW + 5);
    expect(after).toMatchObject({ state: 'cancelled', reason: 'error', told: false });
    expect(after.abandoned.map((one) => one.session_id)).toEqual(ids);
  });
});

describe('a POST that is still on its way when its allocation is cancelled', () => {
  const since = (more: object): number => cancel(allocation({ in_doubt: true, ...more }), NOW).abandoned[0]!.since_ms;
  it('counts as sent until its sender ceases to wait', () => {
    expect(since({ answer_by_ms: NOW + 14_000 })).toBe(NOW + 14_000);
  });
  it('does not count any more once that time has passed', () => expect(since({ answer_by_ms: NOW - 1 })).toBe(NOW));
  it('is not on its way in any other allocation', () => expect(since({})).toBe(NOW));
  it('is looked for until it has arrived or never will', () => {
    const a = { ...cancel(allocation({ in_doubt: true, answer_by_ms: NOW + 14_000 }), NOW), told: true };
    const absent = (now: number): Allocation =>
      afterStop(a, 'id-1', { kind: 'done', value: 'absent' }, TTL_MS, now, chance);
    expect(nextStep(absent(NOW), NOW)).toEqual({ do: 'wait', untilMs: NOW + 14_000 + SETTLE_MS });
    expect(absent(NOW + 14_000 + SETTLE_MS - 1).abandoned).toHaveLength(1);
    expect(absent(NOW + 14_000 + SETTLE_MS).abandoned).toEqual([]);
  });
});

describe('an allocation that sent a DELETE for an abandoned id', () => {
  const later = { ...left(NOW, 'next'), next_at_ms: NOW + SETTLE_MS + 99_000 };
  const told = (since_ms: number, more: object = {}) =>
    allocation({ state: 'failed', told: true, abandoned: [{ ...left(since_ms), failures: 2 }, later], ...more });
  const after = (a: Allocation, outcome: Outcome<'stopped' | 'absent' | 'not-ours'>) =>
    afterStop(a, 'old', outcome, TTL_MS, NOW, chance);
  const goneOn = { abandoned: [later] };

  it('forgets an id that was stopped', () => {
    expect(after(told(NOW - 1), { kind: 'done', value: 'stopped' })).toMatchObject(goneOn);
  });
  it('keeps an id that was absent, until a POST on its way would have arrived', () => {
    const next = after(told(NOW - 1000), { kind: 'done', value: 'absent' });
    expect(next.abandoned).toHaveLength(2);
    expect(nextStep(next, NOW)).toEqual({ do: 'wait', untilMs: NOW - 1000 + SETTLE_MS });
  });
  it('keeps an id that was absent just before that time', () => {
    const next = after(told(NOW - SETTLE_MS + 1), { kind: 'done', value: 'absent' });
    expect(next.abandoned).toHaveLength(2);
  });
  it('forgets an id that was absent after that time', () => {
    expect(after(told(NOW - SETTLE_MS), { kind: 'done', value: 'absent' })).toMatchObject(goneOn);
  });
  it.each([
    ['refused', refused('unauthorized')],
    ['nobody listens', refused('unavailable')],
    ['no answer', { kind: 'unknown', failure: { kind: 'unknown', operation: 'session-stop', message: 'm' } } as const],
  ])('tries again later after a DELETE that failed: %s', (_sentence, outcome) => {
    const next = after(told(NOW - SETTLE_MS - 1), outcome);
    expect(next).toMatchObject({ told: true, state: 'failed' });
    expect(next.abandoned).toMatchObject([{ failures: 3, next_at_ms: NOW + 1000 }, later]);
  });
  it('waits as long as the API asks', () => {
    expect(after(told(NOW), refused('no-capacity', 9000)).abandoned[0]).toMatchObject({ next_at_ms: NOW + 9000 });
  });
  it('still tries at the ttl, for a POST may have arrived late', () => {
    expect(after(told(NOW - TTL_MS - SETTLE_MS), refused('unavailable')).abandoned).toHaveLength(2);
  });
  it('forgets an id that its ttl has ended', () => {
    expect(after(told(NOW - TTL_MS - SETTLE_MS - 1), refused('unavailable'))).toMatchObject(goneOn);
  });
  it('forgets an id that is somebody else’s', () => {
    expect(after(told(NOW), { kind: 'done', value: 'not-ours' })).toMatchObject(goneOn);
  });
  it('changes nothing when no id is left', () => {
    const a = allocation({ state: 'failed', told: true });
    expect(after(a, { kind: 'done', value: 'absent' })).toBe(a);
  });
});
