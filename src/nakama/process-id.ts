import type { Nakama } from './runtime';

const CACHE_KEY = 'gameye_process';

/**
 * Which process this is: random, the same in all of its VMs, another one after a restart. Its name (`--name`) does not tell,
 * because two nodes may have been given one name. InitModule asks first, when there is only one VM.
 */
export function processId(nk: Nakama): string {
  const cached = nk.localcacheGet(CACHE_KEY);
  if (typeof cached === 'string') return cached;
  const id = nk.uuidv4();
  nk.localcachePut(CACHE_KEY, id);
  return id;
}
