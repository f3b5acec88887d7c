import { fromRow, nextStep, type Allocation, type Step } from '../allocation/allocation';
import { finish, stopAbandoned, tellFailure } from '../allocation/ending';
import { holder, lease } from '../allocation/ownership';
import { handOver } from '../allocation/create';
import { announce, awaitServer, close } from '../allocation/started';
import { endCancelled, giveUp, giveUpId, lookUp, run } from '../allocation/starting';
import { seek } from '../backfill/seek';
import { welcome } from '../backfill/welcome';
import { SECOND } from '../config';
import { takeOver } from '../database/allocations';
import { databaseNow } from '../database/clock';
import { inMode, type Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { isLastTick } from '../nakama/worker-match';
import { ensureSupervisor } from '../supervision/heartbeat';

/*
 * A worker as allocator: it brings one allocation to its end. The matchmaker hook and RPCs hand theirs over, the supervisor
 * those whose worker is gone.
 */

/** What an allocator keeps between ticks: plain JSON, because Nakama exports it after every callback. */
export interface AllocatorState {
  allocation: string;
  /** Nothing to do before this, by the database's clock. */
  wake_at_ms: number;
  /** Who held a stored allocation that this worker has not taken over yet; missing once it has. */
  from?: string;
  /** The server shuts down (matchTerminate). */
  ending?: boolean;
}

/** Ticks in a second (functions.ts). */
const TICK_RATE = 60;

/** One tick. Undefined: the allocation is finished or handed on, the match may end. Never throws. */
export function loopAllocator(call: Call, state: AllocatorState, ticks = 0): AllocatorState | undefined {
  if ((ticks + 1) % TICK_RATE === 0 && isHandedOn(call, state, ticks)) return undefined;
  const now = databaseNow();
  if (now < state.wake_at_ms) return state.ending && onlyCleansUp(state) ? undefined : state;
  const next = tick(call, state);
  return next && state.ending ? { ...next, ending: true } : next;
}

/**
 * Once a second: looks whether the supervisor runs, and at the last tick before Nakama ends this match (match.max_empty_sec)
 * hands the allocation to a new worker.
 */
function isHandedOn(call: Call, state: AllocatorState, ticks: number): boolean {
  ensureSupervisor(call.nk);
  if (!isLastTick(call.nk, ticks, TICK_RATE)) return false;
  try {
    return handOver(call, JSON.parse(state.allocation) as Allocation, state.from ?? holder(call));
  } catch {
    // Once its lease has run out, a supervisor finds another worker.
    return false;
  }
}

function tick(base: Call, state: AllocatorState): AllocatorState | undefined {
  let latest = JSON.parse(state.allocation) as Allocation;
  const call = inMode(base, latest.request);
  let from = state.from;
  try {
    if (latest.version === 0) from = undefined;
    // The clock begins when it is about to be stored, so that the hook needs none.
    if (latest.created_at_ms === 0) latest = begun(call, latest);
    if (from !== undefined) {
      const row = takeOver(call.nk, latest.id, from, lease(call));
      if (!row) return undefined;
      // What its players gave up for it is not in the row of a request that was just stored.
      latest = { ...fromRow(row), before: latest.before };
      from = undefined;
    }
    const left = work(call, latest, (moved) => (latest = moved));
    return left && { allocation: JSON.stringify(left.allocation), wake_at_ms: left.untilMs };
  } catch (error) {
    withFields(call.logger, { allocation: latest.id, error: errorText(error) }).error(
      'Gameye: an allocation step failed, probably because of the database. It is tried again.',
    );
    // A cancelled context means that the server stops this match: the next tick, if there is one, is its last chance.
    const again = { allocation: JSON.stringify(latest), wake_at_ms: databaseNow() + SECOND };
    return from === undefined ? again : { ...again, from };
  }
}

function begun(call: Call, a: Allocation): Allocation {
  const created_at_ms = databaseNow();
  return { ...a, created_at_ms, deadline_ms: created_at_ms + call.config.createTimeoutMs };
}

/**
 * Does what an allocation needs now, step by step, until it has to wait; undefined when it is finished or somebody else's.
 * `moved` hears of every step, so that nothing is forgotten when a later one throws because the database fails.
 */
function work(
  call: Call,
  a: Allocation,
  moved: (a: Allocation) => void,
): { allocation: Allocation; untilMs: number } | undefined {
  let current: Allocation | undefined = a;
  while (current) {
    const step = nextStep(current, databaseNow());
    if (step.do === 'wait') return { allocation: current, untilMs: step.untilMs };
    current = perform(call, current, step, moved);
    if (current) moved(current);
  }
  return undefined;
}

function perform(
  call: Call,
  a: Allocation,
  step: Exclude<Step, { do: 'wait' }>,
  moved: (a: Allocation) => void,
): Allocation | undefined {
  if (step.do === 'time-out') return giveUp(call, a);
  if (step.do === 'cancel') return endCancelled(call, a);
  if (step.do === 'stop') return stopAbandoned(call, a, step.sessionId);
  if (step.do === 'finish') return finish(call, a);
  switch (a.state) {
    case 'queued':
    case 'starting':
      if (step.do === 'seek') return seek(call, a);
      if (step.do === 'look-up') return lookUp(call, a);
      return step.do === 'give-up-id' ? giveUpId(call, a) : run(call, a, moved);
    case 'seated':
      return step.do === 'close' ? finish(call, a) : welcome(call, a);
    case 'started':
      if (step.do === 'close') return close(call, a);
      return step.do === 'await-server' ? awaitServer(call, a) : announce(call, a);
    case 'failed':
    case 'cancelled':
      return tellFailure(call, a);
    case 'announced':
      return finish(call, a);
  }
}

/** Nobody waits for it any more, and another node does the rest: no reason to hold up a shutdown. */
function onlyCleansUp(state: AllocatorState): boolean {
  const a = JSON.parse(state.allocation) as Allocation;
  return a.state === 'announced' || ((a.state === 'failed' || a.state === 'cancelled') && a.told);
}
