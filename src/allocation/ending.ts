import { SECOND } from '../config';
import { endAllocation, saveFailed } from '../database/allocations';
import { databaseNow } from '../database/clock';
import { removeInstance } from '../database/instances';
import { callBack, notifiesPlayers } from '../extension/callbacks';
import { stopSession } from '../gameye/session-api';
import type { Call } from '../nakama/caller';
import { notifyFailed } from '../told/notify';
import { askedFor, common, hasPlayers, type Allocation, type Ended } from './allocation';
import { leaveBefore } from './departure';
import { allocationLogger } from './logging';
import { countEnd } from './measure';
import { whyNotStop } from './named';
import { asStored, changeOf, holder, leaseForCallback, save, untilStored } from './ownership';
import { afterStop } from './transitions';

/* How an allocation ends: its players hear a reason, what may run is stopped, its row goes. */

const CALL_TIMEOUT_MS = 10 * SECOND;

/** Stores how it ended and tells its players: those who still wait for it. */
export function tellFailure(call: Call, a: Ended): Allocation | undefined {
  const { nk, logger, config } = call;
  // Never stored: nothing was sent, and only this worker knows of it.
  let userIds = a.request.user_ids;
  let stored: Allocation | undefined = a;
  if (a.version > 0) {
    stored = untilStored(call, a, (current): Allocation | undefined => {
      const saved = saveFailed(nk, changeOf(current), current.version, leaseForCallback(call, current), current.reason);
      if (saved) userIds = saved.user_ids;
      return saved && asStored(current, saved.row);
    });
    if (stored?.state !== a.state) return stored;
  }
  const isWanted = userIds.length > 0 || !hasPlayers(a);
  if (notifiesPlayers(a)) notifyFailed(nk, logger, a.reason, userIds, config.notify, a.message);
  allocationLogger(call, a).warn('Gameye: an allocation ended without a game server.');
  countEnd(call, a, a.state === 'cancelled' ? 'cancelled' : 'failed');
  if (isWanted) callBack(call, { ...a, user_ids: userIds });
  // What its players gave up for it they have given up all the same.
  leaveBefore(call, a.before, '');
  if (a.version === 0) return undefined;
  const told: Ended = { ...(stored as Ended), told: true };
  if (told.abandoned.length === 0) return told;
  try {
    return save(call, told, (fresh) => ({ ...fresh, told: true }));
  } catch {
    // They were told, whatever the database says: what is left is to stop what may run.
    return told;
  }
}

export function stopAbandoned(call: Call, a: Allocation, sessionId: string): Allocation | undefined {
  const { nk, config } = call;
  const isNamed = a.abandoned.some((one) => one.session_id === sessionId && one.named_by_api);
  const refusal = isNamed ? whyNotStop(call, a, sessionId, CALL_TIMEOUT_MS) : undefined;
  const outcome = refusal ?? stopSession(nk, config, sessionId, CALL_TIMEOUT_MS);
  // Its players were sent nowhere, so `onEnded` hears nothing of it.
  if (!refusal && outcome.kind === 'done') removeInstance(nk, config.fleet, sessionId, 'deleted', false);
  return save(call, a, (fresh) => afterStop(fresh, sessionId, outcome, config.ttlMs, databaseNow(), Math));
}

/** Everybody was told. The row goes, unless ids have to be stopped or somebody may still ask what became of it. */
export function finish(call: Call, a: Allocation): Allocation | undefined {
  if (a.abandoned.length > 0) {
    return a.state === 'started' || a.state === 'seated'
      ? save(call, a, (fresh) => ({ ...common(fresh), state: 'announced', next_at_ms: 0 }))
      : a;
  }
  const isTold = a.state !== 'failed' && a.state !== 'cancelled' && call.config.notify.includes('gameye');
  endAllocation(call.nk, a.id, holder(call), a.keep_ms ?? null, isTold ? askedFor(a) : []);
  return undefined;
}
