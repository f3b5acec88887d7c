import { leaveSession } from '../gameye/session-api';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import { withLeft, type Instance } from './instance';
import { updateInstance } from './store';

/**
 * Frees players' seats and tells Gameye. Repeating it changes nothing; players without a seat are passed over. When the
 * Session API does not hear of it, our record is right all the same. Undefined: no such instance.
 */
export function leaveSeats(call: Call, id: string, userIds: string[], timeoutMs: number): Instance | undefined {
  let seated: string[] = [];
  const left = updateInstance(call.nk, id, (instance) => {
    seated = userIds.filter((userId) => instance.seats[userId] !== undefined);
    return seated.length === 0 ? instance : withLeft(instance, seated, Date.now());
  });
  if (!left) return undefined;
  count(call.nk, 'gameye_seats', { outcome: 'freed' }, seated.length);
  const outcome = leaveSession(call.nk, call.config, id, userIds, timeoutMs);
  if (outcome.kind !== 'done') {
    withFields(call.logger, { session: id, failure: outcome.failure.kind }).warn(
      'Gameye: the Session API was not told that players left; our own record is right.',
    );
  }
  return left;
}
