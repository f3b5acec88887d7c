import { describe, expect, it } from 'vitest';
import type { Waiting } from '../../src/allocation/allocation';
import { afterGiveUpId, afterPortMissing, afterRun, SETTLE_MS } from '../../src/allocation/transitions';
import { chance, expectNext, gone, NOW, refused, starting, unknown, waiting, type Next } from './support/transitions';

describe('an allocation whose POST brought no session', () => {
  const final = (reason: string) => ({ state: 'failed', reason, abandoned: [] }) as Next;
  const finalInDoubt = (reason: string) => ({ state: 'failed', reason, abandoned: [gone] }) as Next;
  const again = { state: 'starting', next: 'run', session_id: 'id-1', region_index: 0 } as Next;
  const lookUp = { state: 'starting', next: 'look-up', session_id: 'id-1', in_doubt: true, wait: 0 } as Next;
  const taken = { ...lookUp, taken: true } as Next;

  // sentence, outcome, in doubt before, regions, failures before → next
  const rows: [string, ReturnType<typeof refused>, boolean, string[], number, Next][] = [
    ['fails when its request is invalid', refused('invalid'), false, ['eu'], 0, final('misconfigured')],
    [
      'fails when its request is invalid, in any region',
      refused('invalid'),
      false,
      ['eu', 'us'],
      0,
      final('misconfigured'),
    ],
    [
      'stops an id in doubt when its request is invalid',
      refused('invalid'),
      true,
      ['eu'],
      0,
      finalInDoubt('misconfigured'),
    ],
    ['fails when the token is wrong', refused('unauthorized'), false, ['eu'], 0, final('misconfigured')],
    [
      'stops an id in doubt when the token is wrong',
      refused('unauthorized'),
      true,
      ['eu', 'us'],
      0,
      finalInDoubt('misconfigured'),
    ],
    ['fails when the quota is exhausted', refused('quota-exceeded'), false, ['eu', 'us'], 0, final('quota_exceeded')],
    [
      'stops an id in doubt when the quota is exhausted',
      refused('quota-exceeded'),
      true,
      ['eu'],
      0,
      finalInDoubt('quota_exceeded'),
    ],
    ['fails when the token lacks a scope', refused('forbidden'), false, ['eu'], 0, final('misconfigured')],
    [
      'stops an id in doubt when the token lacks a scope',
      refused('forbidden'),
      true,
      ['eu', 'us'],
      0,
      finalInDoubt('misconfigured'),
    ],
    [
      'fails when the only region does not know the image',
      refused('not-found'),
      false,
      ['eu'],
      0,
      final('misconfigured'),
    ],
    [
      'asks the next region at once when one does not know the image',
      refused('not-found'),
      false,
      ['eu', 'us'],
      2,
      { next: 'run', session_id: 'id-1', region_index: 1, wait: 0, failures: 0, without_image: ['eu'] },
    ],
    [
      'gives an id in doubt up before it asks the next region, when one does not know the image',
      refused('not-found'),
      true,
      ['eu', 'us'],
      0,
      { ...again, next: 'give-up-id', in_doubt: true, wait: 0, without_image: ['eu'] },
    ],
    [
      'stops an id in doubt when the only region does not know the image',
      refused('not-found'),
      true,
      ['eu'],
      0,
      finalInDoubt('misconfigured'),
    ],
    ['looks a taken id up, which may be ours', refused('conflict'), false, ['eu'], 0, taken],
    ['looks a taken id up, with several regions', refused('conflict'), false, ['eu', 'us'], 0, taken],
    ['looks a taken id up, when it is in doubt', refused('conflict'), true, ['eu', 'us'], 2, taken],
    [
      'asks a full region again for the same id after a pause',
      refused('no-capacity'),
      false,
      ['eu'],
      0,
      { ...again, wait: 2000, failures: 0 },
    ],
    [
      'waits as long as the API asks for a full region',
      refused('no-capacity', 7000),
      false,
      ['eu'],
      0,
      { ...again, wait: 7000 },
    ],
    [
      'asks the next region at once when one is full',
      refused('no-capacity', 7000),
      false,
      ['eu', 'us'],
      2,
      { next: 'run', session_id: 'id-1', region_index: 1, wait: 0, failures: 0, in_doubt: false },
    ],
    ['looks an id in doubt up when its region is full', refused('no-capacity'), true, ['eu'], 0, lookUp],
    ['looks an id in doubt up before it leaves a full region', refused('no-capacity'), true, ['eu', 'us'], 0, lookUp],
    [
      'asks again when nobody listens',
      refused('unavailable'),
      false,
      ['eu', 'us'],
      0,
      { ...again, in_doubt: false, wait: 250 },
    ],
    [
      'asks again when nobody has listened many times',
      refused('unavailable'),
      false,
      ['eu', 'us'],
      9,
      { ...again, wait: 2500 },
    ],
    [
      'keeps an id in doubt when nobody listens',
      refused('unavailable'),
      true,
      ['eu', 'us'],
      5,
      { ...again, in_doubt: true },
    ],
    [
      'asks for the same id again after a 5xx, which may have worked',
      unknown('unavailable'),
      false,
      ['eu', 'us'],
      0,
      { ...again, in_doubt: true, wait: 250 },
    ],
    [
      'asks for the same id again after no answer',
      unknown(),
      false,
      ['eu', 'us'],
      0,
      { ...again, in_doubt: true, failures: 1 },
    ],
    [
      'gives the id up after no answer twice, with several regions',
      unknown(),
      true,
      ['eu', 'us'],
      1,
      { ...again, next: 'give-up-id', wait: 0 },
    ],
    [
      'asks for the same id after no answer twice, with one region',
      unknown(),
      true,
      ['eu'],
      1,
      { ...again, in_doubt: true, wait: 500 },
    ],
    [
      'asks for the same id after no answer thrice, with one region',
      unknown(),
      true,
      ['eu'],
      2,
      { ...again, in_doubt: true, wait: 1000 },
    ],
    [
      'asks for the same id after no answer ten times, with one region',
      unknown(),
      true,
      ['eu'],
      9,
      { ...again, in_doubt: true, wait: 2500 },
    ],
  ];
  it.each(rows)('%s', (_sentence, outcome, in_doubt, regions, failures, next) => {
    const after = afterRun(starting({ in_doubt, regions, failures }), outcome, NOW, chance);
    expectNext(after, next);
    expect(after.last_failure).toEqual(outcome.failure);
  });

  describe('because one of several regions does not know the image,', () => {
    const where = (more: Partial<Waiting>) => starting({ regions: ['eu', 'us', 'ap'], ...more });
    const after = (a: Waiting) => afterRun(a, refused('not-found'), NOW, chance);

    it('asks the regions that may have the image in turn, and pauses after the last of them', () => {
      const second = after(where({}));
      expectNext(second, { region_index: 1, without_image: ['eu'], wait: 0 });
      const third = afterRun(waiting(second), refused('no-capacity'), NOW, chance);
      expectNext(third, { region_index: 2, wait: 0 });
      expectNext(afterRun(waiting(third), refused('no-capacity'), NOW, chance), { region_index: 1, wait: 2000 });
    });
    it('fails when no region knows the image', () => {
      expectNext(after(where({ region_index: 2, without_image: ['eu', 'us'] })), {
        state: 'failed',
        reason: 'misconfigured',
      });
    });
    it('stays in the only region that may know the image', () => {
      const left = where({ region_index: 1, without_image: ['eu', 'ap'] });
      expectNext(afterRun(left, refused('no-capacity'), NOW, chance), { region_index: 1, wait: 2000 });
      const inDoubt = { in_doubt: true, next: 'run', region_index: 1 } as const;
      for (const failures of [0, 1, 2, 9]) expectNext(afterRun({ ...left, failures }, unknown(), NOW, chance), inDoubt);
    });
    it('counts such a region once, however often it says so', () => {
      const again = after(where({ without_image: ['eu'], in_doubt: true }));
      expectNext(again, { next: 'give-up-id', without_image: ['eu'] });
      const given = afterGiveUpId(waiting(again), { kind: 'done', value: 'absent' }, NOW, chance);
      expectNext(given, { region_index: 1, session_id: 'id-2', in_doubt: false, abandoned: [gone] });
    });
  });

  it('fails when the API started another session, and stops both', () => {
    const { failure } = unknown('not-idempotent');
    for (const regions of [['eu'], ['eu', 'us']]) {
      const outcome = { kind: 'unknown', failure: { ...failure, other_id: 'theirs' } } as const;
      const after = afterRun(starting({ regions, answer_by_ms: NOW + 9000 }), outcome, NOW, chance);
      expectNext(after, { state: 'failed', reason: 'error', session_id: 'id-1' });
      expect(after.abandoned).toEqual([{ session_id: 'theirs', since_ms: NOW, named_by_api: true }, gone]);
    }
    const nameless = afterRun(starting(), unknown('not-idempotent'), NOW, chance);
    expectNext(nameless, { state: 'failed', reason: 'error', abandoned: [gone] });
  });

  it('is no longer taken for one whose POST is on its way', () => {
    for (const outcome of [unknown(), refused('unavailable'), refused('conflict'), refused('no-capacity')]) {
      expect(afterRun(starting({ answer_by_ms: NOW + 9000 }), outcome, NOW, chance)).not.toHaveProperty('answer_by_ms');
    }
  });

  it('pauses before the first region is tried again, not between regions', () => {
    const last = afterRun(starting({ region_index: 1 }), refused('no-capacity'), NOW, { ...chance, random: () => 1 });
    expectNext(last, { region_index: 0, wait: 5000 });
  });

  it('looks again when the port that players need is missing', () => {
    const after = afterPortMissing(starting(), 'exposed: none', NOW);
    expectNext(after, { next: 'look-up', in_doubt: true, wait: 0 });
    expect(after.last_failure).toMatchObject({ kind: 'invalid', message: 'exposed: none' });
  });
});

describe('the time after which a POST has arrived or never will', () => {
  it('is longer than any request may take', () => expect(SETTLE_MS).toBeGreaterThan(15_000));
});

describe('an allocation whose POST got no answer in time', () => {
  const late = (): ReturnType<typeof unknown> => {
    const { kind, failure } = unknown();
    return { kind, failure: { ...failure, timed_out: true } } as ReturnType<typeof unknown>;
  };
  it('asks for the same id again soon, and for another one only when the POST cannot arrive any more', () => {
    const first = afterRun(starting(), late(), NOW, chance);
    expectNext(first, { next: 'run', session_id: 'id-1', wait: 250 });
    const second = afterRun(waiting(first), unknown(), NOW, chance);
    expectNext(second, { next: 'give-up-id', session_id: 'id-1', wait: 10_000 });
    const other = afterGiveUpId(waiting(second), { kind: 'done', value: 'absent' }, NOW + 10_000, chance);
    expect(other).toMatchObject({
      next: 'run',
      session_id: 'id-2',
      region_index: 1,
      abandoned: [{ session_id: 'id-1' }],
    });
    // What is held up is an id, not the allocation.
    expect(waiting(other).held_until_ms).toBeUndefined();
  });
});
