import { markReady } from '../database/allocations';
import { arrive, setOpen } from '../database/reports';
import { spectatorsArrived } from '../database/spectators';
import { notFound, withSession } from '../fleet/find';
import { tooMany } from '../fleet/update';
import { mayWatch } from '../mode-config';
import type { Call } from '../nakama/caller';
import { Code, rpcError } from '../refusal';

/* What game servers say about their own session. That players left and that it ends are verbs of the fleet manager. */

/**
 * The players have arrived: their seats no longer run out. `refused`: whom to send away, because there is no seat for them.
 * `spectators`: who of them has a place to watch, and is no player.
 */
export function playersArrived(
  call: Call,
  id: string,
  userIds: string[],
): { player_count: number; refused?: string[]; spectators?: string[] } {
  const { nk, config } = call;
  let spectators: string[] = [];
  const arrived = withSession(call, id, (session) => {
    spectators = mayWatch(config) ? spectatorsArrived(nk, config.fleet, session, userIds) : [];
    return arrive(
      nk,
      config.fleet,
      session,
      userIds.filter((one) => !spectators.includes(one)),
    );
  });
  if ('too_many_for' in arrived) return tooMany('user_ids', arrived);
  const { player_count, refused } = arrived;
  return {
    player_count,
    ...(refused.length === 0 ? {} : { refused }),
    ...(spectators.length === 0 ? {} : { spectators }),
  };
}

/** The game server can take players: with GAMEYE_READY=server they are told now. Repeating it changes nothing. */
export function serverIsReady(call: Call, sessionId: string): void {
  if (markReady(call.nk, call.config.fleet, sessionId)) return;
  rpcError(Code.NOT_FOUND, 'This session is not being started (any more).');
}

/** Opens an instance to others or closes it; answers whether it is open now. Code 9: nobody else may be seated there. */
export function openToBackfill(call: Call, id: string, open: boolean): boolean {
  const isShared = setOpen(call.nk, call.config.fleet, id, open) ?? notFound(id);
  if (isShared || !open) return isShared && open;
  return rpcError(
    Code.FAILED_PRECONDITION,
    'Nobody else is seated here: its request said so (backfill: false), or its record was lost for a time.',
  );
}
