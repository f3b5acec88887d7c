import { fromRow } from '../allocation/allocation';
import { handOver } from '../allocation/create';
import { holder, LEASE_MS } from '../allocation/ownership';
import { claimDue } from '../database/allocations';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';

/** Bounds of one pass; what is left over comes with the next. */
const MOST_RESUMED = 100;

/**
 * Starts a worker for every allocation whose own worker is gone: its node died, or it was never started. One statement takes
 * them, so of the supervisors of all nodes only one gets each. One whose worker cannot be started waits for its next lease.
 */
export function resumeAllocations(call: Call): void {
  const rows = claimDue(call.nk, call.config.fleet, { holder: holder(call), ms: LEASE_MS }, MOST_RESUMED);
  for (const row of rows) {
    withFields(call.logger, { allocation: row.id, session: row.session_id, state: row.state }).warn(
      'Gameye: an allocation without a worker is resumed.',
    );
    handOver(call, fromRow(row), holder(call));
  }
}
