import { forgetSession } from '../allocation/departure';
import { SECOND } from '../config';
import { markLost, refreshInstances, type Refreshed } from '../database/instances';
import { describeSession } from '../gameye/session-api';
import { isSlow, unlessSilent } from '../gameye/silence';
import { isLive } from '../gameye/wire';
import { LOST, refreshedBy } from '../instances/instance';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import type { Instance } from '../records';
import { instanceOf } from './find';

/** Nakama cuts off an RPC's answer after 10 s (socket.write_timeout_ms): two calls have to fit. */
export const CALL_TIMEOUT_MS = 4 * SECOND;

/** Clients may ask every second where they stand: Gameye hears of that no more often than this, per session and node. */
const ASKED_SECONDS = 2;

/**
 * An instance as the Session API shows it now, with its record repaired. Undefined when the session ended, and when the API
 * does not know it: then its record stays, `lost`, until the reconciler is certain. When the API does not answer, as stored.
 */
export function refreshed(call: Call, stored: Instance): Instance | undefined {
  const { nk, config } = call;
  const outcome = unlessSilent(call, () => describeSession(nk, config, stored.id, CALL_TIMEOUT_MS));
  if (outcome?.kind === 'done') {
    if (isLive(outcome.value.status)) {
      const shown = refreshedBy(outcome.value);
      if (isAsShown(stored, shown)) return stored;
      refreshInstances(nk, config.fleet, [{ id: stored.id, ...shown }]);
      return instanceOf(call, stored.id);
    }
    forgetSession(call, stored.id, 'gone');
    return undefined;
  }
  if (outcome?.failure.kind === 'not-found') {
    markLost(nk, config.fleet, stored.id);
    return undefined;
  }
  if (outcome) {
    const { kind: failure, message } = outcome.failure;
    withFields(call.logger, { session: stored.id, failure, detail: message }).warn(
      'Gameye: an instance could not be refreshed; the stored one is used.',
    );
  }
  return stored;
}

/**
 * An instance to which a player can be sent: undefined when its session is over. The API is asked for it alone, because one
 * that has just died is in no list yet; but seldom, and not while the API is slow: then the record has to do.
 */
export function stillRunning(call: Call, stored: Instance): Instance | undefined {
  const { nk } = call;
  if (!isLive(stored.status)) return undefined;
  const asked = `gameye_asked_${stored.id}`;
  const isDue = nk.localcacheGet(asked) === undefined && !isSlow(nk);
  if (isDue) nk.localcachePut(asked, 'yes', ASKED_SECONDS);
  const now = isDue ? refreshed(call, stored) : stored;
  return now?.status === LOST ? undefined : now;
}

/** One that drains stays so, whatever its container says. */
function isAsShown({ status, connection_info, ports }: Instance, shown: Refreshed): boolean {
  const { ip_address = connection_info.ip_address } = shown;
  return (
    (status === 'draining' || shown.status === '' || status === shown.status) &&
    ip_address === connection_info.ip_address &&
    JSON.stringify(shown.ports) === JSON.stringify(ports)
  );
}
