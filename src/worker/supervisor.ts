import { MINUTE, SECOND } from '../config';
import type { Call } from '../nakama/caller';
import { isClockWrong } from '../nakama/clock';
import { errorText, withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import type { Nakama } from '../nakama/runtime';
import { beat, ensureRuns, type Lifelong } from '../supervision/heartbeat';
import { refreshIndexView } from '../supervision/index-view';
import { ensureReconciler } from '../supervision/reconciler';
import { nothingSeen, resumeAllocations } from '../supervision/resume';

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

const SUPERVISOR: Lifelong = { heartbeat: 'gameye_supervisor', seconds: 10, params: { supervisor: 'yes' } };

/** An index is loaded when its node starts; a record that is younger than that, by any clock, is indexed once more. */
const LOADED_MARGIN_MS = 5 * MINUTE;
const INDEX_MS = 2 * SECOND;

/** How often the records are looked through for allocations that nobody works on. */
const PASS_MS = 5 * SECOND;

/** Of this VM's match, which has it to itself. Not in its state, which Nakama copies at every tick. */
const seen = nothingSeen();

/** Starts this node's supervisor when there is none, at next to no cost. Never throws. */
export function ensureSupervisor(nk: Nakama): void {
  ensureRuns(nk, SUPERVISOR);
}

/** One tick, once a second. Undefined: another match supervises this node. Never throws. */
export function loopSupervisor(call: Call, state: SupervisorState): SupervisorState | undefined {
  const { nk } = call;
  if (!beat(call, SUPERVISOR)) return undefined;
  ensureReconciler(nk);
  const now = Date.now();
  if (now < (state.next_pass_at_ms ?? 0)) return state;
  const next: SupervisorState = { ...state, since_ms: state.since_ms ?? now - LOADED_MARGIN_MS };
  try {
    if (!isClockWrong(call)) resumeAllocations(call, now, seen);
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
