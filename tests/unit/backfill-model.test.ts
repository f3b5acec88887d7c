import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAssignment } from '../../src/players/assignment';
import { configWith, SEAT_SECRET } from './support/config';
import { liveTogether, MAX_PLAYERS, type Act, type Crowd, type CrowdPlan } from './support/crowd';
import { FAULTS, type Turn } from './support/gameye';
import { ALLOCATIONS, type Blow } from './support/life';

/*
 * Many groups that look for seats at once, with a storage, a Session API and processes that all fail at any moment: whatever
 * happens, nobody gets two answers, no seat is given twice or kept for nobody, and no session of others is ever stopped.
 */
const backfill = { GAMEYE_BACKFILL: 'on', GAMEYE_API_REGION: 'eu-central-1' };
const reporting = {
  ...{ ...backfill, GAMEYE_READY: 'server', GAMEYE_SEAT_SECRET: SEAT_SECRET, GAMEYE_NAKAMA_URL: 'http://nakama:7350' },
  GAMEYE_SEAT_TIMEOUT: '24h',
};
const turn: fc.Arbitrary<Turn> = fc.record({
  fault: fc.constantFrom(...FAULTS.filter((one) => one !== 'unauthorized')),
  full: fc.boolean(),
  dies: fc.constant(false),
  warm: fc.boolean(),
  ms: fc.integer({ min: 1, max: 3000 }),
});
const blow = fc.constantFrom<Blow>(
  ...(['none', 'none', 'none', 'none', 'error-before', 'error-after', 'crash-before', 'crash-after'] as const),
);
const act = fc.constantFrom<Act>('none', 'none', 'switch', 'switch', 'switch', 'cancel', 'ready', 'report');
const calm = {
  config: fc.constantFrom(configWith(backfill), configWith(reporting)),
  groups: fc.array(fc.record({ size: fc.integer({ min: 1, max: 4 }), afterMs: fc.integer({ min: 0, max: 700 }) }), {
    minLength: 2,
    maxLength: 9,
  }),
  running: fc.array(fc.record({ taken: fc.integer({ min: 0, max: MAX_PLAYERS }), gone: fc.boolean() }), {
    maxLength: 3,
  }),
  blind: fc.boolean(),
};
const plan: fc.Arbitrary<CrowdPlan> = fc.record({
  ...calm,
  turns: fc.array(turn, { maxLength: 6 }),
  blows: fc.array(blow, { maxLength: 40 }),
  acts: fc.array(act, { maxLength: 120 }),
});
const undisturbed: fc.Arbitrary<CrowdPlan> = fc.record({
  ...calm,
  acts: fc.array(
    act.filter((one) => one !== 'cancel'),
    { maxLength: 120 },
  ),
});
// A few seconds' worth; set FC_RUNS to search for longer.
const runs = { numRuns: Number(process.env['FC_RUNS'] ?? 100), endOnFailure: true };

const check = (arbitrary: fc.Arbitrary<CrowdPlan>, judge: (crowd: Crowd) => void): void =>
  fc.assert(
    fc.property(arbitrary, (one) => {
      const crowd = liveTogether(one);
      expect(crowd.ended).toBe(true);
      judge(crowd);
    }),
    runs,
  );

/** What a player was told; who was missed because the database failed, finds it in the assignment. */
function answersTo({ told, fake }: Crowd, user: string): string[] {
  const heard = (told.get(user) ?? []).map((one) => String(one.sessionId ?? one.reason));
  if (heard.length > 0) return heard;
  const found = readAssignment(fake.nk, user)?.value;
  if (found?.state === 'ready') return [found.session_id];
  return found?.state === 'failed' ? [String(found.reason)] : [];
}

describe('groups that look for seats at once, whatever fails around them', () => {
  it('never take more seats than there are', () => {
    check(plan, ({ oversold }) => expect(oversold).toEqual([]));
  });

  it('are told one answer each once they were stored, and none when they cancelled before', () => {
    check(plan, (crowd) => {
      for (const user of crowd.users.flat()) {
        const told = new Set(answersTo(crowd, user));
        expect(told.size).toBeLessThanOrEqual(1);
        if (crowd.stored.has(user) && !crowd.cancelled.has(user)) expect(told.size).toBe(1);
      }
    });
  });

  it('stay together: all of a group are told the same', () => {
    check(plan, (crowd) => {
      for (const group of crowd.users) {
        const told = group.filter((user) => !crowd.cancelled.has(user)).map((user) => answersTo(crowd, user)[0]);
        expect(new Set(told).size).toBeLessThanOrEqual(1);
      }
    });
  });

  it('stop no session that ran before, and leave none running that nobody was told', () => {
    check(plan, (crowd) => {
      const told = new Set(crowd.users.flat().flatMap((user) => answersTo(crowd, user)));
      for (const id of crowd.before) expect(crowd.api.sessions.get(id)?.stopped).toBeUndefined();
      const running = crowd.api.running().map(({ id }) => id);
      expect(running.filter((id) => !crowd.before.includes(id) && !told.has(id))).toEqual([]);
    });
  });

  it('leave no seat taken but for players who were told to come', () => {
    check(plan, (crowd) => {
      for (const { id, seats } of crowd.instances()) {
        const strangers = Object.keys(seats).filter(
          (user) => !user.startsWith('early-') && answersTo(crowd, user)[0] !== id,
        );
        expect(strangers.filter((user) => !crowd.cancelled.has(user) || crowd.before.includes(id))).toEqual([]);
      }
    });
  });

  it('leave no allocation behind but those that lead from one id to another', () => {
    check(plan, (crowd) => {
      const left = crowd.fake.rows().filter((row) => row.startsWith(ALLOCATIONS));
      for (const row of left) {
        const [collection = '', key = ''] = row.split('/');
        expect(crowd.fake.stored(collection, key)).toMatchObject({ state: 'announced', abandoned: [] });
      }
    });
  });
});

describe('groups that look for seats at once, when nothing fails', () => {
  it('are each told once, where they have seats, and no fuller than can be', () => {
    check(undisturbed, (crowd) => {
      for (const user of crowd.users.flat()) {
        const told = answersTo(crowd, user);
        expect(told).toHaveLength(1);
        const instance = crowd.instances().find(({ id }) => id === told[0]);
        expect(instance?.seats[user]).toBeDefined();
      }
    });
  });

  it.each([
    ['started', configWith(backfill), 700],
    ['ready long after that', configWith(reporting), 700],
  ])('start a session for eight, not one for each, until it is %s', (_what, config, _ms) => {
    const groups = Array.from({ length: 50 }, () => ({ size: 1, afterMs: 20 }));
    const acts = Array.from({ length: 400 }, (_, i): Act => (i % 3 === 0 ? 'switch' : 'none'));
    const crowd = liveTogether({ config, groups, acts });
    expect(crowd.api.sessions.size).toBe(7);
    expect(new Set(crowd.users.flat().flatMap((user) => answersTo(crowd, user))).size).toBe(7);
  });
});
