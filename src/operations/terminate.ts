import { locateInstance, locatePending } from '../allocation/locate';
import { SECOND } from '../config';
import { remove } from '../fleet/fleet-manager';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { Code, isRpcError } from '../refusal';
import { invalid } from '../fields';
import { countStarting, isSelected, sweep, type Selection, type Swept } from './selection';

/** The last stop that begins in time may take four seconds more, and then the answer must be out (Nakama: 10 s). */
const STOP_MS = 4 * SECOND;
const COUNT_MS = 2 * SECOND;

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
  if (!confirm && !isAtMostOne(call, selection)) {
    return invalid('confirm', 'must be true: more than one session is meant. gameye_status shows how many.');
  }
  const deadline = Date.now() + STOP_MS;
  const result = { stopped: 0, failed: [] as Terminated['failed'] };
  const swept = sweep(nk, selection, cursor, deadline, (rows) =>
    rows.every(({ key }) => Date.now() < deadline && stopOne(call, key, result)),
  );
  if (!swept) return invalid('cursor', 'must be one that gameye_terminate answered, or be left out.');
  const starting = swept.more ? 0 : countStarting(nk, config, selection, deadline + SECOND);
  logTerminated(call, result);
  return { ...result, starting, ...swept };
}

/** Stops one session, also one that is still being started. A session that is already gone is a success. */
export function terminateOne(call: Call, id: string, selection: Selection): Terminated {
  const instance = locateInstance(call, id) ?? locatePending(call, id);
  const others = selection.region !== undefined || selection.version !== undefined;
  const meant = !others || (instance !== undefined && !('failed' in instance) && isSelected(selection, instance));
  if (meant) remove(call, id);
  const result = { stopped: meant ? 1 : 0, failed: [] };
  logTerminated(call, result);
  return { ...result, starting: 0, cursor: '', more: false };
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

function isAtMostOne({ nk }: Call, selection: Selection): boolean {
  let count = 0;
  const swept = sweep(nk, selection, '', Date.now() + COUNT_MS, (rows) => (count += rows.length) < 2);
  return swept?.more === false;
}

function logTerminated(call: Call, result: { stopped: number; failed: unknown[] }): void {
  withFields(call.logger, { sessions: result.stopped, failed: result.failed.length }).info(
    'Gameye: an operator stopped sessions.',
  );
}
