import { SECOND } from '../config';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { adviceFor, type FailureKind } from './failure';
import { availableLocations } from './session-api';
import type { Location } from './wire';

/*
 * Where an image can run now, asked for once for all VMs of a node. Gameye's document asks not to cache the list because it
 * changes: we keep it for a minute.
 */

const FRESH_SECONDS = 60;
/** How long a list is better than none while another VM asks, or when the API does not answer. */
const USABLE_SECONDS = 600;
const AFTER_FAILURE_SECONDS = 5;
/** Nobody gives a token another scope every minute. */
const AFTER_FORBIDDEN_SECONDS = 3600;

/** `asking`: another VM does just now. */
export type Locations = { value: Location[] } | { refused: FailureKind | 'asking' };

/**
 * The list, from memory when it is fresh. At most one VM of the node asks at a time, and none for a while after a failure,
 * so that a Session API that hangs holds up one RPC and not all: the others get what was last known, if that is `usable`.
 */
export function askLocations(call: Call, image: string, timeoutMs: number, old?: 'usable'): Locations {
  const { nk, config } = call;
  const key = (what: string): string => `gameye_locations_${what}_${image}`;
  const read = (what: string): unknown => nk.localcacheGet(key(what));
  const fresh = read('fresh');
  if (typeof fresh === 'string') return { value: JSON.parse(fresh) as Location[] };
  const last = old ? read('last') : undefined;
  const instead = (refused: FailureKind | 'asking'): Locations =>
    typeof last === 'string' ? { value: JSON.parse(last) as Location[] } : { refused };
  const failed = read('failed');
  if (typeof failed === 'string') return instead(failed as FailureKind);
  if (read('asking') !== undefined) return instead('asking');

  nk.localcachePut(key('asking'), 'yes', Math.ceil(timeoutMs / SECOND));
  const outcome = availableLocations(nk, config, image, timeoutMs);
  if (outcome.kind === 'done') {
    const text = JSON.stringify(outcome.value);
    nk.localcachePut(key('last'), text, USABLE_SECONDS);
    nk.localcachePut(key('fresh'), text, FRESH_SECONDS);
    return { value: outcome.value };
  }
  const { failure } = outcome;
  const isForbidden = failure.kind === 'forbidden';
  nk.localcachePut(key('failed'), failure.kind, isForbidden ? AFTER_FORBIDDEN_SECONDS : AFTER_FAILURE_SECONDS);
  withFields(call.logger, {
    image,
    failure: failure.kind,
    status: failure.status,
    detail: failure.message,
    identifier: failure.identifier,
    advice: adviceFor(failure),
  }).warn('Gameye: the regions that can run an image are not known.');
  return instead(failure.kind);
}
