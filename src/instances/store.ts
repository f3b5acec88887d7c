import { count } from '../nakama/metrics';
import type { Nakama } from '../nakama/runtime';
import { waitForTurn } from '../nakama/turn';
import { deleteRow, readByKey, readRows, writeRows, type Row, type Write } from '../nakama/storage';
import { Code, rpcError } from '../refusal';
import { LOST, takesPlayers, type Instance } from './instance';

/** Collection and key (the session id) as in Gameye's Go plugin. */
export const INSTANCES = '_gameye_instances';

/**
 * How long a writer goes on that others overtake. Together with a call to the Session API this is shorter than Nakama lets
 * an RPC answer (10 s).
 */
const PATIENCE_MS = 5000;
/** Whatever the clock says: more rounds than that are a busy loop. */
const MOST_TRIES = 500;
/** Bounds of one writer's turn: about what its reading and writing takes on an idle and on a very busy server. */
const TURN_MS = { least: 4, most: 60 };

export function readInstance(nk: Nakama, id: string): Row<Instance> | undefined {
  return readRows<Instance>(nk, INSTANCES, [id])[0];
}

/** Those of these instances that are there, by id. */
export function readInstances(nk: Nakama, ids: string[]): { [id: string]: Row<Instance> } {
  return readByKey<Instance>(nk, INSTANCES, ids);
}

/** The write that stores a new instance, for a batch with other records. */
export function insertion(instance: Instance): Write {
  return { collection: INSTANCES, key: instance.id, value: instance, version: '*' };
}

/** The write that changes an instance from what was read. */
export function alteration(row: Row<Instance>, instance: Instance): Write {
  return { collection: INSTANCES, key: instance.id, value: instance, version: row.version };
}

/** Stores a new instance; `conflict` when there is one with this id. */
export function insertInstance(nk: Nakama, instance: Instance): 'conflict' | 'inserted' {
  return writeRows(nk, [insertion(instance)]) === 'conflict' ? 'conflict' : 'inserted';
}

/**
 * Changes an instance: reads it, applies `change`, writes it with the version that was read, and starts over when somebody
 * was faster. `change` may refuse by answering a text, which comes back. An unchanged object is not written. Undefined: no
 * such instance. Throws when the database fails, and with code 10 when others were faster all the time.
 */
export function updateInstance<R extends Instance | string = Instance>(
  nk: Nakama,
  id: string,
  change: (instance: Instance) => R,
): R | undefined {
  return untilWritten(nk, id, () => {
    const row = readInstance(nk, id);
    if (!row) return { done: undefined };
    const changed = change(row.value);
    if (typeof changed === 'string' || changed === row.value) return { done: changed };
    const write: Write = { collection: INSTANCES, key: id, value: changed as Instance, version: row.version };
    return writeRows(nk, [write]) === 'conflict' ? 'conflict' : { done: changed };
  });
}

/**
 * Changes many instances in one transaction, because each one that writes an indexed record takes Nakama ten milliseconds and
 * more. Those that `change` leaves alone are not written. Answers how many were; `conflict`: one of them changed meanwhile,
 * and nothing was written.
 */
export function updateTogether(
  nk: Nakama,
  rows: Row<Instance>[],
  change: (instance: Instance) => Instance,
): number | 'conflict' {
  const writes = rows.flatMap((row) => {
    const changed = change(row.value);
    return changed === row.value ? [] : [alteration(row, changed)];
  });
  return writes.length > 0 && writeRows(nk, writes) === 'conflict' ? 'conflict' : writes.length;
}

/**
 * One request said that there is no such session, which may be a mistake: nobody is sent there until the reconciler has
 * revived or removed it.
 */
export function markLost(nk: Nakama, id: string): void {
  updateInstance(nk, id, (instance) => (takesPlayers(instance) ? { ...instance, status: LOST } : instance));
}

/** Removes our record of a session that ended, whatever version it is at. Repeating it changes nothing. */
export function removeInstance(nk: Nakama, id: string): void {
  untilWritten(nk, id, () => {
    const row = readInstance(nk, id);
    if (!row) return { done: undefined };
    return deleteRow(nk, INSTANCES, id, row.version) === 'conflict' ? 'conflict' : { done: undefined };
  });
}

/**
 * Tries again after a conflict, each writer in its turn: of those that try at once all but one lose, and their work is what
 * slows the next round. A turn is as long as the last try took.
 */
function untilWritten<T>(nk: Nakama, id: string, attempt: () => { done: T } | 'conflict'): T {
  const until = Date.now() + PATIENCE_MS;
  for (let i = 0; i < MOST_TRIES; i++) {
    const startedAt = Date.now();
    const result = attempt();
    if (result !== 'conflict') return result.done;
    count(nk, 'gameye_conflicts', { record: 'instance' });
    const now = Date.now();
    if (now > until) break;
    waitForTurn(nk, id, Math.min(TURN_MS.most, Math.max(TURN_MS.least, now - startedAt)));
  }
  return rpcError(Code.ABORTED, `Session ${id} is changed by many at once. Try again.`);
}
