import type { Nakama } from '../nakama/runtime';
import { CONTROL, readRows, writeRows } from '../nakama/storage';

/**
 * The label that says whose session it is: that of all nodes on one database. The name of a fleet does not tell, because two
 * deployments with one Gameye account may both be called `default`, and must not stop each other's sessions.
 */
export const OWNER_LABEL = 'nakama_owner';

const KEY = 'owner';
const CACHE_KEY = 'gameye_owner';

/** This deployment's own id: random, stored once, the same on every node of the database. Read once per process. */
export function ownerId(nk: Nakama): string {
  const cached = nk.localcacheGet(CACHE_KEY);
  if (typeof cached === 'string') return cached;
  const id = readOwner(nk) ?? firstOwner(nk);
  nk.localcachePut(CACHE_KEY, id);
  return id;
}

function firstOwner(nk: Nakama): string {
  const id = nk.uuidv4();
  const written = writeRows(nk, [{ collection: CONTROL, key: KEY, value: { id }, version: '*' }]);
  // Another node was faster: then it is theirs.
  return written === 'conflict' ? (readOwner(nk) ?? id) : id;
}

function readOwner(nk: Nakama): string | undefined {
  return readRows<{ id: string }>(nk, CONTROL, [KEY])[0]?.value.id;
}
