import { describe, expect, it } from 'vitest';
import type { Allocation } from '../../src/allocation/allocation';
import { cancelPending } from '../../src/allocation/pending';
import { markReady } from '../../src/database/allocations';
import { configWith, SEAT_SECRET } from './support/config';
import { CALM, type Fault, type Turn } from './support/gameye';
import { live, rowsOf, thePost, type Blow, type Life, type Plan } from './support/life';
import type { Event } from './support/nakama';
import { FLEET, seatOf } from './support/records';

/*
 * One worker, one crash or one error of the database, at every single call of its server: just before the call is carried
 * out, and just after, with its answer lost. After a crash another worker goes on from the record alone, after an error the
 * same one from what it remembers. (Many blows at random: worker-model.test.ts.)
 */
const turns = (...faults: Fault[]): Turn[] => faults.map((fault) => ({ ...CALM, fault }));
const late: Turn = { ...CALM, fault: 'delayed', ms: 13_000 };
const oneRegion = configWith({ GAMEYE_API_REGION: 'eu-central-1' });
const twoRegions = configWith();
const afterServerReady = configWith({
  GAMEYE_API_REGION: 'eu-central-1',
  GAMEYE_READY: 'server',
  GAMEYE_NAKAMA_URL: 'http://nakama.test',
  GAMEYE_SEAT_SECRET: SEAT_SECRET,
});
const cancels = (life: Life): void => void cancelPending(life.call, 'id-0');
const isAwaited = (event: Event, life: Life): boolean => event.kind === 'sql' && life.row()?.state === 'started';
const isReady = (life: Life): void => void markReady(life.fake.nk, FLEET, 'id-0');

const courses: [string, Plan][] = [
  ['a session starts at once', { config: oneRegion }],
  ['it was queued', { config: oneRegion, queued: true }],
  [
    'it is cancelled while it is queued',
    { config: oneRegion, queued: true, meanwhile: { before: () => true, act: cancels } },
  ],
  ['the answer that it started is lost', { config: oneRegion, turns: turns('reply-lost') }],
  ['the first region is full', { config: twoRegions, turns: [{ ...CALM, full: true }] }],
  ['an id is given up for another region', { config: twoRegions, turns: turns('502-html-after', '500-before') }],
  ['a POST arrives after its id was given up', { config: twoRegions, turns: [late, ...turns('500-before')] }],
  ['Gameye refuses for good', { config: oneRegion, turns: turns('unauthorized') }],
  ['it fails while a session may run', { config: oneRegion, turns: turns('reply-lost', 'none', 'unauthorized') }],
  ['the create timeout passes in doubt', { config: oneRegion, turns: turns('delayed'), createTimeoutMs: 14_000 }],
  ['it is cancelled while it starts', { config: oneRegion, meanwhile: { before: thePost, act: cancels } }],
  ['players wait for their game server', { config: afterServerReady, meanwhile: { before: isAwaited, act: isReady } }],
  ['their game server is never ready', { config: afterServerReady, createTimeoutMs: 2_000 }],
];

/** A course with every one of the blows at each of its calls that they can strike: what the life after it came to. */
function* struck(plan: Plan, blows: Blow[]): Generator<{ life: Life; point: string }> {
  const calm = live(plan);
  for (let event = 1; event <= calm.events; event++) {
    for (const blow of blows) {
      if (blow.startsWith('error') && calm.kinds[event - 1] === 'http') continue;
      const life = live({ ...plan, blows: [...Array.from({ length: event - 1 }, () => 'none' as const), blow] });
      // A request that failed anyway has no answer that could be lost.
      if (blow.startsWith('crash') && life.crashes === 0) continue;
      yield { life, point: `${blow} call ${event}, ${JSON.stringify(life.crashedIn[0])}` };
    }
  }
}

/** What the records said where a life ended, over all courses. */
const met = new Set<string>();

const standing = (life: Life, user: string): unknown => seatOf(life.fake, user)?.['state'];

/** Told the same once, or twice when its worker cannot know that it was; what runs is what was told, and recorded. */
function expectOneEnd(life: Life, point: string): void {
  expect(life.ended, point).toBe(true);
  // Before the first write has reached the database there is nothing to go on from; nothing was sent either.
  if (life.told.length === 0) {
    expect(life.crashedIn, point).toEqual([undefined]);
    expect(life.fake.requests, point).toEqual([]);
    return;
  }
  expect(life.running.length, point).toBeLessThanOrEqual(1);
  const [told, ...others] = [...new Set(life.told.map(({ code, sessionId }) => `${code} ${String(sessionId)}`))];
  expect(others, point).toEqual([]);
  expect(life.told.length, point).toBeLessThanOrEqual(4);
  const [session] = life.running;
  expect(told, point).toBe(session === undefined ? '7301 undefined' : `7300 ${session}`);
  expect(rowsOf(life.fake), point).toEqual(session === undefined ? [] : [`instance ${session}`]);
  for (const user of ['u1', 'u2']) {
    const unsent = life.fake.requests.length === 0;
    const states = session !== undefined ? ['joined', 'reserved'] : unsent ? [undefined, 'failed'] : ['failed'];
    expect(states, point).toContain(standing(life, user));
  }
}

describe('a worker that dies at any of its calls', { timeout: 180_000 }, () => {
  it.each(courses)('leaves one told session or none, nothing stray, and true records when %s', (_course, plan) => {
    let points = 0;
    for (const { life, point } of struck(plan, ['crash-before', 'crash-after'])) {
      points++;
      met.add(situation(life.crashedIn[0]));
      expectOneEnd(life, point);
    }
    expect(points).toBeGreaterThan(5);
  });

  it('dies in every situation that a record can describe', () => {
    expect([...met].sort()).toEqual([
      'announced',
      'announced, ids to stop',
      'cancelled',
      'cancelled, ids to stop',
      'cancelled, told',
      'cancelled, told, ids to stop',
      'failed',
      'failed, ids to stop',
      'failed, told',
      'failed, told, ids to stop',
      'no record',
      'queued',
      'started',
      'started, awaiting its server',
      'started, ids to stop',
      'starting',
      'starting, ids to stop',
      'starting, in doubt',
      'starting, in doubt, ids to stop',
    ]);
  });
});

describe('a worker whose database fails once at any of its calls', { timeout: 180_000 }, () => {
  it.each(courses)('leaves one told session or none, nothing stray, and true records when %s', (_course, plan) => {
    let points = 0;
    for (const { life, point } of struck(plan, ['error-before', 'error-after'])) {
      points++;
      expectOneEnd(life, point);
    }
    expect(points).toBeGreaterThan(3);
  });
});

function situation(a: Allocation | undefined): string {
  if (!a) return 'no record';
  const parts = [
    a.state as string,
    'in_doubt' in a && a.in_doubt ? 'in doubt' : '',
    'waits' in a && a.waits && !a.server_ready ? 'awaiting its server' : '',
    'told' in a && a.told === true ? 'told' : '',
    a.abandoned.length > 0 ? 'ids to stop' : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}
