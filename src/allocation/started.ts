import { SECOND } from '../config';
import { playersOf } from '../database/allocations';
import { saveOpened, saveStarted, type NewInstance } from '../database/starting';
import { databaseNow } from '../database/clock';
import { findInstance } from '../database/instances';
import { takeSeats } from '../database/seats';
import { callBack } from '../extension/callbacks';
import { joinSession } from '../gameye/session-api';
import type { Started as Where } from '../gameye/wire';
import { newInstance, seatMs } from '../instances/instance';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import type { Instance, Seats } from '../records';
import { hasPlayers, type Allocation, type Started, type Waiting } from './allocation';
import { finish } from './ending';
import { imageOf, regionOf } from './launch';
import { leaveBefore } from './departure';
import { allocationLogger, logFailure } from './logging';
import { countEnd } from './measure';
import { poolOf } from './pool';
import { asStored, changeOf, holder, leaseForCallback, reread, save, untilStored } from './ownership';
import { tellPlayers } from './telling';
import { afterNobodyTold, afterStart, cancel, fail } from './transitions';

/* What a worker does from the moment that a session runs until its players know where it is. */

const CALL_TIMEOUT_MS = 10 * SECOND;

/** How often a worker looks whether its game server is ready. */
const READY_POLL_MS = 250;

/** The session runs: its instance and its players' seats are stored with that, and then they are told. */
export function started(call: Call, a: Waiting, where: Where): Allocation | undefined {
  const { nk, config } = call;
  let announced: { instance: Instance; userIds: string[] } | undefined;
  const stored = untilStored(call, a, (current): Allocation | undefined => {
    if (current.cancelled) return cancel({ ...current, in_doubt: true }, databaseNow());
    const waits = config.ready === 'server' && !current.server_ready;
    const next = afterStart(current, where, waits, databaseNow());
    const begun = newInstance(config, sessionOf(call, next), where);
    // It has its port: the caller looked.
    if (!begun) return fail({ ...current, in_doubt: true }, 'misconfigured', databaseNow());
    const options = { waits, seatMs: seatMs(config), hasPlayers: hasPlayers(next) };
    const seatsFrom = databaseNow();
    const saved = saveStarted(nk, changeOf(next), current.version, leaseForCallback(call, next), begun, options);
    if (!saved) return undefined;
    const known = asStored(next, saved.row);
    // All of its players went away or were matched again.
    if (!saved.made) return cancel(known, databaseNow());
    if (!waits)
      announced = { instance: shown(begun, saved.user_ids, options.seatMs, seatsFrom), userIds: saved.user_ids };
    return known;
  });
  return stored?.state === 'started' && announced ? tell(call, stored, announced.instance, announced.userIds) : stored;
}

function sessionOf(call: Call, a: Started): Parameters<typeof newInstance>[1] {
  const region = regionOf(a);
  const { image, version = '' } = imageOf(call.config, a.request, region);
  const { max_players, metadata, mode = '', solo = false } = a.request;
  // Its pool is of the version that it was started with there.
  const pool = a.pool === undefined ? null : poolOf(call.nk, call.config, { ...a.request, version });
  const session = { id: a.session_id, region, image, version, max_players, metadata, pool };
  const warm = a.request.warm ? (a.warm ?? null) : null;
  return { ...session, mode, solo, warm, waits: a.waits };
}

/** The instance as it was just stored, without asking for it again; `now`: not later than the statement. */
function shown(begun: NewInstance, userIds: string[], reservedMs: number | null, now: number): Instance {
  const { ip_address, dns_name, port, ttl_ms, pool, mode, solo: _solo, warm, ...rest } = begun;
  const seat: Seats[string] =
    reservedMs === null ? { state: 'joined' } : { state: 'reserved', until_ms: now + reservedMs };
  return {
    ...rest,
    connection_info: { ip_address, dns_name, port },
    create_time: new Date(now).toISOString(),
    player_count: userIds.length,
    open_seats: begun.max_players - userIds.length,
    seats: Object.fromEntries(userIds.map((userId) => [userId, seat])),
    unseated: 0,
    ...(mode === '' ? {} : { mode }),
    ...(pool === null ? {} : { pool, open: true }),
    ...(warm === null || userIds.length > 0 ? {} : { warm: true as const }),
    ...(reservedMs === null && userIds.length > 0 ? { visited: true as const } : {}),
    expires_at_ms: now + ttl_ms,
  };
}

