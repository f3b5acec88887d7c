import type { Allocation, Superseded } from '../allocation/allocation';
import { MINUTE } from '../config';
import type { FailureReason } from '../gameye/failure';
import { errorText, withFields } from '../nakama/log';
import type { Logger, Nakama } from '../nakama/runtime';
import { deleteRow, readOwned, writeRows, type Row, type Write } from '../nakama/storage';

/**
 * What one player waits for or plays in. Owned by the player and readable with the plain storage API, on any device and
 * after a reconnect; only servers write it. Who starts something new replaces it.
 */
export interface Assignment {
  state: 'none' | 'starting' | 'ready' | 'failed';
  /** The allocation it comes from; empty when a seat in a running session was taken. */
  allocation_id: string;
  session_id: string;
  host?: string;
  port?: number;
  reason?: FailureReason;
  updated_at_ms: number;
  /** When this player asked for sessions of their own within the last minute; for GAMEYE_SOLO_PER_MINUTE. */
  solo_at_ms: number[];
}

const COLLECTION = 'gameye_assignment';
const KEY = 'current';
const MOST_TRIES = 20;

export function readAssignment(nk: Nakama, userId: string): Row<Assignment> | undefined {
  return readOwned<Assignment>(nk, COLLECTION, KEY, [userId])[userId];
}

/** Stores a player's assignment at the version that was read (`*` for the first one). */
export function writeAssignment(
  nk: Nakama,
  userId: string,
  value: Assignment,
  version: string,
): 'written' | 'conflict' {
  return writeRows(nk, [write(userId, value, version)]) === 'conflict' ? 'conflict' : 'written';
}

/**
 * Ends a player's assignment to a session, whatever state it is in meanwhile; one to another session stays. What counts
 * for the limit per minute is kept.
 */
export function clearAssignment(nk: Nakama, userId: string, sessionId: string, now: number): void {
  for (let i = 0; i < MOST_TRIES; i++) {
    const row = readAssignment(nk, userId);
    if (row?.value.session_id !== sessionId) return;
    const solo_at_ms = row.value.solo_at_ms.filter((at) => at > now - MINUTE);
    const none: Assignment = { state: 'none', allocation_id: '', session_id: '', updated_at_ms: now, solo_at_ms };
    const done =
      solo_at_ms.length === 0
        ? deleteRow(nk, COLLECTION, KEY, row.version, userId)
        : writeAssignment(nk, userId, none, row.version);
    if (done !== 'conflict') return;
  }
  throw new Error('The assignment changed with every try to end it.');
}

/**
 * Brings the assignments of an allocation's players up to its state. A new allocation replaces what a player had; later
 * only those change that still belong to it. It stands beside the notification, so a failure is logged and stops nothing.
 */
export function assign(nk: Nakama, logger: Logger, a: Allocation, port?: number): void {
  const userIds = a.request.user_ids;
  if (userIds.length === 0) return;
  try {
    const rows = readOwned<Assignment>(nk, COLLECTION, KEY, userIds);
    const writes = userIds.flatMap((userId) => changeFor(a, userId, rows[userId], port));
    if (writes.length > 0 && writeRows(nk, writes) === 'conflict') assignSingly(nk, a, port);
  } catch (batchError) {
    // One deleted account refuses the whole batch.
    const error = errorText(batchError);
    withFields(logger, { allocation: a.id, error }).debug('Gameye: assignments are stored one by one.');
    assignSingly(nk, a, port);
  }
}

/**
 * The writes that make a new allocation its players' assignment, to be stored together with it, and the sessions in which
 * they still have a seat, or wait for one.
 */
export function startingAssignments(nk: Nakama, a: Allocation): { writes: Write[]; superseded: Superseded[] } {
  const userIds = a.request.user_ids;
  if (userIds.length === 0) return { writes: [], superseded: [] };
  const rows = readOwned<Assignment>(nk, COLLECTION, KEY, userIds);
  return {
    writes: userIds.flatMap((userId) => changeFor(a, userId, rows[userId], undefined)),
    superseded: supersededBy(a, rows),
  };
}

/**
 * The players to whom the end of an allocation is news. After a crash, or a long wait, some have been matched again: they
 * would take its reason for the end of that. All of them when the database cannot tell.
 */
export function stillWaiting(nk: Nakama, a: Allocation): string[] {
  const userIds = a.request.user_ids;
  // Before its first attempt no assignment is of this allocation, and only clocks would tell what is newer.
  if (a.attempts === 0 || userIds.length === 0) return userIds;
  try {
    const rows = readOwned<Assignment>(nk, COLLECTION, KEY, userIds);
    return userIds.filter((userId) => !isNewer(a, rows[userId]?.value));
  } catch {
    return userIds;
  }
}

function isNewer(a: Allocation, found: Assignment | undefined): boolean {
  if (!found || found.state === 'none') return false;
  return found.allocation_id !== a.id && found.updated_at_ms > a.created_at_ms;
}

function supersededBy(a: Allocation, rows: { [userId: string]: Row<Assignment> }): Superseded[] {
  return a.request.user_ids.flatMap((user_id): Superseded[] => {
    const old = rows[user_id]?.value;
    if (!old || old.session_id === a.session_id || old.allocation_id === a.id) return [];
    const { session_id, allocation_id } = old;
    if (old.state === 'ready') return [{ user_id, session_id }];
    return old.state === 'starting' ? [{ user_id, session_id, allocation_id }] : [];
  });
}

function assignSingly(nk: Nakama, a: Allocation, port: number | undefined): void {
  for (const userId of a.request.user_ids) {
    try {
      for (let i = 0; i < MOST_TRIES; i++) {
        const writes = changeFor(a, userId, readAssignment(nk, userId), port);
        if (writes.length === 0 || writeRows(nk, writes) !== 'conflict') break;
      }
    } catch {
      // No such account: the notification, which fails as well, is logged.
    }
  }
}

function changeFor(
  a: Allocation,
  userId: string,
  found: Row<Assignment> | undefined,
  port: number | undefined,
): Write[] {
  const state = stateOf(a);
  if (state !== 'starting' && found?.value.allocation_id !== a.id && !(state === 'failed' && isIdle(a, found?.value)))
    return [];
  const next: Assignment = {
    state,
    allocation_id: a.id,
    session_id: a.session_id,
    ...(state === 'ready' && a.started && port !== undefined ? { host: a.started.host, port } : {}),
    ...(state === 'failed' ? { reason: a.reason ?? 'error' } : {}),
    updated_at_ms: Date.now(),
    solo_at_ms: found?.value.solo_at_ms ?? [],
  };
  return [write(userId, next, found?.version ?? '*')];
}

/**
 * Nothing newer, and nothing to lose: this player learns from the assignment, too, that an allocation ended before it was
 * anybody's assignment. Else who was not connected would never hear of it.
 */
function isIdle(a: Allocation, found: Assignment | undefined): boolean {
  if (!found) return true;
  return (found.state === 'none' || found.state === 'failed') && found.updated_at_ms < a.created_at_ms;
}

function stateOf(a: Allocation): Assignment['state'] {
  switch (a.state) {
    case 'queued':
    case 'starting':
    case 'joined':
      return 'starting';
    case 'started':
    case 'announced':
      return 'ready';
    case 'failed':
    case 'cancelled':
      return 'failed';
  }
}

function write(owner: string, value: Assignment, version: string): Write {
  return { collection: COLLECTION, key: KEY, owner, value, version };
}
