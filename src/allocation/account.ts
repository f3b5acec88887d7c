import type { Nakama } from '../nakama/runtime';

/*
 * Whether this process has started a session with its API token. A token of another account would not find our sessions
 * either; one that has started them is the right one, also before any list has shown it.
 */
const KEY = 'gameye_has_started';

export function noteStarted(nk: Nakama): void {
  nk.localcachePut(KEY, 'yes');
}

export function hasStarted(nk: Nakama): boolean {
  return nk.localcacheGet(KEY) !== undefined;
}
