import { refuseWhenFull } from '../allocation/admission';
import { seekingSeats } from '../backfill/pool';
import { allocationFor, startAllocation } from '../fleet/fleet-manager';
import { MINUTE } from '../config';
import type { Call } from '../nakama/caller';
import { count } from '../nakama/metrics';
import { Code, rpcError } from '../refusal';
import { readAssignment, writeAssignment } from './assignment';
import type { Connection } from '../told/connection';
import { standing } from './standing';

/** What `gameye_solo_match` answers, as Gameye's reference game does. */
export type SoloMatch = { status: 'starting' } | { status: 'matched'; match: Connection };

/**
 * A session for one player, who need not wait for others; they can join it later. A player who waits or plays already gets
 * that answer instead of a second session, and only so many may be asked for in a minute. Two requests at once lead to one
 * session: the player's assignment is written first, with the version that was read.
 */
export function startSolo(call: Call, userId: string): SoloMatch {
  for (let i = 0; i < 10; i++) {
    const now = Date.now();
    const found = readAssignment(call.nk, userId);
    const current = found ? standing(call, userId) : { state: 'none' as const };
    if (current.state === 'starting') return { status: 'starting' };
    if (current.state === 'ready') {
      const { state: _state, ...match } = current;
      return { status: 'matched', match };
    }
    const recent = (found?.value.solo_at_ms ?? []).filter((at) => at > now - MINUTE);
    if (recent.length >= call.config.soloPerMinute) {
      count(call.nk, 'gameye_refusals', { reason: 'solo_per_minute' });
      return rpcError(Code.RESOURCE_EXHAUSTED, 'Too many sessions in a short time. Try again in a minute.');
    }
    const allocation = seekingSeats(
      call.config,
      allocationFor(call, {
        user_ids: [userId],
        max_players: call.config.maxPlayers ?? 1,
        latencies: [],
        metadata: {},
      }),
    );
    // A player who looks for a seat in a running session may need none of their own.
    if (allocation.next !== 'join') refuseWhenFull(call);
    const assignment = {
      state: 'starting' as const,
      allocation_id: allocation.id,
      session_id: allocation.id,
      updated_at_ms: now,
      solo_at_ms: [...recent, now],
    };
    if (writeAssignment(call.nk, userId, assignment, found?.version ?? '*') === 'conflict') continue;
    startAllocation(call, allocation);
    return { status: 'starting' };
  }
  return rpcError(Code.ABORTED, 'Your assignment keeps changing. Try again.');
}
