import { hasWarm } from '../allocation/warm';
import { MINUTE, SECOND } from '../config';
import { forgetOver } from '../database/allocations';
import { forgetChanges } from '../database/changes';
import { lapseSeats } from '../database/instances';
import { migrate } from '../database/schema';
import { cleanResults } from '../database/results';
import { forgetSeats } from '../database/seats';
import { forgetUsage } from '../database/usage';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { Code, isRpcError } from '../refusal';
import { ensureFollowUp } from '../supervision/follow-up';
import { showGauges } from '../supervision/gauges';
import { beatSupervisor, ensureReconciler } from '../supervision/heartbeat';
import { watchName } from '../supervision/namesake';
import { resumeAllocations } from '../supervision/resume';
import { findSilent, silenceLookMs } from '../supervision/silence';
import { keepWarm, showWarm } from '../supervision/warm';

/**
 * A worker as supervisor, what runs on its own on every node: a match that never ends and that nobody joins. It is started
 * with the node; when it is gone, whoever misses it starts another (heartbeat.ts).
 *
 * Its times are by this server's clock and only say how often it looks. What is due, the database decides.
 */
export interface SupervisorState {
  supervisor: true;
  /** Nothing to do before this. Missing at the first tick, like the others. */
  wake_at_ms?: number;
  /** When silent game servers are looked for. */
  silence_at_ms?: number;
  /** When rows that tell nobody anything any more are deleted. */
  forget_at_ms?: number;
  /** When the tables are created at the earliest, after a try in vain. */
  migrate_at_ms?: number;
}

/** After a pass that failed. */
const RETRY_MS = 5 * SECOND;
const FORGET_MS = 10 * SECOND;
/** Each deletes at most a thousand rows. */
const MOST_FORGOTTEN = 5;

/** One tick, once a second. Undefined: another match supervises this node. Never throws. */
export function loopSupervisor(call: Call, state: SupervisorState): SupervisorState | undefined {
  if (!beatSupervisor(call)) return undefined;
  ensureReconciler(call.nk);
  const now = Date.now();
  if (isAhead(state.wake_at_ms, now, RETRY_MS)) return state;
  try {
    lapseSeats(call.nk, call.config.fleet);
    resumeAllocations(call);
    const looked = lookForSilent(call, state, now);
    ensureFollowUp(call);
    const isRare = !isAhead(looked.forget_at_ms, now, FORGET_MS);
    // Without a warm buffer there may be sessions of one that was configured before.
    if (isRare || hasWarm(call.config)) keepWarm(call);
    if (!isRare) return looked;
    forget(call);
    showGauges(call);
    showWarm(call);
    watchName(call);
    return { ...looked, forget_at_ms: now + FORGET_MS };
  } catch (error) {
    withFields(call.logger, { error: errorText(error) }).error(
      'Gameye: a pass over the records failed, probably because of the database. It is tried again.',
    );
    const next = { ...state, wake_at_ms: now + RETRY_MS };
    const isUnusable = isRpcError(error) && error.code === Code.FAILED_PRECONDITION;
    if (!isUnusable || isAhead(state.migrate_at_ms, now, MINUTE)) return next;
    // Somebody may have granted the right meanwhile, or the database has come back empty.
    migrate(call.nk, call.logger);
    return { ...next, migrate_at_ms: now + MINUTE };
  }
}

function lookForSilent(call: Call, state: SupervisorState, now: number): SupervisorState {
  const everyMs = silenceLookMs(call);
  if (everyMs === undefined || isAhead(state.silence_at_ms, now, everyMs)) return state;
  findSilent(call);
  return { ...state, silence_at_ms: now + everyMs };
}

/** False as well for a time that can only be one of a clock that was put back. */
function isAhead(time: number | undefined, now: number, mostMs: number): boolean {
  return time !== undefined && time > now && time - now <= mostMs;
}

function forget({ nk, config }: Call): void {
  for (let i = 0; i < MOST_FORGOTTEN && forgetSeats(nk) > 0; i++);
  for (let i = 0; i < MOST_FORGOTTEN && forgetOver(nk, config.fleet) > 0; i++);
  for (let i = 0; i < MOST_FORGOTTEN && cleanResults(nk, config.fleet) > 0; i++);
  for (let i = 0; i < MOST_FORGOTTEN && forgetChanges(nk, config.fleet) > 0; i++);
  forgetUsage(nk, config.fleet);
}
