import type { Call } from '../nakama/caller';
import type { Nakama } from '../nakama/runtime';
import type { Failure, Outcome } from './failure';

/*
 * RPCs share a bounded number of VMs, so a Session API that hangs must not hold many of them. What one VM finds out counts for
 * all of the node, and only what an RPC can do without is asked through this file.
 */

/** The API usually answers sooner. */
const SLOW_MS = 300;
const SILENT_SECONDS = 5;
/** No request of an RPC takes longer. */
const LONGEST_SECONDS = 5;
const SILENT = 'gameye_api_silent';
const WAITING = 'gameye_api_waiting';

/**
 * What `ask` brings; undefined, without asking, when the API kept an RPC waiting in vain a moment ago. Workers have VMs of
 * their own: they always ask.
 */
export function unlessSilent<T>(call: Call, ask: () => Outcome<T>): Outcome<T> | undefined {
  const { nk, ctx } = call;
  if (ctx.matchId !== undefined) return ask();
  if (nk.localcacheGet(SILENT) !== undefined) return undefined;
  const since = Date.now();
  const isFirst = !nk.localcacheGet(WAITING);
  if (isFirst) nk.localcachePut(WAITING, String(since), LONGEST_SECONDS);
  const outcome = ask();
  if (isFirst) nk.localcachePut(WAITING, '', LONGEST_SECONDS);
  const isUnanswered = outcome.kind !== 'done' && isNoAnswer(outcome.failure);
  if (isUnanswered && Date.now() - since > SLOW_MS) nk.localcachePut(SILENT, 'yes', SILENT_SECONDS);
  return outcome;
}

/** True while the API keeps an RPC waiting, or did so in vain a moment ago: what can be asked later is not asked now. */
export function isSlow(nk: Nakama): boolean {
  const since = nk.localcacheGet(WAITING);
  const isWaiting = typeof since === 'string' && since !== '' && Date.now() - Number(since) > SLOW_MS;
  return isWaiting || nk.localcacheGet(SILENT) !== undefined;
}

function isNoAnswer({ kind, status }: Failure): boolean {
  return status === undefined || kind === 'unknown' || kind === 'unavailable';
}
