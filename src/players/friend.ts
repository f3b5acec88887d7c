import * as fleetManager from '../fleet/fleet-manager';
import { locateInstance } from '../allocation/locate';
import type { Call } from '../nakama/caller';
import { Code, rpcError } from '../refusal';
import { readAssignment, writeAssignment } from './assignment';
import { connectionFor, type Connection } from '../told/connection';

/** Nakama's state of a friendship that both sides have accepted. */
const MUTUAL = 0;
/** The most that Nakama 3.22 gives at once; later versions give 1000. */
const FRIENDS_PAGE = 100;

/**
 * Takes a seat in the session in which a friend plays. Only for mutual friends: a user id alone must not tell anybody where
 * somebody plays. Code 5 when the friend plays nowhere (or is none), 8 when the session is full.
 */
export function joinFriend(call: Call, userId: string, friendId: string): { status: 'matched'; match: Connection } {
  const { nk } = call;
  const theirs = areFriends(call, userId, friendId) ? readAssignment(nk, friendId)?.value : undefined;
  const instance = theirs?.state === 'ready' ? locateInstance(call, theirs.session_id) : undefined;
  if (!instance || !instance.seats[friendId]) {
    return rpcError(Code.NOT_FOUND, 'No friend of yours with this user id plays in a session.');
  }
  const { instance_info: joined } = fleetManager.join(call, instance.id, [userId]);
  const mine = readAssignment(nk, userId);
  const assignment = {
    state: 'ready' as const,
    allocation_id: '',
    session_id: joined.id,
    host: joined.connection_info.dns_name || joined.connection_info.ip_address,
    port: joined.connection_info.port,
    updated_at_ms: Date.now(),
    solo_at_ms: mine?.value.solo_at_ms ?? [],
  };
  if (writeAssignment(nk, userId, assignment, mine?.version ?? '*') === 'conflict') {
    // A match was made for this player at the same moment: that one counts, the seat is given back.
    fleetManager.leaveIfThere(call, joined.id, userId);
    return rpcError(Code.ABORTED, 'You were matched just now. Ask gameye_assignment.');
  }
  const before = mine?.value;
  if (before?.state === 'ready' && before.session_id !== joined.id) {
    fleetManager.leaveIfThere(call, before.session_id, userId);
  }
  return { status: 'matched', match: connectionFor(call, joined, userId, Date.now()) };
}

function areFriends(call: Call, userId: string, friendId: string): boolean {
  let cursor: string | undefined;
  do {
    const page = call.nk.friendsList(userId, FRIENDS_PAGE, MUTUAL, cursor);
    if (page.friends?.some((friend) => friend.user?.userId === friendId)) return true;
    cursor = page.cursor || undefined;
  } while (cursor !== undefined);
  return false;
}
