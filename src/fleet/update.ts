import { updateInstance, type TooMany } from '../database/reports';
import { invalid } from '../fields';
import { METADATA_BOUND, publicMetadata } from '../metadata';
import type { Call } from '../nakama/caller';
import type { Instance } from '../records';
import { instanceOf, withSession } from './find';

/** Sets what the game server counted (undefined: unchanged) and merges its metadata. */
export function update(call: Call, ...said: Said): { instance_info: Instance } {
  return { instance_info: instanceOf(call, take(call, false, ...said)) };
}

type Said = [id: string, playerCount: number | undefined, metadata: { [key: string]: unknown }];

/** The same, said by the game server, which does not want to see it. */
export function report(call: Call, ...said: Said): void {
  take(call, true, ...said);
}

/** Answers the session id. */
function take(call: Call, byServer: boolean, ...[id, playerCount, metadata]: Said): string {
  const { nk, config } = call;
  const shown = publicMetadata(metadata);
  return withSession(call, id, (session) => {
    const taken = updateInstance(nk, config.fleet, session, playerCount, shown, byServer);
    if (typeof taken === 'object') return tooMany('player_count', taken);
    if (taken === 'too-large') return invalid('metadata', `would be too large with what is there: ${METADATA_BOUND}`);
    return taken === 'updated' ? session : undefined;
  });
}

/** Ends a report that names far more players than can be there. */
export function tooMany(field: string, { too_many_for }: TooMany): never {
  return invalid(field, `is more than a session with ${too_many_for} places can have.`);
}
