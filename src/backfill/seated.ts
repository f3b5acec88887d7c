import { extrasFor } from '../extension/extras';
import { callBack, notifiesPlayers } from '../extension/callbacks';
import { SECOND } from '../config';
import { joinSession, leaveSession } from '../gameye/session-api';
import { LOST, takesPlayers, withLeft, type Instance } from '../instances/instance';
import { alteration, readInstance } from '../instances/store';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import { assign } from '../players/assignment';
import { notifyMatch } from '../told/notify';
import type { Allocation } from '../allocation/allocation';
import { reread, save, store, type Hold } from '../allocation/ownership';
import { countEnd } from '../allocation/measure';
import { leaveSuperseded } from '../allocation/superseded';
import { afterNobodyTold } from '../allocation/transitions';
import { isPreseated, passedOn, withoutVacated, type Vacating } from '../allocation/vacating';

/** What an allocation does whose players have seats in a running session: Gameye hears of them, then they do. */

/** The players wait for it. */
const CALL_TIMEOUT_MS = 4 * SECOND;
const MOST_TRIES = 100;

/** Tells Gameye who comes. When there is no such session, nobody is sent there: the group looks for another place. */
export function register(call: Call, hold: Hold): Hold | undefined {
  const { allocation: a } = hold;
  const place = a.backfill?.joins;
  if (!place) return undefined;
  const outcome = joinSession(call.nk, call.config, place.id, a.request.user_ids, CALL_TIMEOUT_MS);
  if (outcome.kind === 'refused' && outcome.failure.kind === 'not-found') {
    count(call.nk, 'gameye_backfills', { outcome: 'lost' });
    const others = a.request.user_ids.filter((userId) => !isPreseated(a, userId, place.id));
    const lost = (instance: Instance, vacates: Vacating[]): Instance => {
      const cancelled = vacates.filter((one) => one.session_id === place.id).map((one) => one.user_id);
      const left = withLeft(instance, [...others, ...cancelled], Date.now());
      return takesPlayers(left) ? { ...left, status: LOST } : left;
    };
    return withInstance(call, hold, place.id, lost, passedOn);
  }
  if (outcome.kind !== 'done') {
    withFields(call.logger, { session: place.id, failure: outcome.failure.kind }).warn(
      'Gameye: the Session API was not told of players; our own record is right.',
    );
  }
  return save(call, hold, (fresh) =>
    fresh.backfill ? { ...fresh, backfill: { ...fresh.backfill, registered: true } } : fresh,
  );
}

/** Tells the players where they play. A crash before the record says so: they are told the same again. */
export function welcome(call: Call, hold: Hold): Hold | undefined {
  const { nk, logger, config } = call;
  const { allocation: a } = hold;
  const place = a.backfill?.joins;
  if (!place) return undefined;
  const { user_ids: userIds } = a.request;
  const missed = notifiesPlayers(a)
    ? notifyMatch(nk, logger, config, place, userIds, Date.now(), extrasFor(call, place))
    : [];
  if (missed.length === userIds.length) {
    return save(call, hold, (fresh) => afterNobodyTold(fresh, Date.now(), { newId: () => '', random: Math.random }));
  }
  withFields(logger, {
    allocation: a.id,
    session: place.id,
    region: place.region,
    players: userIds.length,
    took_ms: Date.now() - a.created_at_ms,
  }).info('Gameye: players were seated in a running session and notified.');
  count(nk, 'gameye_backfills', { outcome: 'seated' });
  countEnd(call, a, 'joined', place.region);
  callBack(call, a, place);
  const { ip_address, dns_name, port } = place.connection_info;
  const where = { host: dns_name || ip_address, ports: place.ports, at_ms: Date.now() };
  assign(nk, logger, { ...a, state: 'announced', session_id: place.id, started: where }, port);
  leaveSuperseded(call, a, place.id, CALL_TIMEOUT_MS);
  return save(call, hold, (fresh) => ({ ...fresh, told: true }));
}

/** Frees the seats in one session of players who do not come after all, and tells Gameye. The session itself goes on. */
export function vacate(call: Call, hold: Hold): Hold | undefined {
  const [first] = hold.allocation.backfill?.vacates ?? [];
  if (!first) return undefined;
  const { session_id: id } = first;
  let freed: string[] = [];
  const leave = (instance: Instance, vacates: Vacating[]): Instance => {
    const all = vacates.filter((one) => one.session_id === id).map((one) => one.user_id);
    freed = all.filter((userId) => instance.seats[userId] !== undefined);
    return freed.length === 0 ? instance : withLeft(instance, freed, Date.now());
  };
  const vacated = withInstance(call, hold, id, leave, (a) => withoutVacated(a, id));
  if (freed.length > 0) leaveSession(call.nk, call.config, id, freed, CALL_TIMEOUT_MS);
  return vacated;
}

/**
 * Changes the instance and the allocation in one transaction; an instance that is gone has nothing to change. When somebody
 * changed the allocation meanwhile, its present state is what goes on. Throws when others are faster all the time.
 */
function withInstance(
  call: Call,
  hold: Hold,
  id: string,
  change: (instance: Instance, vacates: Vacating[]) => Instance,
  next: (a: Allocation) => Allocation,
): Hold | undefined {
  const { nk } = call;
  for (let i = 0; i < MOST_TRIES; i++) {
    const row = readInstance(nk, id);
    const changed = row && change(row.value, hold.allocation.backfill?.vacates ?? []);
    const stored = store(
      call,
      hold,
      next(hold.allocation),
      changed && changed !== row.value ? [alteration(row, changed)] : [],
    );
    if (stored) return stored;
    const fresh = reread(call, hold);
    if (fresh?.version !== hold.version) return fresh;
    count(nk, 'gameye_conflicts', { record: 'instance' });
  }
  throw new Error('The instance changed with every try to free seats in it.');
}
