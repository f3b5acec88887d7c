import { SECOND } from '../config';
import { selectInstances, type Selection } from '../database/operators';
import { invalid } from '../fields';
import { find } from '../fleet/find';
import { remove } from '../fleet/remove';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { Code, isRpcError } from '../refusal';
import { cursorAfter, isSelected, readCursor, startingIn, type Swept } from './selection';

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
  for (let ids = page(done, PAGE); ids.length > 0; ids = page(done, PAGE)) {
    for (const id of ids) {
      if (Date.now() >= deadline || !stopOne(call, id, result)) {
        return terminated(call, { ...result, starting: 0, cursor: cursorAfter(done), more: true });
      }
      done = id;
    }
  }
  return terminated(call, { ...result, starting: startingIn(call, selection), cursor: '', more: false });
}

/** Stops one session, also one that is still being started. A session that is already gone is a success. */
export function terminateOne(call: Call, id: string, selection: Selection): Terminated {
  const found = find(call, id);
  const hasSelection = selection.region !== undefined || selection.version !== undefined;
  const isMeant = !hasSelection || (found !== undefined && !('failed' in found) && isSelected(selection, found));
  if (isMeant) remove(call, id);
  return terminated(call, { stopped: isMeant ? 1 : 0, failed: [], starting: 0, cursor: '', more: false });
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

function terminated(call: Call, result: Terminated): Terminated {
  withFields(call.logger, { sessions: result.stopped, failed: result.failed.length }).info(
    'Gameye: an operator stopped sessions.',
  );
  return result;
}
