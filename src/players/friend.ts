import { readStanding } from '../database/standing';
import { freeSeats, join } from '../fleet/seats';
import type { Call } from '../nakama/caller';
import { Code, rpcError } from '../refusal';
import { matchContent, type MatchContent } from '../told/content';

/** Nakama's state of a friendship that both sides have accepted. */
const MUTUAL = 0;
/** The most that Nakama 3.22 gives at once; later versions give 1000. */
const FRIENDS_PAGE = 100;

/**
 * Takes a seat in the session in which a friend plays. Only for mutual friends: a user id alone must not tell anybody where
 * somebody plays. Code 5 when the friend plays nowhere (or is none), 8 when the session is full.
 */
export function joinFriend(call: Call, userId: string, friendId: string): { status: 'matched'; match: MatchContent } {
  const theirs = areFriends(call, userId, friendId) ? readStanding(call.nk, call.config.fleet, friendId) : undefined;
  const isThere = theirs?.state === 'reserved' || theirs?.state === 'joined';
  if (!isThere || !theirs.instance) {
    return rpcError(Code.NOT_FOUND, 'No friend of yours with this user id plays in a session.');
  }
  const { instance_info: instance } = join(call, theirs.instance.id, [userId]);
  try {
    return { status: 'matched', match: matchContent(call, instance, userId) };
  } catch (error) {
    // Without it the player cannot go there.
    freeSeats(call, instance.id, [userId]);
    throw error;
  }
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
