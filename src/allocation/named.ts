import { readAllocation } from '../database/allocations';
import { ownerId } from '../database/control';
import { findInstance } from '../database/instances';
import type { Outcome } from '../gameye/failure';
import { describeSession } from '../gameye/session-api';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import type { Common } from './allocation';
import { FLEET_LABEL, OWNER_LABEL } from './launch';

/**
 * Why a session that the API named instead of ours must not be stopped (now): it is another allocation's or another
 * deployment's, as when a proxy mixes up its answers, or the API does not tell. Undefined: it was started for nobody.
 */
export function whyNotStop(
  call: Call,
  a: Common,
  sessionId: string,
  timeoutMs: number,
): Outcome<'not-ours'> | undefined {
  const { nk, config } = call;
  const isAnothers = sessionId !== a.id && readAllocation(nk, config.fleet, sessionId) !== undefined;
  if (isAnothers || findInstance(nk, config.fleet, sessionId)) return notOurs(call, sessionId);
  const outcome = describeSession(nk, config, sessionId, timeoutMs);
  if (outcome.kind !== 'done') return outcome.failure.kind === 'not-found' ? undefined : outcome;
  // A session from a warm pool has no labels.
  const { [FLEET_LABEL]: fleet = config.fleet, [OWNER_LABEL]: owner = ownerId(nk) } = outcome.value.labels;
  return fleet === config.fleet && owner === ownerId(nk) ? undefined : notOurs(call, sessionId);
}

function notOurs(call: Call, sessionId: string): Outcome<'not-ours'> {
  withFields(call.logger, { session: sessionId }).warn(
    'Gameye: the Session API named a session that belongs to somebody else; it is left alone.',
  );
  return { kind: 'done', value: 'not-ours' };
}
