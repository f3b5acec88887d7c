import { forgetSession } from '../allocation/departure';
import { isOfOurFleet } from '../allocation/launch';
import { cancelPending } from '../allocation/pending';
import { SECOND } from '../config';
import { findInstance } from '../database/instances';
import { decideEnd } from '../database/liveness';
import { sessionApiError } from '../gameye/refusal';
import { describeSession, stopSession } from '../gameye/session-api';
import type { Call } from '../nakama/caller';
import { notFound } from './find';
import { CALL_TIMEOUT_MS } from './refresh';

/** So long its game server may try again itself. */
const DECIDED_MS = 20 * SECOND;

/**
 * Stops a session and forgets its instance; one that is still starting is cancelled. A session that is already gone is a
 * success. When the API does not answer, the instance stays, and the call can be repeated; a session whose own game server said
 * that it ends is stopped later in any case.
 */
export function remove(call: Call, id: string, reason: 'server' | 'deleted' = 'deleted'): object {
  const { nk, config } = call;
  const pending = cancelPending(call, id);
  const known = pending?.session_id ?? findInstance(nk, config.fleet, id)?.id;
  if (known === undefined && !isOurs(call, id)) return {};
  const sessionId = known ?? id;
  // From now on its players are told of no game that is over, and after a crash somebody else stops it.
  if (reason === 'server') decideEnd(nk, config.fleet, sessionId, DECIDED_MS);
  const outcome = stopSession(nk, config, sessionId, CALL_TIMEOUT_MS);
  if (outcome.kind === 'done') {
    forgetSession(call, sessionId, reason);
    return {};
  }
  // The worker of what was cancelled, or has failed, goes on stopping it.
  const isLeftToWorker = pending && (pending.cancelled || !findInstance(nk, config.fleet, sessionId));
  return isLeftToWorker ? {} : sessionApiError(outcome.failure);
}

/** For an id without a record: true when Gameye shows a session of our fleet, false when it shows none. */
function isOurs(call: Call, id: string): boolean {
  const outcome = describeSession(call.nk, call.config, id, CALL_TIMEOUT_MS);
  if (outcome.kind === 'done') return isOfOurFleet(call.nk, call.config, outcome.value.labels) || notFound(id);
  return outcome.failure.kind === 'not-found' ? false : sessionApiError(outcome.failure);
}
