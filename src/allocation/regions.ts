import type { AllocationRequest, Latency } from '../records';

/** Nobody plays a minute away: a longer measurement is a mistake, or says that there was no answer. */
const LONGEST_MS = 60_000;

/**
 * The regions in which these players may play, best first: the region whose slowest player is fastest, then the lower
 * mean, then the given order. With `mostMs` only those within this for everybody; when there is none, the best one alone,
 * because people must be able to play. Deterministic, and the order of players and measurements does not matter.
 *
 * The best of several measurements counts; one that cannot be true (negative, not finite, above a minute) counts as
 * missing. A region that one player of several measured alone ranks like one that nobody measured: one ticket decides
 * nothing for the others, except that `mostMs` holds for it. Who measured none of the other regions has no say. For who
 * measured some, a missing one is slower than any measurement: usually there was no answer. So a region that nobody
 * measured comes after all that were measured, in the given order.
 */
export function rankRegions(regions: string[], userIds: string[], latencies: Latency[], mostMs = Infinity): string[] {
  const players = bestMeasurements(regions, userIds, latencies);
  const byWhom = (region: string): number => players.filter((own) => own.has(region)).length;
  const lone = new Set(players.length > 1 ? regions.filter((region) => byWhom(region) === 1) : []);
  const measured = players.filter((own) => [...own.keys()].some((region) => !lone.has(region)));
  const ranked = regions.map((region, position) => {
    const worst = Math.max(0, ...players.map((own) => own.get(region) ?? 0));
    return {
      region,
      position,
      isNear: worst <= mostMs,
      ...judge(region, lone.has(region) ? [] : measured, measured.length),
    };
  });
  ranked.sort((a, b) => a.missing - b.missing || a.worst - b.worst || a.mean - b.mean || a.position - b.position);
  const near = ranked.filter((one) => mostMs === Infinity || (one.missing === 0 && one.isNear));
  return (near.length > 0 ? near : ranked.slice(0, 1)).map((one) => one.region);
}

/**
 * The regions that are acceptable to everybody in a request, best first; at least one. An allocation's `regions` are these,
 * so a running session suits a waiting allocation when its region is among them.
 */
export function acceptableRegions(
  config: { regions: string[]; maxPingMs?: number },
  request: Pick<AllocationRequest, 'regions' | 'user_ids' | 'latencies'>,
): string[] {
  return rankRegions(request.regions ?? config.regions, request.user_ids, request.latencies, config.maxPingMs);
}

/** Without GAMEYE_MAX_PING, groups go no farther for a seat: a new session in their best region is better then. */
const NEAR_MS = 120;

/** Those of an allocation's regions in which its group takes seats and waits with others, in their order. */
export function nearRegions(
  { maxPingMs = NEAR_MS }: { maxPingMs?: number },
  { regions, request }: { regions: string[]; request: Pick<AllocationRequest, 'user_ids' | 'latencies'> },
): string[] {
  const near = rankRegions(regions, request.user_ids, request.latencies, maxPingMs);
  return regions.filter((region) => near.includes(region));
}

/** For each player: region → milliseconds, for the regions that they measured. */
function bestMeasurements(regions: string[], userIds: string[], latencies: Latency[]): Map<string, number>[] {
  const known = new Set(regions);
  const players = new Map(userIds.map((userId) => [userId, new Map<string, number>()]));
  for (const { user_id, region, ms } of latencies) {
    const own = players.get(user_id);
    if (!own || !known.has(region) || !(ms >= 0 && ms <= LONGEST_MS)) continue;
    own.set(region, Math.min(ms, own.get(region) ?? ms));
  }
  return [...players.values()];
}

/** How many of `asked` players are without a measurement, and the slowest and the mean of the others (0 without any). */
function judge(
  region: string,
  measured: Map<string, number>[],
  asked: number,
): { missing: number; worst: number; mean: number } {
  const all = measured.map((own) => own.get(region)).filter((ms): ms is number => ms !== undefined);
  // Sorted, because a sum of fractions depends on its order.
  all.sort((a, b) => a - b);
  const sum = all.reduce((total, ms) => total + ms, 0);
  return { missing: asked - all.length, worst: all[all.length - 1] ?? 0, mean: sum / (all.length || 1) };
}
