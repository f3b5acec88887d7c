import { refuseWhenFull } from '../allocation/admission';
import { newAllocation, type Allocation } from '../allocation/allocation';
import { tryAllocator } from '../worker/allocator';
import { FLEET_LABEL } from '../allocation/launch';
import { cancelPending, locateInstance, locatePending, type StartingInstance } from '../allocation/locate';
import { acceptableRegions } from '../allocation/regions';
import { publicMetadata, type AllocationRequest } from '../allocation/request';
import { deleteAllocation, saveAllocation } from '../allocation/store';
import { SECOND } from '../config';
import { describeSession, joinSession, stopSession } from '../gameye/session-api';
import { isLive, type SessionView } from '../gameye/wire';
import {
  instanceFromSession,
  refreshed,
  takesPlayers,
  withJoined,
  withReportedCount,
  withSeats,
  type Instance,
} from '../instances/instance';
import { leaveSeats } from '../instances/departure';
import { isDoorOpen, withDoor } from '../instances/pool';
import { listInstances } from '../instances/queries';
import { fitting, seatDeadline, take } from '../instances/seats';
import { insertInstance, markLost, readInstance, removeInstance, updateInstance } from '../instances/store';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import { Code, rpcError, sessionApiError } from '../refusal';

/*
 * Nakama's runtime.FleetManager (nakama-common, runtime.go) with its words and JSON, for the JavaScript runtime. Refusals
 * are thrown as `{message, code}` with a gRPC code, which is what an RPC passes on.
 */

/** Nakama cuts off an RPC's answer after 10 s (socket.write_timeout_ms): two calls have to fit. */
const CALL_TIMEOUT_MS = 4 * SECOND;

/** A player's hold on a seat: JoinInfo's SessionInfo in nakama-common. */
export interface SessionInfo {
  user_id: string;
  session_id: string;
}

/**
 * Asks for a new session and answers its id at once. The players named get `gameye_match` or `gameye_failed` within the
 * create timeout; without players, `get` tells when it runs.
 */
export function create(call: Call, request: AllocationRequest): { session_id: string } {
  refuseWhenFull(call);
  return startAllocation(call, allocationFor(call, request));
}

/** Stores a new allocation and starts its worker; a server that shuts down leaves that to another node. */
export function startAllocation(call: Call, allocation: Allocation): { session_id: string } {
  const { nk, config } = call;
  const queued: Allocation = { ...allocation, state: 'queued' };
  const version = saveAllocation(nk, queued, '*');
  if (version === 'conflict') return rpcError(Code.ABORTED, `The session id ${allocation.id} is taken. Try again.`);
  try {
    tryAllocator(call, queued, version);
  } catch (error) {
    deleteAllocation(nk, allocation.id, version);
    withFields(call.logger, { error: errorText(error) }).error('Gameye: no allocator could be started.');
    return rpcError(Code.UNAVAILABLE, 'The server starts no sessions now; its log says why. Try again.');
  }
  withFields(call.logger, { allocation: allocation.id, fleet: config.fleet }).debug('Gameye: session requested.');
  return { session_id: allocation.id };
}

/** A new allocation for a request; its id is the idempotency key of everything that follows. */
export function allocationFor(call: Call, request: AllocationRequest): Allocation {
  const { nk, config, ctx } = call;
  const regions = acceptableRegions(config, request);
  return newAllocation(nk.uuidv4(), request, regions, ctx.matchId ?? ctx.node, config.createTimeoutMs, Date.now());
}

/**
 * One instance, compared with the Session API and repaired where it was out of date. Code 5 when the session ended or never
 * was, and when the API does not know it: then its record stays, `lost`, until the reconciler is certain. When the API does
 * not answer, the record as it is.
 */
