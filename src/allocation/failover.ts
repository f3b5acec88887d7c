import { SECOND } from '../config';
import type { Failure } from '../gameye/failure';
import { askLocations } from '../gameye/locations';
import type { Call } from '../nakama/caller';
import type { Nakama } from '../nakama/runtime';
import type { Common, Waiting } from './allocation';
import { offeredFirst, regionsAhead } from './next-region';

/*
 * What the workers of a node tell each other about regions, through the memory that all its VMs share: one that just
 * refused a session is tried last by the next ones. Nothing is ever left out for it.
 */

const COOL_SECONDS = { 'no-capacity': 10, other: 30 };
/** As long as a Retry-After may keep others away. */
const LONGEST_SECONDS = 60;

/** Asking is not worth more than this to players who wait. */
const ASK_MS = 2 * SECOND;
/** After a POST that took longer, the lease has no time for another question (hold.ts). */
const STILL_QUICK_MS = 5 * SECOND;

const key = (region: string): string => `gameye_cool_${region}`;

/** The regions in their order, but those that refused a session a moment ago on this node last. */
export function coolLast(nk: Nakama, regions: string[]): string[] {
  if (regions.length < 2) return regions;
  const isCool = regions.map((region) => nk.localcacheGet(key(region)) !== undefined);
  return [...regions.filter((_, i) => !isCool[i]), ...regions.filter((_, i) => isCool[i])];
}

/** Before the first attempt: the allocation with its regions in the order in which they are best tried now. */
export function inTryOrder(nk: Nakama, a: Waiting): Waiting {
  return a.attempts > 0 ? a : { ...a, regions: coolLast(nk, a.regions) };
}

/** A session was not started there: new allocations begin elsewhere for a while. */
export function coolDown(nk: Nakama, region: string, failure: Failure | undefined): void {
  const isFull = failure?.kind === 'no-capacity';
  const asked = Math.ceil((failure?.retry_after_ms ?? 0) / SECOND);
  const seconds = isFull ? Math.max(COOL_SECONDS['no-capacity'], asked) : COOL_SECONDS.other;
  nk.localcachePut(key(region), 'yes', Math.min(seconds, LONGEST_SECONDS));
}

/**
 * The regions in which an allocation goes on after a POST failed: those that Gameye offers now come first, when there is a
 * choice and the API token may ask. Full or without the image, the region cools down; after anything else it is asked again
 * first, and cools down when it is given up.
 */
export function regionsAfter(call: Call, a: Common, failure: Failure, sentAt: number): string[] {
  if (failure.kind !== 'no-capacity' && failure.kind !== 'not-found') return a.regions;
  coolDown(call.nk, a.regions[a.region_index] ?? '', failure);
  if (regionsAhead(a).length < 2 || Date.now() - sentAt > STILL_QUICK_MS) return a.regions;
  const locations = askLocations(call, a.request.image ?? call.config.image, ASK_MS);
  return 'refused' in locations
    ? a.regions
    : offeredFirst(
        a,
        locations.value.map(({ id }) => id),
      );
}
