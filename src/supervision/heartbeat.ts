import type { Call } from '../nakama/caller';
import type { Nakama } from '../nakama/runtime';
import { hasEnded, isLastTick, noteLongestLife, startWorker } from '../nakama/worker-match';

/*
 * Supervisor and reconciler never end on their own, but Nakama ends matches without players when match.max_empty_sec says so.
 * Each of the two looks for the other once a second, and the second one is started by the first: so one of them sees the other
 * end for the first time. From then on it is known how long a match lives, and each starts its successor at its last tick.
 */

/** A match that runs once on every node; its VMs share whether it is there. */
export interface Lifelong {
  /** Keys in the local cache. */
  heartbeat: string;
  age: string;
  /** Longer than it may be silent while it runs. */
  seconds: number;
  /** With these parameters the match handler knows what it is. */
  params: { [key: string]: string };
}

const SUPERVISOR: Lifelong = {
  heartbeat: 'gameye_supervisor',
  age: 'gameye_supervisor_age',
  seconds: 5,
  params: { supervisor: 'yes' },
};
const RECONCILER: Lifelong = {
  heartbeat: 'gameye_reconciler',
  age: 'gameye_reconciler_age',
  seconds: 15,
  params: { reconciler: 'yes' },
};

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
function ensureRuns(nk: Nakama, { heartbeat, age, seconds, params }: Lifelong): void {
  const owner = nk.localcacheGet(heartbeat);
  if (owner !== undefined && !hasEnded(nk, owner)) return;
  const [last, lived = ''] = String(nk.localcacheGet(age) ?? '').split(' ');
  if (hasEnded(nk, last)) noteLongestLife(nk, lived);
  start(nk, { heartbeat, age, seconds, params }, params);
}

/** False: the server shuts down, or InitModule has not registered the match yet. The next call tries again. */
function start(nk: Nakama, { heartbeat, age, seconds }: Lifelong, params: Lifelong['params']): boolean {
  // Until its first tick, a second from now, nobody else shall start one.
  nk.localcachePut(heartbeat, '', seconds);
  nk.localcachePut(age, '');
  try {
    startWorker(nk, params);
    return true;
  } catch {
    return false;
  }
}

/** After every tick. True: this was the last one before Nakama ends this match, and a successor goes on from `state`. */
export function isHandedOn({ nk, ctx }: Call, state: object, tick: number): boolean {
  const keeper = 'supervisor' in state ? SUPERVISOR : RECONCILER;
  if (isLastTick(nk, tick, 1) && start(nk, keeper, { ...keeper.params, state: JSON.stringify(state) })) return true;
  nk.localcachePut(keeper.age, `${ctx.matchId ?? ''} ${tick + 1}`);
  return false;
}

/** Says that this match is still there. False: it shall end, because another one does its work on this node. */
function beat({ nk, ctx }: Call, { heartbeat, seconds }: Lifelong): boolean {
  const owner = nk.localcacheGet(heartbeat);
  if (owner !== undefined && owner !== '' && owner !== ctx.matchId) return false;
  nk.localcachePut(heartbeat, ctx.matchId ?? '', seconds);
  return true;
}
