import { SECOND } from '../config';
import { isCallbackDue } from '../database/results';
import { callNext, heard } from '../extension/heard';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { startWorker } from '../nakama/worker-match';

/*
 * A worker that does what follows from what game servers said and may take long: it calls the module's `onResult` and
 * `onEnded`. The supervisor starts one when something is due, and it ends when nothing is left.
 */

/** Nothing but a sign of what it is: what there is to do stands in the database. */
export interface FollowUpState {
  follow_up: true;
}

/** In the local cache while one runs on this node; a second one would do no harm. */
const RUNS = 'gameye_follow_up';
/** Longer than one call may take. */
const RUNS_SECONDS = 60;
/** A tick ends after this and the call that it is in. */
const TICK_MS = 2 * SECOND;

/** Starts a worker when something is due and this node has none. */
export function ensureFollowUp(call: Call): void {
  const { nk, config } = call;
  if ((nk.localcacheGet(RUNS) ?? '') !== '') return;
  const wanted = heard();
  if (wanted.length === 0 || !isCallbackDue(nk, config.fleet, wanted)) return;
  nk.localcachePut(RUNS, 'yes', RUNS_SECONDS);
  startWorker(nk, { follow_up: 'yes' });
}

/** One tick. Undefined: nothing is left. Never throws: the supervisor starts another one. */
export function loopFollowUp(call: Call, state: FollowUpState): FollowUpState | undefined {
  const { nk, logger } = call;
  const deadline = Date.now() + TICK_MS;
  try {
    while (Date.now() < deadline) {
      nk.localcachePut(RUNS, 'yes', RUNS_SECONDS);
      if (callNext(call)) continue;
      nk.localcachePut(RUNS, '');
      return undefined;
    }
    return state;
  } catch (error) {
    withFields(logger, { error: errorText(error) }).error(
      'Gameye: calling back failed, probably because of the database. It is tried again.',
    );
    nk.localcachePut(RUNS, 'yes', 5);
    return undefined;
  }
}
