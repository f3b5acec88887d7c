import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rankRegions } from '../../src/allocation/regions';
import { noCapacityDelayMs, retryDelayMs } from '../../src/allocation/backoff';

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
      'that not everybody measured come last',
      ['a', 'b'],
      [ms('a', 'eu', 1), ms('a', 'ap', 99), ms('b', 'ap', 99)],
      ['ap', 'eu', 'us'],
    ],
    [
      'count the best of several measurements',
      ['a'],
      [ms('a', 'us', 90), ms('a', 'eu', 50), ms('a', 'us', 10)],
      ['us', 'eu', 'ap'],
    ],
    ['ignore strangers and unknown regions', ['a'], [ms('z', 'us', 1), ms('a', 'mars', 1)], ['eu', 'us', 'ap']],
  ])('%s', (_sentence, users, latencies, ranked) => expect(rankRegions(REGIONS, users, latencies)).toEqual(ranked));

  it('are always all there, each once, and the given list stays as it was', () => {
    const latency = fc.record({
      user_id: fc.constantFrom('a', 'b'),
      region: fc.constantFrom(...REGIONS, 'x'),
      ms: fc.nat(),
    });
    fc.assert(
      fc.property(fc.shuffledSubarray(REGIONS), fc.array(latency), (regions, latencies) => {
        const given = regions.slice();
        expect(rankRegions(regions, ['a', 'b'], latencies).sort()).toEqual(given.slice().sort());
        expect(regions).toEqual(given);
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
