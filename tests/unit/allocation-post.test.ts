import { describe, expect, it } from 'vitest';
import type { Waiting } from '../../src/allocation/allocation';
import { afterGiveUpId, afterPortMissing, afterRun, SETTLE_MS } from '../../src/allocation/transitions';
import { chance, expectNext, gone, NOW, refused, starting, unknown, waiting, type Next } from './support/transitions';

describe('after a POST that started nothing', () => {
  const final = (reason: string) => ({ state: 'failed', reason, abandoned: [] }) as Next;
  const finalInDoubt = (reason: string) => ({ state: 'failed', reason, abandoned: [gone] }) as Next;
  const again = { state: 'starting', next: 'run', session_id: 'id-1', region_index: 0 } as Next;
  const lookUp = { state: 'starting', next: 'look-up', session_id: 'id-1', in_doubt: true, wait: 0 } as Next;
  const taken = { ...lookUp, taken: true } as Next;

  // sentence, outcome, in doubt before, regions, failures before → next
  const rows: [string, ReturnType<typeof refused>, boolean, string[], number, Next][] = [
    ['invalid ends it', refused('invalid'), false, ['eu'], 0, final('misconfigured')],
    ['invalid ends it in any region', refused('invalid'), false, ['eu', 'us'], 0, final('misconfigured')],
    ['invalid, in doubt: the id is stopped', refused('invalid'), true, ['eu'], 0, finalInDoubt('misconfigured')],
    ['a wrong token ends it', refused('unauthorized'), false, ['eu'], 0, final('misconfigured')],
    ['a wrong token, in doubt: stopped', refused('unauthorized'), true, ['eu', 'us'], 0, finalInDoubt('misconfigured')],
    ['an exhausted quota ends it', refused('quota-exceeded'), false, ['eu', 'us'], 0, final('quota_exceeded')],
    [
      'an exhausted quota, in doubt: stopped',
      refused('quota-exceeded'),
      true,
      ['eu'],
      0,
      finalInDoubt('quota_exceeded'),
    ],
    ['a missing scope ends it', refused('forbidden'), false, ['eu'], 0, final('misconfigured')],
    ['a missing scope, in doubt: stopped', refused('forbidden'), true, ['eu', 'us'], 0, finalInDoubt('misconfigured')],
    ['an unknown image ends it', refused('not-found'), false, ['eu'], 0, final('misconfigured')],
    [
      'an unknown image: the next region at once',
      refused('not-found'),
      false,
      ['eu', 'us'],
      2,
      { next: 'run', session_id: 'id-1', region_index: 1, wait: 0, failures: 0, without_image: ['eu'] },
    ],
    [
      'an unknown image, in doubt, several regions: the id is given up first',
      refused('not-found'),
      true,
      ['eu', 'us'],
      0,
      { ...again, next: 'give-up-id', in_doubt: true, wait: 0, without_image: ['eu'] },
    ],
    ['an unknown image, in doubt: stopped', refused('not-found'), true, ['eu'], 0, finalInDoubt('misconfigured')],
    ['a taken id is looked up, and may be ours', refused('conflict'), false, ['eu'], 0, taken],
    ['a taken id is looked up, several regions', refused('conflict'), false, ['eu', 'us'], 0, taken],
    ['a taken id is looked up, in doubt', refused('conflict'), true, ['eu', 'us'], 2, taken],
    ['a full region: pause, same id', refused('no-capacity'), false, ['eu'], 0, { ...again, wait: 2000, failures: 0 }],
    ['a full region: what the API asks for', refused('no-capacity', 7000), false, ['eu'], 0, { ...again, wait: 7000 }],
    [
      'a full region: the next one at once',
      refused('no-capacity', 7000),
      false,
      ['eu', 'us'],
      2,
      { next: 'run', session_id: 'id-1', region_index: 1, wait: 0, failures: 0, in_doubt: false },
    ],
    ['a full region, in doubt: our own may fill it', refused('no-capacity'), true, ['eu'], 0, lookUp],
    ['a full region, in doubt, several regions: look first', refused('no-capacity'), true, ['eu', 'us'], 0, lookUp],
    ['nobody listens: again', refused('unavailable'), false, ['eu', 'us'], 0, { ...again, in_doubt: false, wait: 250 }],
    [
      'nobody listens, again and again: again',
      refused('unavailable'),
      false,
      ['eu', 'us'],
      9,
      { ...again, wait: 2500 },
    ],
    ['nobody listens, in doubt: stays so', refused('unavailable'), true, ['eu', 'us'], 5, { ...again, in_doubt: true }],
    [
      'a 5xx may have worked: same id',
      unknown('unavailable'),
      false,
      ['eu', 'us'],
      0,
      { ...again, in_doubt: true, wait: 250 },
    ],
    ['no answer: same id', unknown(), false, ['eu', 'us'], 0, { ...again, in_doubt: true, failures: 1 }],
    [
      'no answer twice: the id is given up first',
      unknown(),
      true,
      ['eu', 'us'],
      1,
      { ...again, next: 'give-up-id', wait: 0 },
    ],
    ['no answer twice, one region: same id', unknown(), true, ['eu'], 1, { ...again, in_doubt: true, wait: 500 }],
    ['no answer thrice, one region: same id', unknown(), true, ['eu'], 2, { ...again, in_doubt: true, wait: 1000 }],
    ['no answer ten times, one region: same id', unknown(), true, ['eu'], 9, { ...again, in_doubt: true, wait: 2500 }],
  ];
  it.each(rows)('%s', (_sentence, outcome, in_doubt, regions, failures, next) => {
    const after = afterRun(starting({ in_doubt, regions, failures }), outcome, NOW, chance);
    expectNext(after, next);
    expect(after.last_failure).toEqual(outcome.failure);
  });

  describe('that says it does not know the image, in one region of several,', () => {
    const where = (more: Partial<Waiting>) => starting({ regions: ['eu', 'us', 'ap'], ...more });
    const after = (a: Waiting) => afterRun(a, refused('not-found'), NOW, chance);

    it('goes round those that may have it, and pauses after the last of them', () => {
      const second = after(where({}));
      expectNext(second, { region_index: 1, without_image: ['eu'], wait: 0 });
      const third = afterRun(waiting(second), refused('no-capacity'), NOW, chance);
      expectNext(third, { region_index: 2, wait: 0 });
      expectNext(afterRun(waiting(third), refused('no-capacity'), NOW, chance), { region_index: 1, wait: 2000 });
    });
    it('ends when no region knows it', () => {
      expectNext(after(where({ region_index: 2, without_image: ['eu', 'us'] })), {
        state: 'failed',
        reason: 'misconfigured',
      });
    });
    it('stays where it is known when that is a single one', () => {
      const left = where({ region_index: 1, without_image: ['eu', 'ap'] });
      expectNext(afterRun(left, refused('no-capacity'), NOW, chance), { region_index: 1, wait: 2000 });
      const inDoubt = { in_doubt: true, next: 'run', region_index: 1 } as const;
      for (const failures of [0, 1, 2, 9]) expectNext(afterRun({ ...left, failures }, unknown(), NOW, chance), inDoubt);
    });
    it('counts a region once, however often it says so', () => {
      const again = after(where({ without_image: ['eu'], in_doubt: true }));
      expectNext(again, { next: 'give-up-id', without_image: ['eu'] });
      const given = afterGiveUpId(waiting(again), { kind: 'done', value: 'absent' }, NOW, chance);
      expectNext(given, { region_index: 1, session_id: 'id-2', in_doubt: false, abandoned: [gone] });
    });
  });

  it('ends when the API started another session, and stops both', () => {
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

  it('knows that its POST is not on its way any more', () => {
    for (const outcome of [unknown(), refused('unavailable'), refused('conflict'), refused('no-capacity')]) {
      expect(afterRun(starting({ answer_by_ms: NOW + 9000 }), outcome, NOW, chance)).not.toHaveProperty('answer_by_ms');
    }
  });

  it('pauses before the first region is tried again, not between regions', () => {
    const last = afterRun(starting({ region_index: 1 }), refused('no-capacity'), NOW, { ...chance, random: () => 1 });
    expectNext(last, { region_index: 0, wait: 5000 });
  });

  it('looks twice when the port that players need is missing', () => {
    const after = afterPortMissing(starting(), 'exposed: none', NOW);
    expectNext(after, { next: 'look-up', in_doubt: true, wait: 0 });
    expect(after.last_failure).toMatchObject({ kind: 'invalid', message: 'exposed: none' });
  });
});

describe('the time after which a POST has arrived or never will', () => {
  it('is longer than a request may take', () => expect(SETTLE_MS).toBeGreaterThan(15_000));
});

describe('after a POST that got no answer in time', () => {
  const late = (): ReturnType<typeof unknown> => {
    const { kind, failure } = unknown();
    return { kind, failure: { ...failure, timed_out: true } } as ReturnType<typeof unknown>;
  };
  it('the same id is asked for again soon, and another one only when the POST cannot arrive any more', () => {
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
