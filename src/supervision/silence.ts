import { noteStopped } from '../allocation/departure';
import { SECOND } from '../config';
import { claimEnd, endSilent } from '../database/liveness';
import { leaveSeats } from '../database/seats';
import { stopSession } from '../gameye/session-api';
import { shortestSilence } from '../mode-config';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { notifyFailed } from '../told/notify';

/* Sessions whose game server hangs, and those whose game server said that they end but that could not be stopped then. */

const CALL_TIMEOUT_MS = 10 * SECOND;
/** Longer than one try. */
const AGAIN_MS = 20 * SECOND;
/** How often the records are looked through for silent game servers, at the most and at the least. */
const OFTEN_MS = SECOND;
const SELDOM_MS = 5 * SECOND;

/** How long to wait until silent game servers are looked for again; undefined: never. */
export function silenceLookMs({ config }: Call): number | undefined {
  const shortest = shortestSilence(config);
  return shortest && Math.max(OFTEN_MS, Math.min(shortest / 4, SELDOM_MS));
}

/** Decides the end of sessions whose game servers are silent. What follows waits for the network, so a worker does it. */
export function findSilent({ nk, config, logger }: Call): void {
  for (const { id, region } of endSilent(nk, config.fleet)) {
    withFields(logger, { session: id, region }).warn('Gameye: a game server is silent; its session is stopped.');
  }
}

/** Stops the next session whose end is decided; players whose game server hangs hear of it first. False: there is none. */
export function stopNext(call: Call): boolean {
  const { nk, config, logger } = call;
  const due = claimEnd(nk, config.fleet, AGAIN_MS);
  if (!due) return false;
  const { id, region, reason, user_ids } = due;
  if (reason === 'silent' && user_ids.length > 0) {
    notifyFailed(nk, logger, 'unavailable', user_ids, config.notify);
    // Last: after a crash before this they are told again.
    leaveSeats(nk, config.fleet, id, user_ids, 'unavailable');
  }
  const outcome = stopSession(nk, config, id, CALL_TIMEOUT_MS);
  if (outcome.kind === 'done') {
    noteStopped(call, id, region, reason);
  } else {
    const { kind: failure, message: detail } = outcome.failure;
    withFields(logger, { session: id, failure, detail }).warn(
      'Gameye: a session whose end is decided could not be stopped; it is tried again.',
    );
  }
  return true;
}
