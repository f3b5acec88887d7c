import { drainInstances, type Selection } from '../database/operators';
import { find, notFound } from '../fleet/find';
import { STARTING } from '../instances/instance';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { Code, rpcError } from '../refusal';
import { changeBy } from './changes';
import { startingIn, type Swept } from './selection';

export interface Drained extends Swept {
  /** Instances whose status this call changed. */
  changed: number;
  /** Selected sessions that are being started: they take players once they run, so drain again then. */
  starting: number;
}

/**
 * Closes instances for new players (status `draining`, joins are refused with code 9), or opens them again: all at once, so
 * that there is never more to do. Players who have a seat keep it. Repeating it changes nothing.
 */
export function drain(call: Call, selection: Selection, undo: boolean): Drained {
  const changed = changeStatus(call, selection, undo);
  return { changed, starting: undo ? 0 : startingIn(call, selection), cursor: '', more: false };
}

/** The same for one instance; code 5 when there is none, 9 while it is being started. */
export function drainOne(call: Call, id: string, selection: Selection, undo: boolean): Drained {
  const found = find(call, id);
  if (!found || 'failed' in found) return notFound(id);
  if (found.status === STARTING) {
    return rpcError(Code.FAILED_PRECONDITION, 'The session is still being started: drain it when it runs.');
  }
  const changed = changeStatus(call, { ...selection, id: found.id }, undo);
  return { changed, starting: 0, cursor: '', more: false };
}

function changeStatus(call: Call, selection: Selection, undo: boolean): number {
  const change = changeBy(call, 'gameye_drain', { ...selection, ...(undo ? { undo } : {}) });
  const changed = drainInstances(call.nk, call.config.fleet, selection, undo, change);
  withFields(call.logger, { instances: changed, undo }).info('Gameye: an operator drained instances.');
  return changed;
}
