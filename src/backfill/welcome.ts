import type { Allocation, Seated } from '../allocation/allocation';
import { leaveBefore, tellDeparture } from '../allocation/departure';
import { countEnd } from '../allocation/measure';
import { holder, reread, save } from '../allocation/ownership';
import { instanceWithSeats } from '../allocation/started';
import { tellPlayers } from '../allocation/telling';
import { afterNobodyTold, cancel, fail } from '../allocation/transitions';
import { SECOND } from '../config';
import { playersOf } from '../database/allocations';
import { databaseNow } from '../database/clock';
import { unseat } from '../database/seeking';
import { callBack } from '../extension/callbacks';
import { joinSession } from '../gameye/session-api';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';

/** The players wait for it. */
const CALL_TIMEOUT_MS = 4 * SECOND;

/**
 * The players have seats in a running session: Gameye hears of them, then they do. When Gameye knows no such session, nobody
 * is sent there: the group looks for another place.
 */
export function welcome(call: Call, a: Seated): Allocation | undefined {
  const { nk, config } = call;
  const userIds = playersOf(nk, a.id, holder(call));
  if (!userIds) return undefined;
  if (userIds.length === 0) return cancel(a, databaseNow());
  leaveBefore(call, a.before, a.place);
  const outcome = joinSession(nk, config, a.place, userIds, CALL_TIMEOUT_MS);
  const isGone = outcome.kind === 'refused' && outcome.failure.kind === 'not-found';
  const instance = isGone ? undefined : instanceWithSeats(call, a.place, userIds);
  if (!instance) {
    count(nk, 'gameye_backfills', { outcome: 'lost' });
    unseat(nk, a.id, a.version, a.place);
    return reread(call, a);
  }
  if (outcome.kind !== 'done') {
    withFields(call.logger, { session: a.place, failure: outcome.failure.kind }).warn(
      'Gameye: the Session API was not told of players; our own record is right.',
    );
  }
  const told = tellPlayers(call, a, instance, userIds);
  if (told.kind === 'missed') {
    return save(call, a, (fresh) => afterNobodyTold(fresh, databaseNow(), Math));
  }
  const refused = told.kind === 'told' ? told.refused : userIds;
  tellDeparture(call, a.place, refused);
  if (told.kind === 'useless') return save(call, a, (fresh) => fail(fresh, told.reason, databaseNow()));
  withFields(call.logger, {
    allocation: a.id,
    session: a.place,
    region: instance.region,
    players: told.told.length,
    took_ms: databaseNow() - a.created_at_ms,
  }).info('Gameye: players were seated in a running session and notified.');
  count(nk, 'gameye_backfills', { outcome: 'seated' });
  countEnd(call, a, 'joined', instance.region);
  callBack(call, { ...a, user_ids: told.told }, instance);
  return { ...a, told: told.told };
}
