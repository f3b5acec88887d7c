import { isOfOurFleet } from '../allocation/launch';
import type { StartingInstance } from '../allocation/pending';
import { SECOND } from '../config';
import { adoptInstance, markLost, refreshInstance, removeInstance, type Refreshed } from '../database/instances';
import { sessionApiError } from '../gameye/refusal';
import { describeSession } from '../gameye/session-api';
import { isLive, type SessionView } from '../gameye/wire';
import { adoptionOf, refreshedBy, STARTING } from '../instances/instance';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import type { Instance } from '../records';
import { Code, rpcError } from '../refusal';
import { find, instanceOf, notFound } from './find';

/** Nakama cuts off an RPC's answer after 10 s (socket.write_timeout_ms): two calls have to fit. */
export const CALL_TIMEOUT_MS = 4 * SECOND;

/**
 * One instance, compared with the Session API and repaired where it was out of date. Code 5 when the session ended or never
 * was, and when the API does not know it: then its record stays, `lost`, until the reconciler is certain. When the API does
 * not answer, the record as it is. Without an address while it starts.
 */
export function get(call: Call, id: string): Instance | StartingInstance {
  const { nk, config } = call;
  const stored = find(call, id);
  if (stored && 'failed' in stored) {
    return rpcError(Code.NOT_FOUND, `The session could not be started: ${stored.failed}.`);
  }
  if (stored && (stored.connection_info === null || stored.status === STARTING)) return withoutAddress(stored);
  const sessionId = stored?.id ?? id;
  const outcome = describeSession(nk, config, sessionId, CALL_TIMEOUT_MS);
  if (outcome.kind === 'done' && isLive(outcome.value.status)) {
    if (!stored) return adopt(call, outcome.value);
    const shown = refreshedBy(config, outcome.value);
    if (isAsShown(stored, shown)) return stored;
    refreshInstance(nk, config.fleet, sessionId, shown);
    return instanceOf(call, sessionId);
  }
  if (outcome.kind === 'done' || outcome.failure.kind === 'not-found') {
    if (stored && outcome.kind === 'done') removeInstance(nk, config.fleet, sessionId);
    else if (stored) markLost(nk, config.fleet, sessionId);
    return notFound(id);
  }
  if (!stored) return sessionApiError(outcome.failure);
  withFields(call.logger, { session: sessionId, failure: outcome.failure.kind, message: outcome.failure.message }).warn(
    'Gameye: an instance could not be refreshed; the stored one is used.',
  );
  return stored;
}

/** A session whose game server is not ready: nobody may be sent there. */
function withoutAddress(instance: Partial<Instance> | StartingInstance): StartingInstance {
  const { ports: _ports, seats: _seats, unseated: _unseated, ...rest } = instance as Instance;
  return { ...rest, connection_info: null };
}

/** One that drains stays so, whatever its container says. */
function isAsShown({ status, connection_info, ports }: Instance, shown: Refreshed): boolean {
  const { ip_address = connection_info.ip_address, port = connection_info.port } = shown;
  return (
    (status === 'draining' || shown.status === '' || status === shown.status) &&
    ip_address === connection_info.ip_address &&
    port === connection_info.port &&
    JSON.stringify(shown.ports ?? ports) === JSON.stringify(ports)
  );
}

/** Stores an instance for a running session of our fleet that has no record. */
function adopt(call: Call, session: SessionView): Instance {
  const { nk, config } = call;
  const adoption = isOfOurFleet(nk, config, session.labels) ? adoptionOf(config, session, Date.now()) : undefined;
  if (!adoption) return notFound(session.id);
  adoptInstance(nk, config.fleet, adoption.instance, adoption.user_ids, adoption.created_at_ms);
  return instanceOf(call, session.id);
}
