import { SECOND } from '../config';
import { hearServer } from '../database/liveness';
import { notFound } from '../fleet/find';
import { byMode, shortestSilence } from '../mode-config';
import type { Call } from '../nakama/caller';

/** How long a heartbeat is answered without a look where game servers may be silent. */
const UNLIMITED_MS = 20 * SECOND;

/**
 * Any report of a game server is a sign of life. It is stored no more often than four times within the time-out, per node,
 * however many there are. False: no such session runs or is being started.
 */
export function hear({ nk, config }: Call, sessionId: string): boolean {
  const key = `gameye_heard_${sessionId}`;
  if (nk.localcacheGet(key) !== undefined) return true;
  const state = hearServer(nk, config.fleet, sessionId, byMode(config, 'serverTimeoutMs'));
  const seconds = Math.floor((shortestSilence(config) ?? UNLIMITED_MS) / 4 / SECOND);
  // Zero seconds would mean for ever.
  if (state === 'runs' && seconds > 0) nk.localcachePut(key, 'yes', seconds);
  return state !== undefined;
}

/** A game server says that it lives. Code 5 when its session is over: it may end as well. */
export function heartbeat(call: Call, sessionId: string): object {
  return hear(call, sessionId) ? {} : notFound(sessionId);
}
