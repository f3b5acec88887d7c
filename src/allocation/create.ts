import { MINUTE, SECOND } from '../config';
import { NO_LIMIT } from '../database/allocation-row';
import { countSessions, endAllocation } from '../database/allocations';
import { storeAllocation, type NewAllocation } from '../database/storing';
import { databaseNow } from '../database/clock';
import { configFor, modeConfig, withModeMetadata } from '../mode-config';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import { isShuttingDown, startWorker } from '../nakama/worker-match';
import type { AllocationRequest } from '../records';
import { Code, rpcError } from '../refusal';
import { newAllocation as allocationOf, type Allocation, type Waiting } from './allocation';
import { isDaySpent } from './minutes';
import { changeOf } from './ownership';
import { closedReason, decided, openRegions } from './decide';
import { ordersInForce } from './orders';
import { guestPool } from './pool';
import { isRecounted } from './recount';
import { acceptableRegions } from './regions';
import { tellRefused } from './refused';

/** Its worker begins within a tick of the match that was asked for; after this any node's supervisor looks for another one. */
export const START_GRACE_MS = 5 * SECOND;

/**
 * A new allocation for a request, not stored yet; its id is the idempotency key of everything that follows. With
 * GAMEYE_BACKFILL it looks for seats in running sessions first, unless the request says no or `seeks` is false; with a warm
 * buffer for an empty one.
 */
export function newAllocation(call: Call, asked: AllocationRequest, seeks = true): Waiting {
  const config = configFor(call.config, asked);
  const request = withModeMetadata(config, asked);
  const regions = acceptableRegions(config, request);
  const a = allocationOf(call.nk.uuidv4(), request, regions, config.createTimeoutMs, databaseNow());
  const mayFindSeats = (config.backfill && request.backfill !== false) || config.warm !== undefined;
  return seeks && mayFindSeats ? { ...a, next: 'seek' } : a;
}

/**
 * Hands an allocation to a worker of this node; `from` is who holds one that is stored. False when this server shuts down and
 * starts no matches any more: once it is stored, any node's supervisor takes it. Other errors are thrown. Takes about a
 * millisecond.
 */
export function handOver(call: Call, a: Allocation, from = ''): boolean {
  try {
    startWorker(call.nk, { allocation: JSON.stringify(a), from });
    return true;
  } catch (error) {
    if (!isShuttingDown(errorText(error))) throw error;
    withFields(call.logger, { allocation: a.id }).warn(
      'Gameye: this server shuts down; the allocation is left to the other nodes.',
    );
    return false;
  }
}

/** Stores an allocation that nobody works on yet. */
export function queue(
  call: Call,
  a: Waiting,
  alone?: NewAllocation['alone'],
): { kind: 'queued'; allocation: Waiting } | { kind: 'busy' | 'too-often' | 'exists' } {
  const { nk } = call;
  const config = configFor(call.config, a.request);
  const settled = a.next === 'seek' ? decided(nk, config, a) : a;
  if ('reason' in settled) return rpcError(Code.FAILED_PRECONDITION, settled.message ?? CLOSED);
  const queued: Waiting = { ...settled, state: 'queued' };
  const stored = storeAllocation(
    nk,
    {
      ...changeOf(queued),
      fleet: config.fleet,
      create_timeout_ms: config.createTimeoutMs,
      guest_pool: guestPool(nk, config, queued),
      user_ids: a.request.user_ids,
      most: NO_LIMIT,
      most_starts: config.startsPerMinute ?? null,
      ...(a.request.room ? { code: a.request.room.code } : {}),
      ...(alone ? { alone } : {}),
    },
    { holder: '', ms: START_GRACE_MS },
  );
  if (stored.kind !== 'stored') return { kind: stored.kind === 'full' ? 'busy' : stored.kind };
  // One row a player: another request of the same player was faster.
  if (alone && stored.taken.length < a.request.user_ids.length) {
    endAllocation(nk, a.id, '', null);
    return { kind: 'busy' };
  }
  const { version, created_at_ms, deadline_ms } = stored.row;
  const rest = tellRefused(call, queued, stored.refused);
  return { kind: 'queued', allocation: { ...rest, version, created_at_ms, deadline_ms, before: stored.before } };
}

/**
 * Stores a new allocation and starts its worker. `too-often`: nobody of its players may have another one now. With `alone` it
 * is refused when its player waits or plays already (`busy`); `exists`: there is one with this id. Code 14 when this server
 * starts no workers.
 */
export function startAllocation(
  call: Call,
  a: Waiting,
  options: { alone?: NewAllocation['alone']; keepMs?: number } = {},
): 'started' | 'busy' | 'too-often' | 'exists' {
  const queued = queue(call, options.keepMs === undefined ? a : { ...a, keep_ms: options.keepMs }, options.alone);
  if (queued.kind !== 'queued') return queued.kind;
  try {
    handOver(call, queued.allocation);
  } catch (error) {
    endAllocation(call.nk, a.id, '', null);
    withFields(call.logger, { error: errorText(error) }).error('Gameye: no allocator could be started.');
    return rpcError(Code.UNAVAILABLE, 'The server starts no sessions now; its log says why. Try again.');
  }
  withFields(call.logger, { allocation: a.id, fleet: call.config.fleet }).debug('Gameye: session requested.');
  return 'started';
}

/**
 * Refuses an allocation at the door: with code 9 when operators have closed all of its regions, with code 8 when no session can
 * be started for it at present. One that looks for a seat first may need none of its own.
 */
export function refuseAtDoor(call: Call, a: Waiting): void {
  refuseWhenClosed(call, a.regions);
  if (a.next !== 'seek') refuseWhenFull(call, a.request.mode);
}

function refuseWhenFull(call: Call, mode = ''): void {
  if (isDaySpent(call)) {
    count(call.nk, 'gameye_refusals', { reason: 'max_minutes' });
    rpcError(
      Code.RESOURCE_EXHAUSTED,
      'The sessions of today have had as many minutes as they may (GAMEYE_MAX_MINUTES_PER_DAY). Try again after midnight UTC.',
    );
  }
  const { maxSessions, mostOfMode, fleet } = modeConfig(call.config, mode);
  const isFull = (): boolean =>
    (maxSessions !== undefined && countSessions(call.nk, fleet) >= maxSessions) ||
    (mostOfMode !== undefined && countSessions(call.nk, fleet, mode) >= mostOfMode);
  // Some of those may have ended unnoticed.
  if (!isFull() || (isRecounted(call, databaseNow()) && !isFull())) return;
  count(call.nk, 'gameye_refusals', { reason: 'max_sessions' });
  rpcError(
    Code.RESOURCE_EXHAUSTED,
    'As many sessions run as may (GAMEYE_MAX_SESSIONS, or max_sessions of the mode). Try again when one has ended.',
  );
}

const CLOSED = 'No session is started for this now: its regions are closed, or its version is. Try again later.';

function refuseWhenClosed(call: Call, regions: string[]): void {
  const orders = ordersInForce(call.nk, call.config);
  if (openRegions(orders, regions).length > 0) return;
  count(call.nk, 'gameye_refusals', { reason: 'regions_closed' });
  rpcError(Code.FAILED_PRECONDITION, closedReason(orders, regions) ?? CLOSED);
}

/** How long what became of an allocation is remembered for whoever asks late. */
export const KEEP_MS = 2 * 24 * 60 * MINUTE;
