import type { Nakama } from './runtime';

/**
 * The one match of this module, by the name that InitModule registers. A match has a goroutine and a VM of its own, so its
 * loop may block on the network without holding up anybody (match_handler.go). No player ever joins it.
 */
export const WORKER = 'gameye_allocator';

/** Starts a worker; takes about a millisecond. Its parameters say what it works as (functions.ts). */
export function startWorker(nk: Nakama, params: { [key: string]: string }): void {
  nk.matchCreate(WORKER, params);
}

/** Whether a match of this node has ended; false for what is no match's id. A look into a map of this process. */
export function hasEnded(nk: Nakama, matchId: unknown): boolean {
  try {
    return typeof matchId === 'string' && matchId !== '' && nk.matchGet(matchId) === null;
  } catch {
    return false;
  }
}

/** Shared by all VMs of the process: after how many seconds Nakama ends matches without players (match.max_empty_sec). */
const LONGEST_LIFE = 'gameye_longest_life';

/** A module cannot read that option. So it is learned from the first match that Nakama has ended. */
export function noteLongestLife(nk: Nakama, seconds: string): void {
  nk.localcachePut(LONGEST_LIFE, seconds);
}

/** Nakama ends the match after this tick, so that somebody else has to go on. It counts ticks, not time (match_handler.go). */
export function isLastTick(nk: Nakama, tick: number, tickRate: number): boolean {
  const seconds = nk.localcacheGet(LONGEST_LIFE);
  return seconds !== undefined && tick + 1 >= Number(seconds) * tickRate;
}

/** Nakama tells that it shuts down and starts no matches any more by its text only (match_registry.go). */
export function isShuttingDown(errorText: string): boolean {
  return errorText.includes('shutdown in progress');
}
