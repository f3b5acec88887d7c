import { locateInstance, locatePending } from '../allocation/locate';
import { SECOND } from '../config';
import { isLive } from '../gameye/wire';
import type { Instance } from '../instances/instance';
import { updateInstance, updateTogether } from '../instances/store';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { Code, rpcError } from '../refusal';
import { invalid } from '../fields';
import { countStarting, isSelected, sweep, type Selection, type Swept } from './selection';

const SWEEP_MS = 5 * SECOND;

export interface Drained extends Swept {
  /** Instances whose status this call changed. */
  changed: number;
  /** Selected sessions that are being started: they take players once they run, so drain again then. */
  starting: number;
}

/**
 * Closes instances for new players (status `draining`, joins are refused with code 9), or opens them again. Players who
 * have a seat keep it. Repeating it changes nothing.
 */
export function drain(call: Call, selection: Selection, undo: boolean, cursor: string): Drained {
  const { nk, config } = call;
  const deadline = Date.now() + SWEEP_MS;
  let changed = 0;
  const swept = sweep(nk, selection, cursor, deadline, (rows) => {
    const others = rows.filter(({ value }) => isOtherwise(value, undo));
    const together = updateTogether(nk, others, (instance) => toggled(instance, undo));
    if (together !== 'conflict') {
      changed += together;
      return true;
    }
    for (const { key } of others) {
      if (Date.now() >= deadline) return false;
      if (setDraining(call, key, undo)) changed++;
    }
    return true;
  });
  if (!swept) return invalid('cursor', 'must be one that gameye_drain answered, or be left out.');
  const starting = swept.more || undo ? 0 : countStarting(nk, config, selection, deadline + SECOND);
  logDrain(call, changed, undo);
  return { changed, starting, ...swept };
}

/** The same for one instance; code 5 when there is none, 9 while it is being started. */
export function drainOne(call: Call, id: string, selection: Selection, undo: boolean): Drained {
  const instance = locateInstance(call, id);
  if (!instance) {
    const pending = locatePending(call, id);
    if (pending && !('failed' in pending)) {
      return rpcError(Code.FAILED_PRECONDITION, 'The session is still being started: drain it when it runs.');
    }
    return rpcError(Code.NOT_FOUND, `No session ${id} runs in this fleet. fleet_list shows those that do.`);
  }
  const changed = isSelected(selection, instance) && setDraining(call, instance.id, undo) ? 1 : 0;
  logDrain(call, changed, undo);
  return { changed, starting: 0, cursor: '', more: false };
}

function setDraining({ nk }: Call, id: string, undo: boolean): boolean {
  let changed = false;
  updateInstance(nk, id, (instance) => {
    changed = isOtherwise(instance, undo);
    return changed ? toggled(instance, undo) : instance;
  });
  return changed;
}

function toggled(instance: Instance, undo: boolean): Instance {
  return { ...instance, status: undo ? 'running' : 'draining' };
}

function isOtherwise(instance: Instance, undo: boolean): boolean {
  return undo ? instance.status === 'draining' : instance.status !== 'draining' && isLive(instance.status);
}

function logDrain(call: Call, changed: number, undo: boolean): void {
  withFields(call.logger, { instances: changed, undo }).info('Gameye: an operator drained instances.');
}
