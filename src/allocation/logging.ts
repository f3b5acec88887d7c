import { databaseNow } from '../database/clock';
import { adviceFor, type Outcome } from '../gameye/failure';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import type { Common } from './allocation';
import { regionOf } from './launch';

/** A logger that says which allocation it is about, and how far that is. */
export function allocationLogger(call: Call, a: Common & { reason?: string }): Call['logger'] {
  return withFields(call.logger, {
    allocation: a.id,
    session: a.session_id,
    region: regionOf(a),
    attempts: a.attempts,
    took_ms: databaseNow() - a.created_at_ms,
    reason: a.reason,
    failure: a.last_failure?.kind,
  });
}

export function logFailure(call: Call, a: Common, outcome: Exclude<Outcome<unknown>, { kind: 'done' }>): void {
  const { failure } = outcome;
  withFields(allocationLogger(call, a), {
    failure: failure.kind,
    operation: failure.operation,
    status: failure.status,
    detail: failure.message,
    identifier: failure.identifier,
    certainty: outcome.kind,
    advice: adviceFor(failure),
  }).warn('Gameye: a request failed.');
}
