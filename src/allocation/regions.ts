import type { Latency } from './request';

/**
 * Orders regions for these players: the region whose slowest player is fastest comes first, then the lower mean; regions
 * that not everybody has measured come after those that everybody has, in the given order. Pure.
 */
export function rankRegions(regions: string[], userIds: string[], latencies: Latency[]): string[] {
  const ranked = regions.map((region, position) => {
    const perUser = userIds.map((userId) => {
      const measured = latencies.filter((one) => one.region === region && one.user_id === userId).map((one) => one.ms);
      return measured.length === 0 ? undefined : Math.min(...measured);
    });
    const known = perUser.filter((ms): ms is number => ms !== undefined);
    const complete = known.length === userIds.length && known.length > 0;
    return {
      region,
      position,
      complete,
      worst: complete ? Math.max(...known) : 0,
      mean: complete ? known.reduce((sum, ms) => sum + ms, 0) / known.length : 0,
    };
  });
  ranked.sort((a, b) => {
    if (a.complete !== b.complete) return a.complete ? -1 : 1;
    return a.worst - b.worst || a.mean - b.mean || a.position - b.position;
  });
  return ranked.map((one) => one.region);
}
