import { describe, expect, it } from 'vitest';
import { nextStep, type Started, type Waiting } from '../../src/allocation/allocation';
import {
  afterGiveUpId,
  afterLookUp,
  afterNobodyTold,
  afterStart,
  type Finding,
} from '../../src/allocation/transitions';
import type { Outcome } from '../../src/gameye/failure';
import type { SessionView } from '../../src/gameye/wire';
import { chance, expectNext, gone, NOW, refused, starting, unknown, type Next } from './support/transitions';

describe('an allocation that looked its session id up', () => {
  const view = {
    id: 'id-1',
    status: 'running',
    host: 'h',
    ports: {},
    region: 'eu',
    image: 'i',
    labels: {},
  } as SessionView;
  const found = { kind: 'done', value: view } as const;
  const base = { next: 'look-up', in_doubt: true } as const;
  const rows: [string, Partial<Waiting>, Outcome<SessionView>, Finding | undefined, Next][] = [
    [
      'looks again after a pause while the session starts',
      base,
      found,
      'starting',
      { ...base, session_id: 'id-1', wait: 250 },
    ],
    [
      'waits on for a session that starts slowly',
      { ...base, failures: 8 },
      found,
      'starting',
      { ...base, state: 'starting' },
    ],
    [
      'takes another id when the session has ended',
      base,
      found,
      'ended',
      { session_id: 'id-2', in_doubt: false, next: 'run', wait: 250 },
    ],
    [
      'takes another id when the session is not ours',
      base,
      found,
      'not-ours',
      { session_id: 'id-2', in_doubt: false, next: 'run' },
    ],
    [
      'fails when a session has ended the third time',
      { ...base, failures: 2 },
      found,
      'ended',
      { state: 'failed', reason: 'error', abandoned: [] },
    ],
    [
      'fails when a session is not ours the third time',
      { ...base, failures: 2 },
      found,
      'not-ours',
      { state: 'failed', reason: 'error' },
    ],
    [
      'looks again when the port of the players is missing',
      base,
      found,
      'port-missing',
      { ...base, session_id: 'id-1', failures: 1 },
    ],
    [
      'fails and stops the session when the port is missing the third time',
      { ...base, failures: 2 },
      found,
      'port-missing',
      { state: 'failed', reason: 'misconfigured', abandoned: [gone] },
    ],
    [
      'asks for the same id again when it was taken and is absent',
      base,
      refused('not-found'),
      undefined,
      { next: 'run', session_id: 'id-1', in_doubt: true },
    ],
    [
      'looks again when a taken id stays absent, because its session may be starting',
      { ...base, failures: 4 },
      refused('not-found'),
      undefined,
      { next: 'run', session_id: 'id-1', in_doubt: true, wait: 2500 },
    ],
    [
      'gives the id up when it was taken and absent six times',
      { ...base, failures: 5 },
      refused('not-found'),
      undefined,
      { next: 'give-up-id', session_id: 'id-1', in_doubt: true, wait: 0 },
    ],
    [
      'gives the id up when its session is absent in a full region',
      { ...base, last_failure: refused('no-capacity').failure },
      refused('not-found'),
      undefined,
      { next: 'give-up-id', session_id: 'id-1', in_doubt: true, wait: 0 },
    ],
    [
      'fails and stops the session when the API refuses the look-up for good',
      base,
      refused('unauthorized'),
      undefined,
      { state: 'failed', reason: 'misconfigured', abandoned: [gone] },
    ],
    [
      'fails and stops the session when the token lacks the scope to look',
      { ...base, in_doubt: false },
      refused('forbidden'),
      undefined,
      { state: 'failed', abandoned: [gone] },
    ],
    [
      'looks later when the API limits requests',
      base,
      refused('no-capacity', 3000),
      undefined,
      { ...base, wait: 3000, state: 'starting' },
    ],
    ['looks again when nobody listens', base, refused('unavailable'), undefined, { ...base, wait: 250 }],
    [
      'looks again after a 5xx',
      { ...base, failures: 7 },
      unknown('unavailable'),
      undefined,
      { ...base, state: 'starting', wait: 2500 },
    ],
    ['looks again after no answer', base, unknown(), undefined, { ...base, state: 'starting' }],
  ];
  it.each(rows)('%s', (_sentence, before, outcome, finding, next) => {
    expectNext(afterLookUp(starting(before), outcome, finding, NOW, chance), next);
  });

  it('does not wait for what the API asked for in an earlier answer', () => {
    const before = starting({ ...base, last_failure: refused('no-capacity', 3_600_000).failure });
    expectNext(afterLookUp(before, found, 'starting', NOW, chance), { wait: 250 });
  });
});

