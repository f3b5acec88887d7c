import { notifiesPlayers } from '../extension/callbacks';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import { notifyFailed } from '../told/notify';
import type { Waiting } from './allocation';

/** The allocation without players who have had as many starts as may (GAMEYE_STARTS_PER_MINUTE); they are told so. */
export function tellRefused(call: Call, a: Waiting, userIds: string[]): Waiting {
  if (userIds.length === 0) return a;
  countRefused(call, a, userIds.length);
  if (notifiesPlayers(a)) notifyFailed(call.nk, call.logger, 'quota_exceeded', userIds, call.config.notify);
  const { request } = a;
  return { ...a, request: { ...request, user_ids: request.user_ids.filter((id) => !userIds.includes(id)) } };
}

export function countRefused(call: Call, { id }: { id: string }, players: number): void {
  count(call.nk, 'gameye_refusals', { reason: 'starts' }, players);
  withFields(call.logger, { allocation: id, players }).warn(
    'Gameye: players get no server, because they have had GAMEYE_STARTS_PER_MINUTE within a minute.',
  );
}
