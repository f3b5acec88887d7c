import { forgetOver } from '../database/allocations';
import { databaseNow } from '../database/clock';
import { lapseSeats } from '../database/instances';
import { migrate } from '../database/schema';
import { forgetSeats } from '../database/seats';
import { MINUTE, SECOND } from '../config';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { Code, isRpcError } from '../refusal';
import { beatSupervisor, ensureReconciler } from '../supervision/heartbeat';
import { resumeAllocations } from '../supervision/resume';

/**
 * What runs on its own, on every node: a match that never ends and that nobody joins. It is started with the node; when it
 * is gone (match.max_empty_sec, an operator), whoever misses its heartbeat starts another.
 */
export interface SupervisorState {
  supervisor: true;
  /** When allocations that nobody works on are looked for. Missing at the first tick, like the next one. */
  resume_at_ms?: number;
  /** When rows that tell nobody anything any more are deleted. */
  forget_at_ms?: number;
}

const RESUME_MS = 5 * SECOND;
const FORGET_MS = MINUTE;

/** One tick, once a second. Undefined: another match supervises this node. Never throws. */
export function loopSupervisor(call: Call, state: SupervisorState): SupervisorState | undefined {
  const { nk } = call;
  if (!beatSupervisor(call)) return undefined;
  ensureReconciler(nk);
  const now = databaseNow();
  try {
    lapseSeats(nk);
    const resumes = now >= (state.resume_at_ms ?? 0);
    if (resumes) resumeAllocations(call);
    const forgets = now >= (state.forget_at_ms ?? 0);
    if (forgets) {
      forgetSeats(nk);
      forgetOver(nk);
    }
    return {
      supervisor: true,
      resume_at_ms: resumes ? databaseNow() + RESUME_MS : (state.resume_at_ms ?? 0),
      forget_at_ms: forgets ? databaseNow() + FORGET_MS : (state.forget_at_ms ?? 0),
    };
  } catch (error) {
    withFields(call.logger, { error: errorText(error) }).error(
      'Gameye: a pass over the records failed, probably because of the database. It is tried again.',
    );
    // Somebody may have granted the right meanwhile.
    if (isRpcError(error) && error.code === Code.FAILED_PRECONDITION) migrate(nk, call.logger);
    return { ...state, resume_at_ms: now + RESUME_MS };
  }
}