describe('an allocation that sent a DELETE to give its session id up', () => {
  const before = { next: 'give-up-id', in_doubt: true, failures: 3 } as const;
  it('goes on in the next region with a new id when the old one was running', () => {
    const after = afterGiveUpId(starting(before), { kind: 'done', value: 'stopped' }, NOW, chance);
    expectNext(after, {
      session_id: 'id-2',
      in_doubt: false,
      region_index: 1,
      next: 'run',
      failures: 0,
      abandoned: [],
      wait: 0,
    });
  });
  it('keeps the old id to be stopped when it was absent, because its POST may still be on its way', () => {
    const after = afterGiveUpId(starting(before), { kind: 'done', value: 'absent' }, NOW, chance);
    expectNext(after, { session_id: 'id-2', abandoned: [gone], region_index: 1 });
  });
  it('pauses when there is no other region', () => {
    const after = afterGiveUpId(
      starting({ ...before, regions: ['eu'] }),
      { kind: 'done', value: 'absent' },
      NOW,
      chance,
    );
    expectNext(after, { session_id: 'id-2', region_index: 0, wait: 2000 });
  });
  it('fails when its id is said to be taken but is nowhere: another id could start a second session', () => {
    const after = afterGiveUpId(starting({ ...before, taken: true }), { kind: 'done', value: 'absent' }, NOW, chance);
    expectNext(after, { state: 'failed', reason: 'error', session_id: 'id-1', abandoned: [gone] });
  });
  it('goes on when an id that was said to be taken was stopped', () => {
    const after = afterGiveUpId(starting({ ...before, taken: true }), { kind: 'done', value: 'stopped' }, NOW, chance);
    expectNext(after, { state: 'starting', session_id: 'id-2', taken: false, abandoned: [] });
  });
  it.each([
    ['asks for the id again when the DELETE was refused', refused('unauthorized'), 'run'],
    ['asks for the id again when nobody listened', refused('unavailable'), 'run'],
    ['repeats the DELETE after a 5xx: it may have been carried out', unknown('unavailable'), 'give-up-id'],
    ['repeats the DELETE after no answer: it may still arrive', unknown(), 'give-up-id'],
  ])('keeps id and region, and %s', (_sentence, outcome, next) => {
    const after = afterGiveUpId(starting(before), outcome, NOW, chance);
    expectNext(after, {
      session_id: 'id-1',
      in_doubt: true,
      region_index: 0,
      next,
      abandoned: [],
      state: 'starting',
    });
    expect(after.next_at_ms).toBeGreaterThan(NOW);
  });
});

describe('an allocation whose players could not be told', () => {
  const begun = (): Started => {
    const where = { host: 'h', ports: { '7777/udp': 1 } };
    return afterStart(starting({ last_failure: refused('no-capacity', 3_600_000).failure }), where, false, NOW);
  };
  it('tries again soon, whatever the API asked for earlier', () => {
    expectNext(afterNobodyTold(begun(), NOW, chance), { state: 'started', failures: 1, wait: 250 });
  });
  it('ends and stops the session when the create timeout is over, not sooner', () => {
    const tired = { ...begun(), failures: 20 };
    expect(afterNobodyTold(tired, tired.deadline_ms - 1, chance).state).toBe('started');
    const after = afterNobodyTold({ ...tired, deadline_ms: NOW }, NOW, chance);
    expectNext(after, { state: 'failed', reason: 'error', abandoned: [gone], told: false });
    expect(nextStep(after, NOW)).toEqual({ do: 'tell-failure' });
  });
});
