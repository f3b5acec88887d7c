import { updateInstance } from '../database/reports';
import { publicMetadata } from '../metadata';
import type { Call } from '../nakama/caller';
import type { Instance } from '../records';
import { instanceOf, withSession } from './find';

/** Sets what the game server counted (undefined: unchanged) and merges its metadata. */
export function update(call: Call, ...said: Said): { instance_info: Instance } {
  return { instance_info: instanceOf(call, report(call, ...said)) };
}

type Said = [id: string, playerCount: number | undefined, metadata: { [key: string]: unknown }];

/** The same, for who does not want to see it. Answers the session id. */
export function report(call: Call, ...[id, playerCount, metadata]: Said): string {
  const { nk, config } = call;
  const shown = publicMetadata(metadata);
  return withSession(call, id, (session) =>
    updateInstance(nk, config.fleet, session, playerCount, shown) ? session : undefined,
  );
}
