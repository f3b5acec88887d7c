import { SECOND, type Config } from '../config';
import { NO_LIMIT, type MostSessions } from '../database/allocation-row';
import { saveAttempt } from '../database/allocations';
import { storeAllocation } from '../database/storing';
import { databaseNow } from '../database/clock';
import type { Outcome } from '../gameye/failure';
import { describeSession, runSession, stopSession } from '../gameye/session-api';
import { choosePort, type Started as Where } from '../gameye/wire';
import type { Call } from '../nakama/caller';
import { count, regionLabel } from '../nakama/metrics';
import { timeFor, hasPlayers, type Allocation, type Ended, type Waiting } from './allocation';
import { noteStarted } from './account';
import { coolDown, inTryOrder, regionsAfter } from './failover';
import { finding, regionOf, sessionRun } from './launch';
import { allocationLogger, logFailure } from './logging';
import { countRetry } from './measure';
import { isDaySpent } from './minutes';
import { asStored, changeOf, lease, reread, RUN_TIMEOUT_MS, save, untilStored } from './ownership';
import { decided, undecided } from './decide';
import { forgetOrders } from './orders';
import { guestPool } from './pool';
import { isRecounted } from './recount';
import { countRefused, tellRefused } from './refused';
import { started } from './started';
import {
  afterGiveUpId,
  afterLookUp,
  afterPortMissing,
  afterRun,
  cancel,
  fail,
  timeOut,
  type Chance,
} from './transitions';

/*
 * What a worker does until a session runs. Each step answers the allocation as it is then; undefined when it is finished or
 * somebody else's. Blocks on the network: only workers call it.
 */

const CALL_TIMEOUT_MS = 10 * SECOND;

/** How often one that GAMEYE_MAX_SESSIONS refused asks whether the sessions that count were looked at, and for how long. */
const FULL_POLL_MS = 250;
const MOST_FULL_MS = 10 * SECOND;

/**
 * Stores the attempt, then sends it: nothing is sent before it is stored, nor after somebody cancelled. `sending` hears of
 * the record as it is then, in doubt: that is what a worker goes on with when the database fails after the answer.
 */
export function run(call: Call, a: Waiting, sending: (a: Allocation) => void): Allocation | undefined {
  const { nk, config } = call;
  const { in_doubt, full_since_ms } = a;
  const now = databaseNow();
  if (a.attempts === 0 && isDaySpent(call)) return refuseSpent(call, a);
  if (
    a.attempts === 0 &&
    full_since_ms !== undefined &&
    !isRecounted(call, full_since_ms) &&
    now < waitsUntil(a, full_since_ms)
  ) {
    return { ...a, next_at_ms: now + FULL_POLL_MS };
  }
  const answer_by_ms = now + timeFor(a, RUN_TIMEOUT_MS, now);
  const settled = decided(nk, config, a);
  if ('reason' in settled) return settled;
  const first = inTryOrder(nk, settled);
  // In doubt from here for whoever finds the record after a crash; for us only if the answer does not tell.
  const attempt: Waiting = { ...first, state: 'starting', attempts: a.attempts + 1, answer_by_ms, in_doubt: true };
  const stored = a.version === 0 ? storeFirst(call, attempt) : storeAttempt(call, attempt, in_doubt);
  if (!stored || stored.state !== 'starting' || stored.attempts !== attempt.attempts) return stored;
  sending(stored);
  const sent: Waiting = { ...stored, in_doubt };
  countRetry(call, sent);
  const sentAt = databaseNow();
  // A slow database takes from the time for the answer: it ends before the lease does.
  const timeoutMs = Math.max(SECOND, answer_by_ms - sentAt);
  const outcome = runSession(nk, config, sessionRun(nk, config, sent, Date.now()), timeoutMs);
  if (outcome.kind === 'done') {
    noteStarted(nk);
    return running(call, sent, outcome.value);
  }
  logFailure(call, sent, outcome);
  const regions = regionsAfter(call, sent, outcome.failure, sentAt);
  const answeredAt = databaseNow();
  return save(call, sent, (fresh) => afterRun({ ...fresh, regions }, outcome, answeredAt, chance(call)));
}

