import { cancelAllocation, readAllocation } from '../database/allocations';
import type { Call } from '../nakama/caller';
import { publicMetadata } from '../metadata';
import type { FailureReason, Instance } from '../records';
import { askedFor, fromRow, type Allocation } from './allocation';
import { imageOf, regionOf } from './launch';

/** What a session that is still being started looks like: an instance without an address. */
export type StartingInstance = Omit<Instance, 'connection_info' | 'ports' | 'seats' | 'unseated'> & {
  connection_info: null;
};

/** An allocation that leads to no instance (yet): how it looks while it starts, or why it never will. */
export function locatePending(call: Call, id: string): StartingInstance | { failed: FailureReason } | undefined {
  const row = readAllocation(call.nk, call.config.fleet, id);
  if (!row) return undefined;
  const reason = (row.doc as { reason?: FailureReason }).reason;
  if (row.state === 'over') return reason === undefined ? undefined : { failed: reason };
  const a = fromRow(row);
  if (a.state === 'failed' || a.state === 'cancelled') return { failed: a.reason };
  if (a.cancelled) return { failed: 'error' };
  if (a.state === 'announced' || (a.state === 'started' && !a.waits)) return undefined;
  return startingInstance(call, a);
}

/**
 * Cancels an allocation whose players were not told yet; its worker tells them and stops what may run. Answers its session id
 * and whether it is cancelled; undefined when there is no such allocation.
 */
export function cancelPending(call: Call, id: string): { session_id: string; cancelled: boolean } | undefined {
  const found = cancelAllocation(call.nk, call.config.fleet, id);
  if (!found || found.row.state === 'over') return undefined;
  const isEnding = found.row.state === 'failed' || found.row.state === 'cancelled';
  return { session_id: found.row.session_id, cancelled: found.cancelled || isEnding };
}

function startingInstance(call: Call, a: Allocation): StartingInstance {
  const { request } = a;
  const { image, version = '' } = imageOf(call.config, request, regionOf(a));
  const players = askedFor(a).length;
  return {
    id: a.id,
    connection_info: null,
    create_time: new Date(a.created_at_ms).toISOString(),
    player_count: players,
    status: 'starting',
    metadata: publicMetadata(request.metadata),
    region: regionOf(a),
    image,
    version,
    ...(request.mode ? { mode: request.mode } : {}),
    max_players: request.max_players,
    open_seats: Math.max(0, request.max_players - players),
  };
}
