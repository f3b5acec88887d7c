import { databaseNow } from '../database/clock';
import type { Call } from '../nakama/caller';
import { attemptLabel, count, regionLabel, time } from '../nakama/metrics';
import type { FailureReason } from '../records';
import type { Common } from './allocation';
import { regionOf } from './launch';

/** Counts how an allocation ended for those who wait for it, and how long they waited. */
export function countEnd(
  call: Call,
  a: Common & { reason?: FailureReason },
  outcome: 'started' | 'joined' | 'failed' | 'cancelled',
  region = regionOf(a),
): void {
  const labels = { outcome, region: regionLabel(call.config, region), attempt: attemptLabel(a.attempts) };
  const reason = outcome === 'started' || outcome === 'joined' ? 'none' : (a.reason ?? 'error');
  count(call.nk, 'gameye_allocations', { ...labels, reason });
  time(call.nk, 'gameye_start', labels, databaseNow() - a.created_at_ms);
}

/** Counts a POST that is not the first one, by what the last one failed with. */
export function countRetry(call: Call, a: Common): void {
  if (a.attempts < 2) return;
  const cause = a.last_failure?.kind ?? 'crash';
  count(call.nk, 'gameye_retries', { cause, region: regionLabel(call.config, regionOf(a)) });
}
