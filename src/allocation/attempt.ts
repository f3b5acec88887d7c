import type { Call } from '../nakama/caller';
import type { Write } from '../nakama/storage';
import { assign, startingAssignments } from '../players/assignment';
import { admit } from './admission';
import type { Allocation } from './allocation';
import { store, type Hold } from './ownership';

/**
 * Stores an attempt before it is sent. `full`: it may not be sent, because GAMEYE_MAX_SESSIONS run; undefined: the record
 * changed. With the first attempt its players' assignments are stored: in one transaction, or one by one when that is
 * refused.
 */
export function storeAttempt(call: Call, hold: Hold, attempt: Allocation): Hold | 'full' | undefined {
  if (attempt.attempts > 1) return store(call, hold, attempt);
  // One that looked for seats has its assignments already.
  const first = attempt.superseded === undefined ? storeFirst : store;
  return admit(call, attempt, (gate) => first(call, hold, attempt, gate));
}

function storeFirst(call: Call, hold: Hold, attempt: Allocation, gate: Write[]): Hold | undefined {
  // Known also when the batch is refused: the seats that they had would otherwise stay taken.
  let first: Allocation = attempt;
  try {
    const { writes, superseded } = startingAssignments(call.nk, attempt);
    first = { ...attempt, superseded };
    const stored = store(call, hold, first, [...writes, ...gate]);
    if (stored) return stored;
  } catch {
    // A deleted account refuses the batch; a database that fails throws again below.
  }
  const stored = store(call, hold, first, gate);
  if (stored) assign(call.nk, call.logger, stored.allocation);
  return stored;
}
