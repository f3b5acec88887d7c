import type { Nakama } from '../nakama/runtime';
import { answer, ask, json } from './sql';

/*
 * The one piece of a statement about a table of Nakama's own. `notification` is the same in all versions since 3.0, Nakama
 * reads it without a cache, and deletes from it by the same key. Its API lists one player's notifications at a time, oldest
 * first and a studio's among them, so a group would cost a call for each player and page.
 */

const NOBODY = '00000000-0000-0000-0000-000000000000';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Nakama's users among these ids. */
export function usersOf(userIds: string[]): string[] {
  return userIds.filter((userId) => UUID.test(userId));
}

/**
 * Deletes the matches that players were told of before the latest: `users` is a JSON list of them. Only what the server
 * itself has sent as `gameye_match` with an address in it, never what a studio has stored.
 */
export function forgetOlder(users: string): string {
  return `told AS (
  SELECT n.user_id, n.create_time, n.id, row_number() OVER (PARTITION BY n.user_id ORDER BY n.create_time DESC, n.id DESC) AS place
  FROM notification n WHERE n.user_id IN (SELECT value::uuid FROM jsonb_array_elements_text(${users}::text::jsonb))
    AND n.code = 7300 AND n.subject = 'gameye_match' AND n.sender_id = '${NOBODY}' AND n.content ? 'host' AND n.content ? 'session_id'
), forgotten AS (
  DELETE FROM notification n USING told t
  WHERE n.user_id = t.user_id AND n.create_time = t.create_time AND n.id = t.id AND t.place > 1
)`;
}

const FORGET = `
WITH ${forgetOlder('$1')}
${answer('(SELECT count(*) FROM told WHERE place > 1)')}`;

/** The same for players who were told outside of an allocation. Should Nakama's table ever be another one, it does nothing. */
export function forgetOlderMatches(nk: Nakama, userIds: string[]): void {
  const users = usersOf(userIds);
  if (users.length === 0) return;
  try {
    ask<number>(nk, FORGET, [json(users)]);
  } catch {
    // They were told; an older notification beside does no harm that the assignment does not mend.
  }
}
