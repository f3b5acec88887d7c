import type { Call } from '../nakama/caller';
import { Code, rpcError } from '../refusal';

/** No RPC takes longer: Nakama cuts its answer off after 10 s. */
const LONGEST_SECONDS = 10;

/**
 * Does what may take a player's RPC long. Code 10 while another such call of theirs is on its way on this node: the VMs are
 * there for all players.
 */
export function oneAtATime<T>({ nk }: Call, userId: string, act: () => T): T {
  const key = `gameye_busy_${userId}`;
  if (nk.localcacheGet(key)) return rpcError(Code.ABORTED, 'Another request of yours is on its way. Try again.');
  nk.localcachePut(key, 'yes', LONGEST_SECONDS);
  try {
    return act();
  } finally {
    nk.localcachePut(key, '', 1);
  }
}