/** The game server says by RPC that it is ready, which the worker looks for. */
export function awaitServer(call: Call, a: Started): Allocation | undefined {
  const fresh = reread(call, a);
  if (fresh?.state !== 'started') return fresh;
  if (fresh.cancelled || !fresh.server_ready) return { ...fresh, next_at_ms: databaseNow() + READY_POLL_MS };
  const opened = untilStored(call, fresh, (current): Allocation | undefined => {
    if (current.cancelled) return cancel(current, databaseNow());
    const next: Started = { ...current, waits: false, next_at_ms: 0 };
    const lease = leaseForCallback(call, next);
    const saved = saveOpened(call.nk, changeOf(next), current.version, lease, seatMs(call.config));
    if (!saved) return undefined;
    const known = asStored(next, saved.row);
    const isWanted = saved.made && (saved.user_ids.length > 0 || !hasPlayers(known));
    return isWanted ? known : cancel(known, databaseNow());
  });
  return opened?.state === 'started' && !opened.waits ? announce(call, opened) : opened;
}

/** Tells the players of a session whose instance is stored: when it waited for its game server, and after a crash. */
export function announce(call: Call, a: Started): Allocation | undefined {
  const { nk } = call;
  const userIds = playersOf(nk, a.id, holder(call));
  if (!userIds) return undefined;
  const instance = instanceWithSeats(call, a.session_id, userIds);
  // It was deleted, or nobody needs it any more.
  if (!instance || (hasPlayers(a) && userIds.length === 0)) return cancel(a, databaseNow());
  return tell(call, a, instance, userIds);
}

/** The instance as these players are told of it: whose reservation ran out meanwhile has a seat again while there is one. */
export function instanceWithSeats(call: Call, sessionId: string, userIds: string[]): Instance | undefined {
  const { nk, config } = call;
  const instance = findInstance(nk, config.fleet, sessionId);
  const held = Object.keys(instance?.seats ?? {});
  if (userIds.every((id) => held.includes(id))) return instance;
  takeSeats(nk, config.fleet, sessionId, userIds, seatMs(config), { again: true, partial: true });
  return findInstance(nk, config.fleet, sessionId);
}

function tell(call: Call, a: Started, instance: Instance, userIds: string[]): Allocation | undefined {
  const outcome = tellPlayers(call, a, instance, userIds);
  if (outcome.kind === 'missed') {
    return save(call, a, (fresh) => afterNobodyTold(fresh, databaseNow(), Math));
  }
  if (outcome.kind === 'useless') return save(call, a, (fresh) => fail(fresh, outcome.reason, databaseNow()));
  const { told } = outcome;
  withFields(allocationLogger(call, a), {
    host: instance.connection_info.ip_address,
    port: instance.connection_info.port,
    players: told.length,
  }).info('Gameye: session started, players notified.');
  countEnd(call, a, 'started');
  callBack(call, { ...a, user_ids: told }, instance);
  return { ...a, told };
}

/**
 * The players were told: Gameye, which counts players too, hears of them, and the allocation ends. It is not what they wait
 * for, so a failure is only logged; a repetition changes nothing.
 */
export function close(call: Call, a: Started): Allocation | undefined {
  const userIds = a.told ?? [];
  leaveBefore(call, a.before, a.session_id);
  if (userIds.length > 0) {
    const outcome = joinSession(call.nk, call.config, a.session_id, userIds, CALL_TIMEOUT_MS);
    if (outcome.kind !== 'done') logFailure(call, a, outcome);
  }
  return finish(call, a);
}
