import { ALLOCATOR } from '../allocation/allocator';
import { MINUTE, SECOND } from '../config';
import type { Call } from '../nakama/caller';
import { isClockWrong } from '../nakama/clock';
import { errorText, withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import type { Nakama } from '../nakama/runtime';
import { refreshIndexView } from './index-view';
import { ensureReconciler } from './reconciler';
import { resumeAllocations } from './resume';

/**
 * What runs on its own, on every node: a match that never ends and that nobody joins. It is started with the node; when it
 * is gone (match.max_empty_sec, an operator), whoever misses its heartbeat starts another.
 */
export interface SupervisorState {
  supervisor: true;
  /** Missing at the first tick. */
  next_pass_at_ms?: number;
  /** When this node's index is brought up to date next, and what it had when the match began. */
  index_at_ms?: number;
  since_ms?: number;
}

/** Shared by the VMs of a node: the match that supervises it. */
const HEARTBEAT = 'gameye_supervisor';
const HEARTBEAT_SECONDS = 10;

/** An index is loaded when its node starts; a record that is younger than that, by any clock, is indexed once more. */
const LOADED_MARGIN_MS = 5 * MINUTE;
const INDEX_MS = 2 * SECOND;

/** How often the records are looked through for allocations that nobody works on. */
const PASS_MS = 5 * SECOND;

/**
 * Starts this node's supervisor when there is none. Takes microseconds when there is: hooks and RPCs can afford it. Never
 * throws: a server that shuts down starts no matches, and needs no supervisor.
 */
export function ensureSupervisor(nk: Nakama): void {
  if (nk.localcacheGet(HEARTBEAT) !== undefined) return;
  // Until its first tick, a second from now, nobody else shall start one.
  nk.localcachePut(HEARTBEAT, '', HEARTBEAT_SECONDS);
  try {
    nk.matchCreate(ALLOCATOR, { supervisor: 'yes' });
  } catch {
    // Shutting down, or InitModule has not registered the match yet: the next call tries again.
  }
}

/** One tick, once a second. Undefined: another match supervises this node. Never throws. */
export function loopSupervisor(call: Call, state: SupervisorState): SupervisorState | undefined {
  const { nk, ctx } = call;
  const owner = nk.localcacheGet(HEARTBEAT);
  if (owner !== undefined && owner !== '' && owner !== ctx.matchId) return undefined;
  nk.localcachePut(HEARTBEAT, ctx.matchId ?? '', HEARTBEAT_SECONDS);
  ensureReconciler(nk);
  const now = Date.now();
  if (now < (state.next_pass_at_ms ?? 0)) return state;
  const next: SupervisorState = { ...state, since_ms: state.since_ms ?? now - LOADED_MARGIN_MS };
  try {
    if (!isClockWrong(call)) resumeAllocations(call, now);
    if (now >= (state.index_at_ms ?? 0)) {
      const { indexed, done } = refreshIndexView(nk, next.since_ms ?? now, Date.now() + INDEX_MS);
      count(nk, 'gameye_reconciled', { change: 'indexed' }, indexed);
      next.index_at_ms = done ? now + call.config.reconcileIntervalMs : 0;
    }
  } catch (error) {
    withFields(call.logger, { error: errorText(error) }).error(
      'Gameye: a pass over the records failed, probably because of the database. It is tried again.',
    );
  }
  return { ...next, next_pass_at_ms: Date.now() + PASS_MS };
}
