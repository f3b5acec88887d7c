import type { Config } from '../config';
import type { SessionRun } from '../gameye/session-api';
import type { SessionView } from '../gameye/wire';
import { isLive, choosePort } from '../gameye/wire';
import { sessionSeatSecret } from '../credentials/seat-token';
import { serverToken } from '../credentials/server-token';
import { askedFor, type Common, type Waiting } from './allocation';
import type { Finding } from './transitions';
import { ownerId } from '../database/control';
import { ENV_KEY, EXTERNAL_ID_KEY, labelsFrom, MODE_LABEL } from '../metadata';
import { configFor } from '../mode-config';
import type { Nakama } from '../nakama/runtime';
import type { AllocationRequest } from '../records';

/** The label that says which fleet a session belongs to. */
export const FLEET_LABEL = 'nakama_fleet';

/**
 * The label that says whose session it is: that of all nodes on one database. The name of a fleet does not tell, because two
 * deployments with one Gameye account may both be called `default`, and must not stop each other's sessions.
 */
export const OWNER_LABEL = 'nakama_owner';

/**
 * True for the labels of a session of this fleet. With the same name in another deployment it is somebody else's, unless it is
 * of an older version of this module, which named no owner.
 */
export function isOfOurFleet(nk: Nakama, config: Config, labels: { [label: string]: string }): boolean {
  const { [FLEET_LABEL]: fleet, [OWNER_LABEL]: owner = ownerId(nk) } = labels;
  return fleet === config.fleet && owner === ownerId(nk);
}

/** The request that starts an allocation's session: container environment and labels included. Holds secrets: never stored. */
export function sessionRun(nk: Nakama, config: Config, allocation: Common, now: number): SessionRun {
  const { metadata } = allocation.request;
  const userIds = askedFor(allocation);
  const sessionId = allocation.session_id;
  const env: { [key: string]: string } = { ...((metadata[ENV_KEY] as { [key: string]: string } | undefined) ?? {}) };
  if (userIds.length > 0) env['NAKAMA_MATCH_USER_IDS'] = userIds.join(',');
  env['SEAT_SECRET'] = sessionSeatSecret(nk, config.seatSecret, sessionId);
  if (config.nakamaUrl !== undefined) {
    env['NAKAMA_URL'] = config.nakamaUrl;
    env['NAKAMA_SERVER_TOKEN'] = serverToken(nk, config, sessionId, allocation.id, now);
  }
  const externalId = metadata[EXTERNAL_ID_KEY] ?? tracedBy(allocation);
  return {
    id: sessionId,
    location: regionOf(allocation),
    ...imageOf(config, allocation.request, regionOf(allocation)),
    ttl: config.ttl,
    ...(config.args ? { args: config.args } : {}),
    env,
    labels: { ...labelsFrom(metadata), ...labelsOf(nk, config) },
    ...(typeof externalId === 'string' ? { external_id: externalId } : {}),
  };
}

function labelsOf(nk: Nakama, { fleet, mode }: Config): { [label: string]: string } {
  return { [FLEET_LABEL]: fleet, [OWNER_LABEL]: ownerId(nk), ...(mode === '' ? {} : { [MODE_LABEL]: mode }) };
}

/** Whom a session can be found by at Gameye when the request does not say: its first player. */
function tracedBy({ request }: Common): string | undefined {
  const [first] = request.user_ids;
  return first === undefined ? undefined : `${request.solo ? 'solo' : 'match'}-${first}`;
}

/** What is started for a request, in a region. The configured version is one of the configured image. */
export function imageOf(base: Config, request: AllocationRequest, region = ''): { image: string; version?: string } {
  const config = configFor(base, request);
  const decided = request.versions?.[region];
  const { image = config.image, version = image === config.image ? config.version : undefined } = request;
  const own = decided ?? version;
  return { image, ...(own === undefined || own === '' ? {} : { version: own }) };
}

/** The region that is tried now. */
export function regionOf(allocation: Common): string {
  return allocation.regions[allocation.region_index] ?? '';
}

/**
 * What a session found under our id is to us. Its label tells the fleet; a session from a warm pool has no labels, and is
 * ours when an earlier request of ours may have started it.
 */
export function finding(config: Config, allocation: Waiting, session: SessionView): Finding {
  const fleet = session.labels[FLEET_LABEL];
  const ours = fleet === undefined ? allocation.in_doubt || allocation.attempts > 1 : fleet === config.fleet;
  if (!ours) return 'not-ours';
  if (!isLive(session.status)) return 'ended';
  if (session.host !== '' && choosePort(session.ports, config.port) !== undefined) return 'adoptable';
  return session.status === 'running' ? 'port-missing' : 'starting';
}
