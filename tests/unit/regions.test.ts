import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { acceptableRegions, rankRegions } from '../../src/allocation/regions';
import type { Latency } from '../../src/records';
import { noCapacityDelayMs, retryDelayMs } from '../../src/allocation/backoff';
import { configWith } from './support/config';

const ms = (user_id: string, region: string, value: number) => ({ user_id, region, ms: value });
const REGIONS = ['eu', 'us', 'ap'];

describe('regions', () => {
  it.each([
    ['keep their order without latencies', ['a', 'b'], [], ['eu', 'us', 'ap']],
    ['keep their order without players', [], [ms('x', 'us', 1)], ['eu', 'us', 'ap']],
    [
      'of one player are ordered by latency',
      ['a'],
      [ms('a', 'eu', 90), ms('a', 'us', 10), ms('a', 'ap', 50)],
      ['us', 'ap', 'eu'],
    ],
    [
      'are judged by their slowest player',
      ['a', 'b'],
      [ms('a', 'eu', 1), ms('b', 'eu', 150), ms('a', 'us', 100), ms('b', 'us', 100)],
      ['us', 'eu', 'ap'],
    ],
    [
      'with the same worst are judged by their mean',
      ['a', 'b'],
      [ms('a', 'eu', 100), ms('b', 'eu', 90), ms('a', 'us', 100), ms('b', 'us', 10)],
      ['us', 'eu', 'ap'],
    ],
    [
      'that not everybody measured come after those that everybody did, and those that nobody measured last',
      ['a', 'b', 'c'],
      [ms('a', 'us', 1), ms('b', 'us', 1), ms('a', 'ap', 99), ms('b', 'ap', 99), ms('c', 'ap', 99)],
      ['ap', 'us', 'eu'],
    ],
    [
      'that one player alone measured rank like those that nobody did',
      ['a', 'b'],
      [ms('a', 'us', 1), ms('a', 'ap', 99), ms('b', 'ap', 99)],
      ['ap', 'eu', 'us'],
    ],
    ['are not decided by the only measurement of a group', ['a', 'b', 'c'], [ms('b', 'ap', 1)], ['eu', 'us', 'ap']],
    [
      'are not decided by who measured other regions than the others',
      ['a', 'b', 'c'],
      [ms('a', 'eu', 90), ms('b', 'eu', 90), ms('c', 'ap', 1)],
      ['eu', 'us', 'ap'],
    ],
    [
      'are ranked without the players who measured none of them',
      ['a', 'b', 'old client'],
      [ms('a', 'eu', 80), ms('b', 'eu', 80), ms('a', 'ap', 20), ms('b', 'ap', 20), ms('old client', 'mars', 1)],
      ['ap', 'eu', 'us'],
    ],
    [
      'count the best of several measurements',
      ['a'],
      [ms('a', 'us', 90), ms('a', 'eu', 50), ms('a', 'us', 10)],
      ['us', 'eu', 'ap'],
    ],
    ['ignore strangers and unknown regions', ['a'], [ms('z', 'us', 1), ms('a', 'mars', 1)], ['eu', 'us', 'ap']],
    [
      'take a measurement that cannot be true for a missing one',
      ['a'],
      [ms('a', 'eu', -1), ms('a', 'eu', NaN), ms('a', 'ap', 1e9), ms('a', 'ap', Infinity), ms('a', 'us', 300)],
      ['us', 'eu', 'ap'],
    ],
  ])('%s', (_sentence, users, latencies, ranked) => expect(rankRegions(REGIONS, users, latencies)).toEqual(ranked));

  const near = [ms('a', 'eu', 40), ms('b', 'eu', 90), ms('a', 'us', 70), ms('b', 'us', 100), ms('a', 'ap', 10)];
  it.each([
    ['are left out beyond the limit for anybody, or not measured', 100, near, ['eu', 'us']],
    ['are acceptable at the limit', 90, near, ['eu']],
    ['are left out but the best one when none is within the limit', 50, near, ['eu']],
    ['are all acceptable to players who measured nothing', 50, [], ['eu', 'us', 'ap']],
    ['are left out when the only measurement is beyond the limit', 50, [ms('a', 'us', 500)], ['eu', 'ap']],
    ['are acceptable beside the only measurement, which is within the limit', 50, [ms('a', 'ap', 1)], REGIONS],
    [
      'that somebody could not reach are the last resort',
      5,
      [ms('a', 'ap', 1), ms('a', 'us', 9), ms('b', 'us', 9)],
      ['us'],
    ],
  ])('%s (GAMEYE_MAX_PING=%i)', (_sentence, most, latencies, ranked) => {
    const config = configWith({ GAMEYE_API_REGION: REGIONS.join(','), GAMEYE_MAX_PING: String(most) });
    expect(acceptableRegions(config, { user_ids: ['a', 'b'], latencies })).toEqual(ranked);
  });
  it('of a request come before those of the configuration', () => {
    const request = { user_ids: ['a'], latencies: [ms('a', 'sa', 5)], regions: ['af', 'sa'] };
    expect(acceptableRegions(configWith(), request)).toEqual(['sa', 'af']);
  });
});

