import type { Call } from '../nakama/caller';
import type { Nakama } from '../nakama/runtime';
import { startWorker } from '../nakama/worker-match';

/** A match that runs once on every node; its VMs share whether it is there. */
export interface Lifelong {
  /** Key in the local cache. */
  heartbeat: string;
  /** Longer than it may be silent. Once Nakama has ended it (match.max_empty_sec), nobody misses it for so long. */
  seconds: number;
  /** With these parameters the match handler knows what it is. */
  params: { [key: string]: string };
}

const SUPERVISOR: Lifelong = { heartbeat: 'gameye_supervisor', seconds: 5, params: { supervisor: 'yes' } };
const RECONCILER: Lifelong = { heartbeat: 'gameye_reconciler', seconds: 15, params: { reconciler: 'yes' } };

/** Starts this node's supervisor when there is none, at next to no cost. Never throws. */
export function ensureSupervisor(nk: Nakama): void {
  ensureRuns(nk, SUPERVISOR);
}

/** Starts this node's reconciler when there is none. Never throws. */
export function ensureReconciler(nk: Nakama): void {
  ensureRuns(nk, RECONCILER);
}

export const beatSupervisor = (call: Call): boolean => beat(call, SUPERVISOR);
export const beatReconciler = (call: Call): boolean => beat(call, RECONCILER);

/**
 * Starts the match when this node has none. Takes microseconds when there is one: hooks and RPCs can afford it. A server that
 * shuts down starts no matches, and needs none.
 */
function ensureRuns(nk: Nakama, { heartbeat, seconds, params }: Lifelong): void {
  if (nk.localcacheGet(heartbeat) !== undefined) return;
  // Until its first tick, a second from now, nobody else shall start one.
  nk.localcachePut(heartbeat, '', seconds);
  try {
    startWorker(nk, params);
  } catch {
    // Shutting down, or InitModule has not registered the match yet: the next call tries again.
  }
}

/** Says that this match is still there. False: it shall end, because another one does its work on this node. */
function beat({ nk, ctx }: Call, { heartbeat, seconds }: Lifelong): boolean {
  const owner = nk.localcacheGet(heartbeat);
  if (owner !== undefined && owner !== '' && owner !== ctx.matchId) return false;
  nk.localcachePut(heartbeat, ctx.matchId ?? '', seconds);
  return true;
}
