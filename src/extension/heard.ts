import { claimCallback, settleCallback, type DueCallback, type Heard } from '../database/results';
import { MINUTE, SECOND, type Config } from '../config';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import { ASYNC, getExtension, isPromise, type Extension, type ServerResult, type SessionEnd } from './extension';
import { leaderboards, writeScores } from './scores';

/*
 * Calling the module's `onResult` and `onEnded`. What is due stands in the database; each row is claimed before its call and
 * settled after it. Blocks for as long as the module's function takes.
 */

/** The network's ten seconds fit in, several times over. */
const LEASE_MS = MINUTE;
const MOST_CALLS = 5;
/** After the first call that threw; the pauses grow fourfold. */
const PAUSE_MS = 5 * SECOND;

/** What is heard in this VM: what its module wants to hear, and results when there is a leaderboard for them. */
export function heard(config: Config, { onResult, onEnded }: Extension = getExtension()): Heard {
  const hearsResults = onResult !== undefined || leaderboards(config).length > 0;
  return [...(hearsResults ? (['result'] as const) : []), ...(onEnded ? (['end'] as const) : [])];
}

/** Calls the next callback that is due. False: there is none. Throws when the database does not work. */
export function callNext(call: Call): boolean {
  const wanted = heard(call.config);
  const due = wanted.length > 0 ? claimCallback(call.nk, call.config.fleet, wanted, LEASE_MS) : undefined;
  if (!due) return false;
  const outcome = callOne(call, due);
  count(call.nk, 'gameye_callbacks', {
    callback: nameOf(due),
    outcome: typeof outcome === 'string' ? outcome : 'again',
  });
  settleCallback(call.nk, due, outcome);
  return true;
}

const nameOf = ({ kind }: DueCallback): string => (kind === 'result' ? 'onResult' : 'onEnded');

function callOne(call: Call, due: DueCallback): Parameters<typeof settleCallback>[2] {
  const logger = withFields(call.logger, { result: due.id, callback: nameOf(due), call: due.attempts });
  // Whoever called it so often died each time, or took longer than the lease.
  if (due.attempts > MOST_CALLS) {
    logger.error('Gameye: a callback was given up, because none of its calls came to an end.');
    return 'failed';
  }
  try {
    const answer = run(call, due);
    if (!isPromise(answer)) return 'done';
    withFields(logger, { problem: ASYNC }).error('Gameye: a callback may not be async.');
    return 'failed';
  } catch (error) {
    const failed = withFields(logger, { error: errorText(error) });
    if (due.attempts < MOST_CALLS) {
      failed.error('Gameye: a callback failed; it is called again.');
      return { again_ms: PAUSE_MS * 4 ** (due.attempts - 1) };
    }
    failed.error('Gameye: a callback failed and is given up.');
    return 'failed';
  }
}

function run(call: Call, due: DueCallback): unknown {
  const { ctx, logger, nk } = call;
  const { id, session_id, user_ids, instance } = due;
  if (due.kind === 'result') {
    const result: ServerResult = { id, session_id, round: due.round, result: due.document ?? {}, user_ids, instance };
    writeScores(call, due);
    return getExtension().onResult?.(ctx, logger, nk, result);
  }
  const end: SessionEnd = { id, session_id, reason: due.reason ?? 'gone', user_ids, instance, results: due.results };
  return getExtension().onEnded?.(ctx, logger, nk, end);
}
