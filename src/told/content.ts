import { extrasFor } from '../extension/extras';
import type { Call } from '../nakama/caller';
import type { Instance } from '../records';
import { connectionFor, type Connection } from './connection';

/** What a player is told of a session: where it is, and whatever its metadata and the module's `extras` add. */
export type MatchContent = Connection & { [field: string]: unknown };

/**
 * The content of `gameye_match`, which every answer about a match carries as well. Metadata and extras cannot replace a field of
 * the connection, also where it has no such field: nobody may take a stranger's `seat_token` for ours. Throws an RPC refusal
 * when the module's `extras` fail. `watchesUntilMs`: for a spectator, whose place is kept until then.
 */
export function matchContent(call: Call, instance: Instance, userId: string, watchesUntilMs?: number): MatchContent {
  const added = Object.entries({ ...instance.metadata, ...extrasFor(call, instance, userId) });
  return {
    ...Object.fromEntries(added.filter(([field]) => !RESERVED.includes(field))),
    ...connectionFor(call, instance, userId, watchesUntilMs),
  };
}

const RESERVED = ['host', 'port', 'session_id', 'ports', 'seat_token', 'exp', 'spectator', 'relay_url', 'relay_token'];
