import type { Instance } from '../instances/instance';
import { insertion, readInstance } from '../instances/store';
import type { Call } from '../nakama/caller';
import { writeRows, type Row, type Write } from '../nakama/storage';
import { type Allocation } from './allocation';
import { cancel, withServerReady } from './transitions';
import { imageOf, instanceOf, regionOf } from './launch';
import { publicMetadata } from './request';
import { ALLOCATIONS, deleteAllocation, readAllocation, saveAllocation } from './store';

/** What a session that is still being started looks like: an instance without an address. */
export type StartingInstance = Omit<Instance, 'connection_info' | 'ports' | 'seats' | 'unseated'> & {
  connection_info: null;
};

/**
 * The instance of a session id, or of the id that `fleet_create` answered. One whose session has only just started is
 * stored now: its game server may report before the worker gets to it. Undefined: no such instance (yet).
 */
export function locateInstance(call: Call, id: string): Instance | undefined {
  const stored = readInstance(call.nk, id)?.value;
  if (stored) return stored;
  const row = readAllocation(call.nk, id);
  // Between the two looks its worker stored the instance and deleted the allocation, in one write.
  if (!row) return readInstance(call.nk, id)?.value;
  if (row.value.state === 'announced') return readInstance(call.nk, row.value.session_id)?.value;
  return row.value.state === 'started' ? storeEarly(call, row) : undefined;
}

/** Not without its guests: who becomes one at this moment (host.ts) changes the allocation, and then it is stored with them. */
function storeEarly(call: Call, row: Row<Allocation>): Instance | undefined {
  const { value: a, version } = row;
  const instance = instanceOf(call.config, a, Date.now());
  if (!instance) return undefined;
  const unchanged: Write[] = a.backfill ? [{ collection: ALLOCATIONS, key: a.id, value: a, version }] : [];
  if (writeRows(call.nk, [insertion(instance), ...unchanged]) !== 'conflict') return instance;
  const stored = readInstance(call.nk, instance.id)?.value;
  const fresh = stored ? undefined : readAllocation(call.nk, a.id);
  return fresh?.value.state === 'started' && fresh.version !== version ? storeEarly(call, fresh) : stored;
}

/** An allocation that leads to no instance (yet): how it looks while it starts, or why it never will. */
export function locatePending(call: Call, id: string): StartingInstance | { failed: string } | undefined {
  const allocation = readAllocation(call.nk, id)?.value;
  if (!allocation || allocation.state === 'started' || allocation.state === 'announced') return undefined;
  if (allocation.state === 'failed' || allocation.state === 'cancelled')
    return { failed: allocation.reason ?? 'error' };
  return startingInstance(call, allocation);
}

/**
 * Cancels an allocation that was not announced yet; its worker tells the players and stops what may run. Answers its
 * session id, undefined when there is nothing to cancel, or `conflict` when it moved on each time.
 */
export function cancelPending(call: Call, id: string): string | 'conflict' | undefined {
  for (let i = 0; i < 10; i++) {
    const row = readAllocation(call.nk, id);
    if (!row) return undefined;
    const { value, version } = row;
    switch (value.state) {
      case 'failed':
      case 'cancelled':
        return value.session_id;
      case 'announced':
        // Only there to lead from one id to the other.
        if (value.abandoned.length === 0) deleteAllocation(call.nk, id, version);
        return value.session_id;
      case 'queued':
      case 'starting':
      case 'joined':
      case 'started':
        // It ends in a moment; the session was there before, and others play in it.
        if (value.state === 'joined' && value.told) return value.session_id;
        if (saveAllocation(call.nk, cancel(value, Date.now()), version) !== 'conflict') return value.session_id;
    }
  }
  return 'conflict';
}

/** Notes that the game server of a session is ready; false when no such session is being started. */
export function markReady(call: Call, allocationId: string, sessionId: string): boolean {
  for (let i = 0; i < 10; i++) {
    const row = readAllocation(call.nk, allocationId);
    if (!row || row.value.session_id !== sessionId) return false;
    const { state, server_ready: isReady } = row.value;
    if (state === 'failed' || state === 'cancelled') return false;
    if (isReady || state === 'announced') return true;
    if (saveAllocation(call.nk, withServerReady(row.value), row.version) !== 'conflict') return true;
  }
  throw new Error('The allocation changed with every try to note that its game server is ready.');
}

function startingInstance(call: Call, allocation: Allocation): StartingInstance {
  const { request } = allocation;
  return {
    id: allocation.id,
    connection_info: null,
    create_time: new Date(allocation.created_at_ms).toISOString(),
    player_count: request.user_ids.length,
    status: 'starting',
    metadata: publicMetadata(request.metadata),
    region: regionOf(allocation),
    version: '',
    ...imageOf(call.config, request),
    max_players: request.max_players,
    open_seats: Math.max(0, request.max_players - request.user_ids.length),
  };
}
