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

/** Nakama tells that it shuts down and starts no matches any more by its text only (match_registry.go). */
export function isShuttingDown(errorText: string): boolean {
  return errorText.includes('shutdown in progress');
}
