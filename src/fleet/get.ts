import { isOfOurFleet } from '../allocation/launch';
import type { StartingInstance } from '../allocation/pending';
import { adoptInstance } from '../database/instances';
import { sessionApiError } from '../gameye/refusal';
import { describeSession } from '../gameye/session-api';
import { isLive, type SessionView } from '../gameye/wire';
import { adoptionOf, STARTING } from '../instances/instance';
import type { Call } from '../nakama/caller';
import type { Instance } from '../records';
import { Code, rpcError } from '../refusal';
import { find, instanceOf, notFound } from './find';
import { CALL_TIMEOUT_MS, refreshed } from './refresh';

/**
 * One instance, compared with the Session API and repaired where it was out of date. Code 5 when the session ended or never
 * was, and when the API does not know it: then its record stays, `lost`, until the reconciler is certain. When the API does
 * not answer, the record as it is. Without an address while it starts.
 */
export function get(call: Call, id: string): Instance | StartingInstance {
  const stored = find(call, id);
  if (!stored) return adopt(call, id);
  if ('failed' in stored) return rpcError(Code.NOT_FOUND, `The session could not be started: ${stored.failed}.`);
  if (stored.connection_info === null || stored.status === STARTING) return withoutAddress(stored);
  return refreshed(call, stored) ?? notFound(id);
}

/** A session whose game server is not ready: nobody may be sent there. */
function withoutAddress(instance: Partial<Instance> | StartingInstance): StartingInstance {
  const { ports: _ports, seats: _seats, unseated: _unseated, ...rest } = instance as Instance;
  return { ...rest, connection_info: null };
}

/** A session that has no record gets one when it runs and is of our fleet. */
function adopt(call: Call, id: string): Instance {
  const outcome = describeSession(call.nk, call.config, id, CALL_TIMEOUT_MS);
  if (outcome.kind === 'done' && isLive(outcome.value.status)) return adopted(call, outcome.value);
  const isGone = outcome.kind === 'done' || outcome.failure.kind === 'not-found';
  return isGone ? notFound(id) : sessionApiError(outcome.failure);
}

function adopted(call: Call, session: SessionView): Instance {
  const { nk, config } = call;
  const adoption = isOfOurFleet(nk, config, session.labels) ? adoptionOf(config, session, Date.now()) : undefined;
  if (!adoption) return notFound(session.id);
  adoptInstance(nk, config.fleet, adoption.instance, adoption.user_ids, adoption.created_at_ms);
  return instanceOf(call, session.id);
}
