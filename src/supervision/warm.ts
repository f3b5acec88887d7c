import { newAllocation, fromRow, type Waiting } from '../allocation/allocation';
import { handOver, START_GRACE_MS } from '../allocation/create';
import { changeOf } from '../allocation/ownership';
import { guestPool, poolOf } from '../allocation/pool';
import { limitsOf } from '../allocation/starting';
import { hasWarm, warmPlan, type WarmKind } from '../allocation/warm';
import { SECOND } from '../config';
import { claimJob } from '../database/control';
import { closeWarm, countWarm, storeWarm } from '../database/warm';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { count, gauge } from '../nakama/metrics';
import { processId } from '../nakama/process-id';

/*
 * The warm buffer: sessions that are started for nobody, so that a match finds one. One node at a time keeps it; that two of
 * them never start more than wanted, the statement sees to, not this lease.
 */

/** A node that stops keeping it is followed by another after this. */
const LEASE_MS = 15 * SECOND;
/** Bounds of one pass; what is left over comes with the next, a second later. */
const MOST_STARTED = 20;
const MOST_CLOSED = 100;
/** A kind of session that could not be started is left alone for so long: its allocation counts until then. */
const PAUSE_MS = 30 * SECOND;

/** Starts what is missing, and closes what is too much, of an older version or near its end. */
export function keepWarm(call: Call): void {
  const { nk, config, logger } = call;
  if (!claimJob(nk, `warm:${config.fleet}`, processId(nk), LEASE_MS, {})) return;
  const plan = warmPlan(call);
  const closed = closeWarm(nk, config.fleet, plan, MOST_CLOSED);
  if (closed > 0) {
    count(nk, 'gameye_warm_sessions', { change: 'closed' }, closed);
    withFields(logger, { sessions: closed }).info('Gameye: warm sessions that are not wanted any more were closed.');
  }
  let left = MOST_STARTED;
  countWarm(nk, config.fleet, plan).forEach(({ fresh, starting }, i) => {
    const kind = plan[i] as WarmKind;
    const missing = Math.min(kind.wanted - fresh - starting, left);
    if (missing > 0) left -= fill(call, kind, missing);
  });
}

/** Stores and hands over allocations for nobody; answers how many. */
function fill(call: Call, kind: WarmKind, missing: number): number {
  const { nk, logger } = call;
  const { config, request, region, warm } = kind;
  const ids = Array.from({ length: missing }, () => nk.uuidv4());
  const pool = config.backfill ? { pool: poolOf(nk, config, request) } : {};
  const a: Waiting = {
    ...newAllocation('', request, [region], config.createTimeoutMs, 0),
    ...{ state: 'queued', warm, ...pool, keep_ms: PAUSE_MS },
  };
  const { free_seats, doc } = changeOf(a);
  const more = { mode: config.mode, create_timeout_ms: config.createTimeoutMs, guest_pool: guestPool(nk, config, a) };
  const rows = storeWarm(nk, config.fleet, kind, limitsOf(config), { free_seats, doc, ...more }, ids, START_GRACE_MS);
  for (const row of rows) {
    try {
      handOver(call, fromRow(row));
    } catch (error) {
      // The supervisor that finds it without a worker starts one.
      withFields(logger, { allocation: row.id, error: errorText(error) }).error(
        'Gameye: no worker could be started; it is tried again.',
      );
    }
  }
  if (rows.length === 0) return 0;
  count(nk, 'gameye_warm_sessions', { change: 'started' }, rows.length);
  withFields(logger, { mode: config.mode, region, sessions: rows.length }).info(
    'Gameye: warm sessions are started, so that a match finds one.',
  );
  return rows.length;
}

/** Shows on every node how many there are. */
export function showWarm(call: Call): void {
  if (!hasWarm(call.config)) return;
  const plan = warmPlan(call);
  const found = countWarm(call.nk, call.config.fleet, plan);
  const sum = (numbers: number[]): number => numbers.reduce((total, one) => total + one, 0);
  gauge(call.nk, 'gameye_warm', { state: 'wanted' }, sum(plan.map(({ wanted }) => wanted)));
  gauge(call.nk, 'gameye_warm', { state: 'ready' }, sum(found.map(({ ready }) => ready)));
}
