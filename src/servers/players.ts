import { banPlayers, holdSeats } from '../database/absent';
import { leavePlaces } from '../database/spectators';
import { withSession } from '../fleet/find';
import { leave } from '../fleet/seats';
import { byMode, mayWatch } from '../mode-config';
import type { Call } from '../nakama/caller';
import { Code, rpcError } from '../refusal';

/* What game servers say of players who are not in the game any more, for now or for good. */

export interface PlayerCount {
  player_count: number;
}

/** Players have lost their connection: their seats are held for a while, so that they can come back. */
export function playersLost(call: Call, id: string, userIds: string[]): PlayerCount {
  const { nk, config } = call;
  const hold = byMode(config, 'reconnectMs');
  stopWatching(call, id, userIds);
  const count = withSession(call, id, (session) => holdSeats(nk, config.fleet, session, userIds, hold));
  return { player_count: count };
}

/** Places to watch are not held: whoever has lost one asks for another. */
function stopWatching({ nk, config }: Call, id: string, userIds: string[]): void {
  if (mayWatch(config)) leavePlaces(nk, config.fleet, userIds, id);
}

/** Players have left: their seats are free. */
export function playersLeft(call: Call, id: string, userIds: string[]): PlayerCount {
  stopWatching(call, id, userIds);
  return { player_count: leave(call, id, userIds).instance_info.player_count };
}

/** The game server sends players away; with `ban` they do not come back to this session, whatever way they try. */
export function playersKicked(call: Call, id: string, userIds: string[], ban: boolean): PlayerCount {
  // First: who is banned takes no seat while the others are freed.
  if (ban) banAll(call, id, userIds);
  return playersLeft(call, id, userIds);
}

function banAll(call: Call, id: string, userIds: string[]): void {
  const { nk, config } = call;
  switch (withSession(call, id, (session) => banPlayers(nk, config.fleet, session, userIds))) {
    case 'starting':
      return rpcError(Code.FAILED_PRECONDITION, 'Nobody is sent to this session yet: say gameye_server_ready first.');
    case 'full':
      return rpcError(Code.RESOURCE_EXHAUSTED, 'More players are banned from this session than can be remembered.');
    case 'banned':
      return;
  }
}
