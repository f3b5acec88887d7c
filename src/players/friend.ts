import { readStanding } from '../database/standing';
import type { Call } from '../nakama/caller';
import type { Instance } from '../records';
import { Code, rpcError } from '../refusal';
import type { MatchContent } from '../told/content';
import { enter } from './enter';

/** Nakama's state of a friendship that both sides have accepted. */
const MUTUAL = 0;
/** The most that Nakama 3.22 gives at once; later versions give 1000. */
const FRIENDS_PAGE = 100;
/** A player can have any number of friends: of one side's list no more than this is read. */
const MOST_PAGES = 10;

/**
 * Takes a seat in the session in which a friend plays. Only for mutual friends: a user id alone must not tell anybody where
 * somebody plays. Code 5 when the friend plays nowhere (or is none), 8 when the session is full. For a player who sits there
 * already nothing is written and nobody is asked.
 */
export function joinFriend(call: Call, userId: string, friendId: string): { status: 'matched'; match: MatchContent } {
  const place = friendsInstance(call, userId, friendId);
  // One that its host has closed stays so for friends as well.
  const { match } = enter(call, userId, place, { open: place.room !== undefined });
  return { status: 'matched', match };
}

/** The instance in which a mutual friend has a seat; code 5 otherwise. */
export function friendsInstance(call: Call, userId: string, friendId: string): Instance {
  const { nk, config } = call;
  const theirs = areFriends(call, userId, friendId) ? readStanding(nk, config.fleet, friendId) : undefined;
  const isThere = theirs?.state === 'reserved' || theirs?.state === 'joined';
  const place = isThere ? theirs.instance : undefined;
  return place ?? rpcError(Code.NOT_FOUND, 'No friend of yours with this user id plays in a session.');
}

/** Both sides' lists tell it, so the shorter one is enough. */
export function areFriends(call: Call, userId: string, friendId: string): boolean {
  return lists(call, userId, friendId) ?? lists(call, friendId, userId) ?? false;
}

/** Whether a player's list of friends has another one; undefined: it is too long to say. */
function lists(call: Call, userId: string, friendId: string): boolean | undefined {
  let cursor: string | undefined;
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const page = call.nk.friendsList(userId, FRIENDS_PAGE, MUTUAL, cursor);
    if (page.friends?.some((friend) => friend.user?.userId === friendId)) return true;
    cursor = page.cursor || undefined;
    if (cursor === undefined) return false;
  }
  return undefined;
}
