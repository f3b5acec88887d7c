import { SECOND } from '../config';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import type { Nakama } from '../nakama/runtime';
import { assign } from '../players/assignment';
import { nextStep, type Allocation } from '../allocation/allocation';
import { store, type Hold } from '../allocation/ownership';
import { instanceOf } from '../allocation/launch';
import { work } from '../allocation/steps';

/**
 * The worker of this platform: a short-lived authoritative match has a goroutine and a VM of its own, so its loop may block
 * on the network without holding up anybody (match_handler.go). No player ever joins it.
 */
export const ALLOCATOR = 'gameye_allocator';

/** What an allocator keeps between ticks: plain JSON, because Nakama exports it after every callback. */
export interface AllocatorState {
  allocation: string;
  version: string;
  /** Nothing to do before this. */
  wake_at_ms: number;
  /** `yes` for a worker that takes over: it has to get the lease before it does anything. */
  claim?: string;
  /** The server shuts down (matchTerminate). */
  ending?: boolean;
}

/**
 * Starts an allocator match; version `*` when the allocation is not stored yet, `claim` when another worker may have it.
 * Takes about a millisecond.
 */
export function startAllocator(nk: Nakama, allocation: Allocation, version: string, claim?: 'claim'): void {
  const params = { allocation: JSON.stringify(allocation), version };
  nk.matchCreate(ALLOCATOR, claim ? { ...params, claim: 'yes' } : params);
}

/**
 * The same, but false when this server shuts down and starts no matches any more: once the allocation is stored, any node's
 * supervisor takes it. Nakama tells that by its text only (match_registry.go). Other errors are thrown.
 */
export function tryAllocator(call: Call, allocation: Allocation, version: string): boolean {
  try {
    startAllocator(call.nk, allocation, version);
    return true;
  } catch (error) {
    if (!errorText(error).includes('shutdown in progress')) throw error;
    withFields(call.logger, { allocation: allocation.id }).warn(
      'Gameye: this server shuts down; the allocation is left to the other nodes.',
    );
    return false;
  }
}

/** One tick. Undefined: the allocation is finished, the match may end. Never throws. */
export function loopAllocator(call: Call, state: AllocatorState): AllocatorState | undefined {
  const now = Date.now();
  if (now < state.wake_at_ms) return state.ending && onlyCleansUp(state) ? undefined : state;
  const next = tick(call, state, now);
  return next && state.ending ? { ...next, ending: true } : next;
}

function tick(call: Call, state: AllocatorState, now: number): AllocatorState | undefined {
  let latest: Hold = { allocation: JSON.parse(state.allocation) as Allocation, version: state.version };
  try {
    if (state.claim === 'yes') {
      const claimed = store(call, latest, latest.allocation);
      if (!claimed) return undefined;
      latest = claimed;
      // Whoever told them may have died before their assignments said the same.
      if (claimed.allocation.told) assign(call.nk, call.logger, claimed.allocation, portOf(call, claimed.allocation));
    }
    const hold = work(call, latest, (moved) => (latest = moved));
    if (!hold) return undefined;
    const step = nextStep(hold.allocation, now);
    return keep(hold, step.do === 'wait' ? step.untilMs : now);
  } catch (error) {
    withFields(call.logger, { allocation: latest.allocation.id, error: errorText(error) }).error(
      'Gameye: an allocation step failed, probably because of the database. It is tried again.',
    );
    // A cancelled context means that the server stops this match: the next tick, if there is one, is its last chance.
    const next = keep(latest, Date.now() + SECOND);
    return latest.version === state.version && state.claim ? { ...next, claim: state.claim } : next;
  }
}

/** Nobody waits for it any more, and another node does the rest: no reason to hold up a shutdown. */
function onlyCleansUp(state: AllocatorState): boolean {
  const a = JSON.parse(state.allocation) as Allocation;
  return a.told && (a.state === 'failed' || a.state === 'cancelled' || a.state === 'announced');
}

function portOf(call: Call, a: Allocation): number | undefined {
  return instanceOf(call.config, a, Date.now())?.connection_info.port;
}

function keep(hold: Hold, wakeAtMs: number): AllocatorState {
  return { allocation: JSON.stringify(hold.allocation), version: hold.version, wake_at_ms: wakeAtMs };
}
