import { SECOND } from '../config';
import { endChange, noteChange } from '../database/changes';
import { selectInstances, type Selection } from '../database/operators';
import { invalid } from '../fields';
import { find } from '../fleet/find';
import { remove } from '../fleet/remove';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { Code, isRpcError } from '../refusal';
import { changeBy } from './changes';
import { cursorAfter, readCursor, startingIn, type Swept } from './selection';

/** The last stop that begins in time may take four seconds more, and then the answer must be out (Nakama: 10 s). */
const STOP_MS = 4 * SECOND;
const PAGE = 100;

export interface Terminated extends Swept {
  stopped: number;
  /** Sessions that could not be stopped, and why; they stay, and the call can be repeated. */
  failed: { id: string; reason: string }[];
  /** Selected sessions that are being started: terminate again once they run, or each by its id. */
  starting: number;
}

/**
 * Stops sessions and forgets their instances. More than one has to be confirmed. When the Session API does not work, it
 * gives up after the first.
 */
export function terminate(call: Call, selection: Selection, confirm: boolean, cursor: string): Terminated {
  const { nk, config } = call;
  const page = (after: string, most: number): string[] => selectInstances(nk, config.fleet, selection, after, most);
  const since = readCursor(cursor, 'gameye_terminate');
  if (!confirm && page('', 2).length > 1) {
    return invalid('confirm', 'must be true: more than one session is meant. gameye_status shows how many.');
  }
  const deadline = Date.now() + STOP_MS;
  const result = { stopped: 0, failed: [] as Terminated['failed'] };
  let done = since;
  let noted: number | undefined;
  for (let ids = page(done, PAGE); ids.length > 0; ids = page(done, PAGE)) {
    noted ??= noteChange(nk, changeBy(call, 'gameye_terminate', selection));
    for (const id of ids) {
      if (Date.now() >= deadline || !stopOne(call, id, result)) {
        return terminated(call, { ...result, starting: 0, cursor: cursorAfter(done), more: true }, noted);
      }
      done = id;
    }
  }
  return terminated(call, { ...result, starting: startingIn(call, selection), cursor: '', more: false }, noted);
}

/** Stops one session, also one that is still being started. A session that is already gone is a success. */
export function terminateOne(call: Call, id: string, selection: Selection): Terminated {
  const isMeant = Object.keys(selection).length === 0 || isSelected(call, id, selection);
  const noted = isMeant ? noteChange(call.nk, changeBy(call, 'gameye_terminate', { ...selection, id })) : undefined;
  if (isMeant) remove(call, id);
  const result = { stopped: isMeant ? 1 : 0, failed: [], starting: 0, cursor: '', more: false };
  return terminated(call, result, noted);
}

/** True when all of the selection applies to this session, which runs or is being started. */
function isSelected(call: Call, id: string, selection: Selection): boolean {
  const found = find(call, id);
  if (!found || 'failed' in found) return false;
  const one = { ...selection, id: found.id };
  return selectInstances(call.nk, call.config.fleet, one, '', 1).length > 0 || startingIn(call, one) > 0;
}

/** False: do not go on, the next one would have to wait for nothing, too. */
function stopOne(call: Call, id: string, result: { stopped: number; failed: Terminated['failed'] }): boolean {
  try {
    remove(call, id);
    result.stopped++;
    return true;
  } catch (error) {
    if (!isRpcError(error)) throw error;
    result.failed.push({ id, reason: error.message });
    return error.code !== Code.UNAVAILABLE && error.code !== Code.FAILED_PRECONDITION;
  }
}

/** `noted`: the change as it was begun, which it stays when its end cannot be noted: the sessions are stopped all the same. */
function terminated(call: Call, result: Terminated, noted: number | undefined): Terminated {
  const counted = { sessions: result.stopped, failed: result.failed.length };
  withFields(call.logger, counted).info('Gameye: an operator stopped sessions.');
  try {
    if (noted !== undefined) endChange(call.nk, noted, counted);
  } catch {
    // See above.
  }
  return result;
}