/** Stores an allocation for the first time, with its players' rows; its first attempt, or that it looks for seats. */
export function storeFirst(call: Call, a: Waiting): Allocation | undefined {
  const { nk, config } = call;
  const store = (one: Waiting, most: MostSessions): ReturnType<typeof storeAllocation> =>
    storeAllocation(
      nk,
      {
        ...changeOf(one),
        fleet: config.fleet,
        create_timeout_ms: config.createTimeoutMs,
        guest_pool: guestPool(nk, config, one),
        user_ids: one.request.user_ids,
        most,
        most_starts: config.startsPerMinute ?? null,
      },
      lease(call),
    );
  const stored = store(a, a.attempts > 0 ? limitsOf(config) : NO_LIMIT);
  switch (stored.kind) {
    case 'stored':
      return asDecided(
        call,
        { ...asStored(tellRefused(call, a, stored.refused), stored.row), before: stored.before },
        stored.orders,
      );
    case 'exists':
      // The answer to an earlier try was lost.
      return known(call, a);
    case 'too-often':
      countRefused(call, a, a.request.user_ids.length);
      return fail({ ...a, attempts: 0, in_doubt: false }, 'quota_exceeded', databaseNow());
    default: {
      // Its players learn the reason from their rows as well, so it is stored without an attempt.
      const refused: Waiting = { ...a, attempts: 0, in_doubt: false };
      const again = store(refused, NO_LIMIT);
      if (again.kind !== 'stored') return refuse(call, refused);
      const left = tellRefused(call, refused, again.refused);
      return whenFull(call, { ...asStored(left, again.row), before: again.before });
    }
  }
}

/** As it was stored, while the orders of operators are those by which it was decided; else it is decided anew. */
function asDecided(call: Call, a: Waiting, orders: number): Allocation | undefined {
  if (orders === a.orders) return a;
  forgetOrders(call.nk);
  return save(call, { ...a, attempts: 0, in_doubt: false }, (fresh) => undecided(call.config, fresh));
}

/** The allocation that an earlier try stored; who was left out then hears of it now. */
function known(call: Call, a: Waiting): Allocation | undefined {
  const stored = reread(call, a);
  const { user_ids } = a.request;
  const stays = stored?.request.user_ids ?? user_ids;
  const refused = user_ids.filter((id) => !stays.includes(id));
  tellRefused(call, a, refused);
  return stored;
}

/** How many sessions may run at once. */
export function limitsOf({ maxSessions, mostOfMode }: Config): MostSessions {
  return { of_fleet: maxSessions ?? null, of_mode: mostOfMode ?? null };
}

/** `in_doubt`: an earlier attempt may run, so one that ends here instead has its id stopped. */
function storeAttempt(call: Call, attempt: Waiting, in_doubt: boolean): Allocation | undefined {
  return untilStored(call, attempt, (current): Allocation | undefined => {
    const before: Waiting = { ...current, attempts: current.attempts - 1, in_doubt };
    if (current.cancelled) return cancel(before, databaseNow());
    // One that has sent an attempt counts already.
    const most = before.attempts > 0 ? NO_LIMIT : limitsOf(call.config);
    const row = saveAttempt(call.nk, changeOf(current), current.version, lease(call), most, hasPlayers(current));
    if (row === 'full') return save(call, before, (fresh) => whenFull(call, fresh));
    if (row === 'nobody') return cancel(before, databaseNow());
    return row && asStored(current, row);
  });
}

/**
 * As many sessions run as may, and nothing was sent. Some of those may have ended unnoticed: it waits until they were looked
 * at, and then tries once more.
 */
