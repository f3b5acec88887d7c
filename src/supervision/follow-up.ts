import { SECOND } from '../config';
import { isEndDue } from '../database/liveness';
import { isCallbackDue } from '../database/results';
import { callNext, heard } from '../extension/heard';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { startWorker } from '../nakama/worker-match';
import { stopNext } from './silence';

/*
 * A worker that does what follows from what game servers said, or did not say any more, and may take long: it stops sessions
 * whose end is decided, and calls the module's `onResult` and `onEnded`. The supervisor starts one when something is due, and
 * it ends when nothing is left.
 */

/** Nothing but a sign of what it is: what there is to do stands in the database. */
export interface FollowUpState {
  follow_up: true;
}

/** In the local cache while one runs on this node; a second one would do no harm. */
const RUNS = 'gameye_follow_up';
/** Longer than one callback may take. */
const RUNS_SECONDS = 60;
/** A tick ends after this and the call that it is in. */
const TICK_MS = 2 * SECOND;

/** Starts a worker when something is due and this node has none. */
export function ensureFollowUp(call: Call): void {
  const { nk, config } = call;
  if ((nk.localcacheGet(RUNS) ?? '') !== '') return;
  const wanted = heard(config);
  const isDue = isEndDue(nk, config.fleet) || (wanted.length > 0 && isCallbackDue(nk, config.fleet, wanted));
  if (!isDue) return;
  nk.localcachePut(RUNS, 'yes', RUNS_SECONDS);
  try {
    startWorker(nk, { follow_up: 'yes' });
  } catch {
    // The server shuts down, or InitModule has not registered the match yet: the next pass tries again, here or elsewhere.
    nk.localcachePut(RUNS, '');
  }
}

/** One tick. Undefined: nothing is left. Never throws: the supervisor starts another one. */
export function loopFollowUp(call: Call, state: FollowUpState): FollowUpState | undefined {
  const { nk, logger } = call;
  const deadline = Date.now() + TICK_MS;
  try {
    while (Date.now() < deadline) {
      nk.localcachePut(RUNS, 'yes', RUNS_SECONDS);
      // In turns, so that an API that does not answer keeps no callback waiting for long.
      const isIdle = [stopNext(call), callNext(call)].every((done) => !done);
      if (!isIdle) continue;
      nk.localcachePut(RUNS, '');
      return undefined;
    }
    return state;
  } catch (error) {
    withFields(logger, { error: errorText(error) }).error(
      'Gameye: following up reports failed, probably because of the database. It is tried again.',
    );
    nk.localcachePut(RUNS, 'yes', 5);
    return undefined;
  }
}