describe('the ranking of regions, whatever was measured,', () => {
  const users = ['a', 'b', 'c', 'd'];
  const latency = fc.record({
    user_id: fc.constantFrom(...users, 'stranger'),
    region: fc.constantFrom(...REGIONS, 'mars'),
    ms: fc.oneof(fc.double({ min: 0, max: 300 }), fc.integer({ min: -2, max: 300 }), fc.constantFrom(NaN, 1e9, -1)),
  });
  const limit = fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined });
  const given = fc.record({
    regions: fc.shuffledSubarray(REGIONS, { minLength: 1 }),
    latencies: fc.array(latency),
    limit,
  });
  /** What a player measured at best; undefined: nothing that can be true. */
  const best = (latencies: Latency[], user: string, region: string): number | undefined => {
    const own = latencies.filter((one) => one.user_id === user && one.region === region).map((one) => one.ms);
    const real = own.filter((one) => one >= 0 && one <= 60_000);
    return real.length > 0 ? Math.min(...real) : undefined;
  };

  it('names regions that were given, each once, at least one, and without a limit all', () => {
    fc.assert(
      fc.property(given, ({ regions, latencies, limit }) => {
        const copy = regions.slice();
        const ranked = rankRegions(regions, users, latencies, limit);
        expect(new Set(ranked).size).toBe(ranked.length);
        expect(regions).toEqual(expect.arrayContaining(ranked));
        expect(ranked.length).toBeGreaterThan(0);
        expect(rankRegions(regions, users, latencies).sort()).toEqual(copy.slice().sort());
        expect(regions).toEqual(copy);
      }),
    );
  });
  it('is the same for the same measurements, in whatever order players and measurements come', () => {
    const shuffled = given.chain((one) =>
      fc.record({
        one: fc.constant(one),
        latencies: fc.shuffledSubarray(one.latencies, { minLength: one.latencies.length }),
        users: fc.shuffledSubarray(users, { minLength: users.length }),
      }),
    );
    fc.assert(
      fc.property(shuffled, ({ one, latencies, users: others }) => {
        const ranked = rankRegions(one.regions, users, one.latencies, one.limit);
        expect(rankRegions(one.regions, others, latencies, one.limit)).toEqual(ranked);
      }),
    );
  });
  it('names only regions that are within the limit for everybody who measured them, if there are any', () => {
    fc.assert(
      fc.property(given, fc.integer({ min: 1, max: 300 }), ({ regions, latencies }, most) => {
        const isNear = (region: string): boolean => users.every((user) => (best(latencies, user, region) ?? 0) <= most);
        const ranked = rankRegions(regions, users, latencies, most);
        expect(ranked.length === 1 || ranked.every(isNear)).toBe(true);
        const isMeasured = (region: string): boolean =>
          users.every((user) => best(latencies, user, region) !== undefined);
        // One that all have measured and can reach is never lost.
        expect(ranked).toEqual(
          expect.arrayContaining(regions.filter((region) => isNear(region) && isMeasured(region))),
        );
      }),
    );
  });
  it('puts no region before another for the ticket of one player who measured what nobody else did', () => {
    const lone = fc.record({
      given: fc.array(
        fc.record({
          user_id: fc.constantFrom('a', 'b', 'c'),
          region: fc.constantFrom('eu', 'us'),
          ms: fc.integer({ min: 0, max: 300 }),
        }),
      ),
      ms: fc.integer({ min: 0, max: 300 }),
    });
    fc.assert(
      fc.property(lone, ({ given: others, ms: own }) => {
        const alone = [...others, { user_id: 'd', region: 'ap', ms: own }];
        expect(rankRegions(REGIONS, users, alone)).toEqual(rankRegions(REGIONS, users, others));
      }),
    );
  });
  it('never puts a region further back when a player reaches it faster', () => {
    const faster = fc.record({ given, index: fc.nat(), part: fc.double({ min: 0, max: 1, noNaN: true }) });
    fc.assert(
      fc.property(faster, ({ given: { regions, latencies, limit }, index, part }) => {
        const possible = latencies.filter((one) => one.ms >= 0 && one.ms <= 60_000);
        fc.pre(possible.length > 0);
        const changed = possible[index % possible.length]!;
        const better = latencies.map((one) => (one === changed ? { ...one, ms: one.ms * part } : one));
        const place = (list: Latency[]): number => {
          const at = rankRegions(regions, users, list, limit).indexOf(changed.region);
          return at < 0 ? Infinity : at;
        };
        expect(place(better)).toBeLessThanOrEqual(place(latencies));
      }),
    );
  });
});

describe('the wait before another try', () => {
  it.each([
    [1, 250, 500],
    [2, 500, 1000],
    [3, 1000, 2000],
    [4, 2000, 4000],
    [5, 2500, 5000],
    [1_000_000, 2500, 5000],
  ])('after %i failures is from %i to %i ms', (failures, least, most) => {
    expect(retryDelayMs(failures, 0)).toBe(least);
    expect(retryDelayMs(failures, 1)).toBe(most);
  });
  it('is what the API asks for, however long or short', () => {
    expect(retryDelayMs(9, 0.5, 1)).toBe(1);
    expect(noCapacityDelayMs(0.5, 60_000)).toBe(60_000);
  });
  it('after every region was full is from 2 to 5 s', () => {
    expect([noCapacityDelayMs(0), noCapacityDelayMs(1)]).toEqual([2000, 5000]);
  });
});