function whenFull(call: Call, a: Waiting): Waiting | Ended {
  const now = databaseNow();
  return a.full_since_ms === undefined ? { ...a, full_since_ms: now, next_at_ms: now } : refuse(call, a);
}

/** While nobody could look, it does not wait longer than half of its time, nor than its lease. */
function waitsUntil(a: Waiting, since: number): number {
  return since + Math.min(MOST_FULL_MS, (a.deadline_ms - a.created_at_ms) / 2);
}

/** As many sessions run as may. */
function refuse(call: Call, a: Waiting): Ended {
  count(call.nk, 'gameye_refusals', { reason: 'max_sessions' });
  allocationLogger(call, a).warn(
    'Gameye: no session is started, because as many run or start already as may (GAMEYE_MAX_SESSIONS, or max_sessions of the mode).',
  );
  return fail(a, 'quota_exceeded', databaseNow());
}

/** Nothing was sent. Its players learn the reason from their rows as well, so it is stored, without an attempt. */
function refuseSpent(call: Call, a: Waiting): Allocation | undefined {
  const stored = a.version === 0 ? storeFirst(call, a) : a;
  if (!stored || (stored.state !== 'queued' && stored.state !== 'starting')) return stored;
  return save(call, stored, (fresh) => {
    count(call.nk, 'gameye_refusals', { reason: 'max_minutes' });
    allocationLogger(call, fresh).warn(
      'Gameye: no session is started, because the sessions of today have had GAMEYE_MAX_MINUTES_PER_DAY.',
    );
    return fail(fresh, 'quota_exceeded', databaseNow());
  });
}

export function lookUp(call: Call, a: Waiting): Allocation | undefined {
  const outcome = describeSession(call.nk, call.config, a.session_id, timeFor(a, CALL_TIMEOUT_MS, databaseNow()));
  const found = outcome.kind === 'done' ? finding(call.config, a, outcome.value) : undefined;
  if (outcome.kind === 'done' && found === 'adoptable') {
    count(call.nk, 'gameye_adoptions', { region: regionLabel(call.config, regionOf(a)) });
    allocationLogger(call, a).info('Gameye: adopted a session that an earlier request had started.');
    return running(call, a, { host: outcome.value.host, ports: outcome.value.ports });
  }
  if (outcome.kind !== 'done') logFailure(call, a, outcome);
  return save(call, a, (fresh) => afterLookUp(fresh, outcome, found, databaseNow(), chance(call)));
}

/** The session runs. Without the port that players need it is of no use, unless a second look finds one. */
function running(call: Call, a: Waiting, where: Where): Allocation | undefined {
  const { port } = call.config;
  if (choosePort(where.ports, port) !== undefined) return started(call, a, where);
  const exposed = Object.keys(where.ports).join(', ') || 'none';
  const message = `The session exposes these ports: ${exposed}; wanted: ${port ?? 'any'}.`;
  return save(call, a, (fresh) => afterPortMissing(fresh, message, databaseNow()));
}

export function giveUpId(call: Call, a: Waiting): Allocation | undefined {
  coolDown(call.nk, regionOf(a), a.last_failure);
  const outcome: Outcome<'stopped' | 'absent'> = stopSession(
    call.nk,
    call.config,
    a.session_id,
    timeFor(a, CALL_TIMEOUT_MS, databaseNow()),
  );
  return save(call, a, (fresh) => afterGiveUpId(fresh, outcome, databaseNow(), chance(call)));
}

/** The create timeout passed. */
export function giveUp(call: Call, a: Allocation): Allocation | undefined {
  return save(call, a, (fresh) => timeOut(fresh, databaseNow()));
}

/** Somebody asked to end it. */
export function endCancelled(call: Call, a: Allocation): Allocation | undefined {
  return save(call, a, (fresh) => cancel(fresh, databaseNow()));
}

export function chance(call: Call): Chance {
  return { newId: () => call.nk.uuidv4(), random: Math.random };
}
