import { describe, expect, it } from 'vitest';
import { DEFAULTS, makeGroups, place } from '../../dev/bench/placement';

describe('the simulation of placement', () => {
  const groups = makeGroups(1).slice(0, 300);
  const worst = (pings: number[]): number => pings.reduce((sum, ms) => sum + ms, 0) / pings.length;

  it('starts far fewer sessions with backfill, and uses more of their seats', () => {
    const [without, filled] = [place(groups, false, DEFAULTS), place(groups, true, DEFAULTS)];
    expect(without.sessions).toBe(groups.length);
    expect(filled.sessions).toBeLessThan(groups.length / 3);
    expect(filled.usedShare).toBeGreaterThan(2 * without.usedShare);
    expect(filled.usedShare).toBeLessThanOrEqual(1);
  });

  it('plays much nearer with measured latencies and default settings, also with backfill', () => {
    for (const backfill of [false, true]) {
      const [anywhere, near] = [place(groups, backfill, { measured: false }), place(groups, backfill, DEFAULTS)];
      expect(worst(near.worstPings)).toBeLessThan(worst(anywhere.worstPings) / 2);
    }
  });

  it('goes no farther for a seat by default than without one', () => {
    const [alone, filled] = [place(groups, false, DEFAULTS), place(groups, true, DEFAULTS)];
    const everywhere = place(groups, true, { measured: true, maxPingMs: 60_000 });
    expect(worst(filled.worstPings)).toBeLessThan(1.3 * worst(alone.worstPings));
    expect(worst(everywhere.worstPings)).toBeGreaterThan(1.5 * worst(filled.worstPings));
  });
});