export function get(call: Call, id: string): Instance | StartingInstance {
  const { nk, config } = call;
  const before = locateInstance(call, id);
  const pending = before ? undefined : locatePending(call, id);
  // Its session may have started between the two looks.
  const stored = before ?? (pending ? undefined : locateInstance(call, id));
  if (pending) {
    return 'failed' in pending
      ? rpcError(Code.NOT_FOUND, `The session could not be started: ${pending.failed}.`)
      : pending;
  }
  const sessionId = stored?.id ?? id;
  const outcome = describeSession(nk, config, sessionId, CALL_TIMEOUT_MS);
  if (outcome.kind === 'done' && isLive(outcome.value.status)) {
    if (!stored) return adopt(call, outcome.value);
    const current = updateInstance(nk, sessionId, (instance) => refreshed(config, instance, outcome.value, Date.now()));
    return current ?? notFound(id);
  }
  if (outcome.kind === 'done' || outcome.failure.kind === 'not-found') {
    if (stored && outcome.kind === 'done') removeInstance(nk, sessionId);
    else if (stored) markLost(nk, sessionId);
    return notFound(id);
  }
  if (!stored) return sessionApiError(outcome.failure);
  withFields(call.logger, { session: sessionId, failure: outcome.failure.kind, message: outcome.failure.message }).warn(
    'Gameye: an instance could not be refreshed; the stored one is used.',
  );
  return stored;
}

/**
 * A page of instances from the index, in an `order` of instances/queries.ts, fullest first when there is none. `query` is
 * Nakama's storage index language; `limit` 1 to 1000. The cursor is empty at the end.
 */
export function list(
  call: Call,
  query: string,
  limit: number,
  cursor: string,
  order?: string[],
): { instances: Instance[]; cursor: string } {
  return listInstances(call.ctx, call.nk, query, limit, cursor, order);
}

/**
 * Reserves seats for players until the seat timeout; who has a seat keeps it. All or none, or with `partial` as many as fit
 * in the order given: `session_info` tells who. Code 8 when the instance is full, 9 when it takes nobody any more, 5 when it
 * is gone.
 */
export function join(
  call: Call,
  id: string,
  userIds: string[],
  partial = false,
): { instance_info: Instance; session_info: SessionInfo[] } {
  const { nk, config } = call;
  const sessionId = locateInstance(call, id)?.id ?? notFound(id);
  let seated = userIds;
  const joined = updateInstance<Instance | 'full' | 'closed'>(nk, sessionId, (instance) => {
    if (!takesPlayers(instance)) return 'closed';
    const now = Date.now();
    const before = withSeats(instance, now, (seats) => seats);
    seated = fitting(before.seats, userIds, before.open_seats);
    if (seated.length < userIds.length && (!partial || seated.length === 0)) return 'full';
    return withSeats(before, now, (seats) => take(seats, seated, seatDeadline(config, now)));
  });
  if (joined === undefined) return notFound(id);
  if (typeof joined === 'string') count(nk, 'gameye_seats', { outcome: joined }, userIds.length);
  else count(nk, 'gameye_seats', { outcome: 'reserved' }, seated.length);
  if (joined === 'full') return rpcError(Code.RESOURCE_EXHAUSTED, 'The instance is full. Join another, or create one.');
  if (joined === 'closed')
    return rpcError(Code.FAILED_PRECONDITION, 'The instance takes no more players. Join another.');
  const outcome = joinSession(nk, config, sessionId, seated, CALL_TIMEOUT_MS);
  if (outcome.kind === 'refused' && outcome.failure.kind === 'not-found') {
    markLost(nk, sessionId);
    return notFound(id);
  }
  if (outcome.kind !== 'done') logUnregistered(call, sessionId, outcome.failure.kind);
  return { instance_info: joined, session_info: seated.map((user_id) => ({ user_id, session_id: sessionId })) };
}

/** Frees players' seats. Repeating it changes nothing; players without a seat are passed over. */
export function leave(call: Call, id: string, userIds: string[]): { instance_info: Instance } {
  const sessionId = locateInstance(call, id)?.id ?? notFound(id);
  return { instance_info: leaveSeats(call, sessionId, userIds, CALL_TIMEOUT_MS) ?? notFound(id) };
}

