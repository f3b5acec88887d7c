import { describe, expect, it } from 'vitest';
import { makeGroups, place } from '../../dev/bench/placement';

describe('the simulation of placement', () => {
  const groups = makeGroups(1).slice(0, 300);
  const worst = (pings: number[]): number => pings.reduce((sum, ms) => sum + ms, 0) / pings.length;

  it('starts far fewer sessions with backfill, and uses more of their seats', () => {
    const [without, filled] = [place(groups, false, true), place(groups, true, true)];
    expect(without.sessions).toBe(groups.length);
    expect(filled.sessions).toBeLessThan(groups.length / 3);
    expect(filled.usedShare).toBeGreaterThan(2 * without.usedShare);
    expect(filled.usedShare).toBeLessThanOrEqual(1);
  });

  it('plays much nearer with ranking, also with backfill', () => {
    for (const backfill of [false, true]) {
      const [anywhere, near] = [place(groups, backfill, false), place(groups, backfill, true)];
      expect(worst(near.worstPings)).toBeLessThan(worst(anywhere.worstPings) / 2);
    }
  });
});
