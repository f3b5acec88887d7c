import { fromRow } from '../allocation/allocation';
import { handOver } from '../allocation/create';
import { holder, lease } from '../allocation/ownership';
import { claimDue } from '../database/allocations';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';

/** Bounds of one pass; what is left over comes with the next, a second later. */
const MOST_RESUMED = 100;

/**
 * Starts a worker for every allocation whose own worker is gone: its node died, or it was never started. One statement takes
 * them, so of the supervisors of all nodes only one gets each. One whose worker cannot be started waits until this lease has
 * run out as well.
 */
export function resumeAllocations(call: Call): void {
  const rows = claimDue(call.nk, call.config.fleet, lease(call), MOST_RESUMED);
  for (const row of rows) {
    const logger = withFields(call.logger, { allocation: row.id, session: row.session_id, state: row.state });
    logger.warn('Gameye: an allocation without a worker is resumed.');
    try {
      handOver(call, fromRow(row), holder(call));
    } catch (error) {
      withFields(logger, { error: errorText(error) }).error('Gameye: no worker could be started; it is tried again.');
    }
  }
}