/** Frees one player's seat; false when the session is gone or the player had none. */
export function leaveIfThere(call: Call, id: string, userId: string): boolean {
  const instance = locateInstance(call, id);
  if (!instance?.seats[userId]) return false;
  return leaveSeats(call, instance.id, [userId], CALL_TIMEOUT_MS) !== undefined;
}

/** The players have arrived, says their game server: their seats no longer run out. */
export function confirm(call: Call, id: string, userIds: string[]): { instance_info: Instance } {
  return { instance_info: change(call, id, (instance) => withJoined(instance, userIds, Date.now())) };
}

/** Closes an instance's door to backfill or opens it; answers whether it is open now. Code 9: it takes no part in backfill. */
export function setDoor(call: Call, id: string, open: boolean): boolean {
  const isOpen = isDoorOpen(change(call, id, (instance) => withDoor(instance, open)));
  if (isOpen !== undefined || !open) return isOpen ?? false;
  return rpcError(
    Code.FAILED_PRECONDITION,
    'Nobody is seated here by backfill: GAMEYE_BACKFILL was off when the session was started, or its match did not want it.',
  );
}

/** Sets what the game server counted (undefined: unchanged) and merges its metadata. */
export function update(
  call: Call,
  id: string,
  playerCount: number | undefined,
  metadata: { [key: string]: unknown },
): { instance_info: Instance } {
  const updated = change(call, id, (instance) => {
    const counted = playerCount === undefined ? instance : withReportedCount(instance, playerCount, Date.now());
    return { ...counted, metadata: { ...counted.metadata, ...publicMetadata(metadata) } };
  });
  return { instance_info: updated };
}

/**
 * Stops a session and forgets its instance; one that is still starting is cancelled. A session that is already gone is a
 * success. When the API does not answer, the instance stays, and the call can be repeated.
 */
export function remove(call: Call, id: string): object {
  const { nk, config } = call;
  const pending = cancelPending(call, id);
  if (pending === 'conflict') return rpcError(Code.ABORTED, 'The session is being started just now. Try again.');
  const known = pending ?? readInstance(nk, id)?.value.id;
  if (known === undefined && !isOurs(call, id)) return {};
  const sessionId = known ?? id;
  const outcome = stopSession(nk, config, sessionId, CALL_TIMEOUT_MS);
  if (outcome.kind === 'done') {
    removeInstance(nk, sessionId);
    return {};
  }
  // The worker of a cancelled allocation goes on stopping it.
  return pending !== undefined && !readInstance(nk, sessionId) ? {} : sessionApiError(outcome.failure);
}

/** For an id without a record: true when Gameye shows a session of our fleet, false when it shows none. */
function isOurs(call: Call, id: string): boolean {
  const outcome = describeSession(call.nk, call.config, id, CALL_TIMEOUT_MS);
  if (outcome.kind === 'done') return outcome.value.labels[FLEET_LABEL] === call.config.fleet || notFound(id);
  return outcome.failure.kind === 'not-found' ? false : sessionApiError(outcome.failure);
}

/** Stores an instance for a running session of our fleet that has no record. */
function adopt(call: Call, session: SessionView): Instance {
  if (session.labels[FLEET_LABEL] !== call.config.fleet) return notFound(session.id);
  const instance = instanceFromSession(call.config, session, Date.now());
  if (!instance) return notFound(session.id);
  if (insertInstance(call.nk, instance) === 'inserted') return instance;
  return readInstance(call.nk, session.id)?.value ?? notFound(session.id);
}

/** Changes an instance that exists; code 5 when there is none. */
function change(call: Call, id: string, to: (instance: Instance) => Instance): Instance {
  const sessionId = locateInstance(call, id)?.id ?? notFound(id);
  return updateInstance(call.nk, sessionId, to) ?? notFound(id);
}

function logUnregistered(call: Call, id: string, failure: string): void {
  withFields(call.logger, { session: id, failure }).warn(
    'Gameye: the Session API was not told of players; our own record is right.',
  );
}

function notFound(id: string): never {
  return rpcError(Code.NOT_FOUND, `No session ${id} runs in this fleet. fleet_list shows those that do.`);
}
