import type { Nakama } from '../nakama/runtime';
import { deleteRow, readRows, writeRows, type Row, type Write } from '../nakama/storage';
import type { Instance } from './instance';

/** Collection and key (the session id) as in Gameye's Go plugin. */
export const INSTANCES = '_gameye_instances';

/** One reader or writer lost its race this often: something is wrong, and an error is better than a busy loop. */
const MOST_TRIES = 20;

export function readInstance(nk: Nakama, id: string): Row<Instance> | undefined {
  return readRows<Instance>(nk, INSTANCES, [id])[0];
}

/** The write that stores a new instance, for a batch with other records. */
export function insertion(instance: Instance): Write {
  return { collection: INSTANCES, key: instance.id, value: instance, version: '*' };
}

/** Stores a new instance; `conflict` when there is one with this id. */
export function insertInstance(nk: Nakama, instance: Instance): 'conflict' | 'inserted' {
  return writeRows(nk, [insertion(instance)]) === 'conflict' ? 'conflict' : 'inserted';
}

/**
 * Changes an instance: reads it, applies `change`, writes it with the version that was read, and starts over when somebody
 * was faster. `change` may refuse by answering a text, which comes back. An unchanged object is not written. Undefined: no
 * such instance. Throws when the database fails or every try was overtaken.
 */
export function updateInstance<R extends Instance | string = Instance>(
  nk: Nakama,
  id: string,
  change: (instance: Instance) => R,
): R | undefined {
  for (let i = 0; i < MOST_TRIES; i++) {
    const row = readInstance(nk, id);
    if (!row) return undefined;
    const changed = change(row.value);
    if (typeof changed === 'string' || changed === row.value) return changed;
    const write: Write = { collection: INSTANCES, key: id, value: changed as Instance, version: row.version };
    if (writeRows(nk, [write]) !== 'conflict') return changed;
  }
  throw new Error(`Instance ${id} changed ${MOST_TRIES} times while it was being updated. Try again.`);
}

/** Removes our record of a session that ended, whatever version it is at. Repeating it changes nothing. */
export function removeInstance(nk: Nakama, id: string): void {
  for (let i = 0; i < MOST_TRIES; i++) {
    const row = readInstance(nk, id);
    if (!row || deleteRow(nk, INSTANCES, id, row.version) === 'deleted') return;
  }
  throw new Error(`Instance ${id} changed ${MOST_TRIES} times while it was being removed. Try again.`);
}
