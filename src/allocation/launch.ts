import type { Nakama } from '../nakama/runtime';
import type { Config } from '../config';
import type { SessionRun } from '../gameye/session-api';
import type { SessionView } from '../gameye/wire';
import { isLive, choosePort } from '../gameye/wire';
import { newInstance, type Instance } from '../instances/instance';
import { earlyPool } from '../instances/pool';
import { seatDeadline, take } from '../instances/seats';
import { sessionSeatSecret } from '../credentials/seat-token';
import { serverToken } from '../credentials/server-token';
import type { Allocation } from './allocation';
import { OWNER_LABEL, ownerId } from './owner';
import type { Finding } from './transitions';
import { ENV_KEY, EXTERNAL_ID_KEY, labelsFrom, type AllocationRequest } from './request';

/** The label that says which fleet a session belongs to. */
export const FLEET_LABEL = 'nakama_fleet';

/** The request that starts an allocation's session: container environment and labels included. Holds secrets: never stored. */
export function sessionRun(nk: Nakama, config: Config, allocation: Allocation, now: number): SessionRun {
  const { metadata, user_ids: userIds } = allocation.request;
  const sessionId = allocation.session_id;
  const env: { [key: string]: string } = { ...((metadata[ENV_KEY] as { [key: string]: string } | undefined) ?? {}) };
  if (userIds.length > 0) env['NAKAMA_MATCH_USER_IDS'] = userIds.join(',');
  if (config.seatSecret !== undefined) env['SEAT_SECRET'] = sessionSeatSecret(nk, config.seatSecret, sessionId);
  if (config.nakamaUrl !== undefined) {
    env['NAKAMA_URL'] = config.nakamaUrl;
    const token = serverToken(nk, config, sessionId, allocation.id, now);
    if (token !== undefined) env['NAKAMA_SERVER_TOKEN'] = token;
  }
  const externalId = metadata[EXTERNAL_ID_KEY];
  return {
    id: sessionId,
    location: regionOf(allocation),
    ...imageOf(config, allocation.request),
    ttl: config.ttl,
    env,
    labels: { ...labelsFrom(metadata), [FLEET_LABEL]: config.fleet, [OWNER_LABEL]: ownerId(nk) },
    ...(typeof externalId === 'string' ? { external_id: externalId } : {}),
  };
}

/** The instance that a started allocation leads to; undefined when it lacks the port that players need. */
export function instanceOf(config: Config, a: Allocation, now: number): Instance | undefined {
  if (!a.started) return undefined;
  const session = {
    id: a.session_id,
    region: regionOf(a),
    version: '',
    ...imageOf(config, a.request),
    maxPlayers: a.request.max_players,
    metadata: a.request.metadata,
    startedAtMs: a.started.at_ms,
    ttlMs: config.ttlMs,
  };
  const seats = take({}, a.request.user_ids, seatDeadline(config, now));
  const instance = newInstance(config, session, a.started, seats);
  if (!a.backfill || !instance) return instance;
  return { ...instance, pool: a.told ? a.backfill.pool : earlyPool(a.backfill.pool) };
}

/** What is started for a request. The configured version is one of the configured image. */
export function imageOf(config: Config, request: AllocationRequest): { image: string; version?: string } {
  const { image = config.image, version = image === config.image ? config.version : undefined } = request;
  return { image, ...(version === undefined ? {} : { version }) };
}

/** The region that is tried now. */
export function regionOf(allocation: Allocation): string {
  return allocation.regions[allocation.region_index] ?? '';
}

/**
 * What a session found under our id is to us. Its label tells the fleet; a session from a warm pool has no labels, and is
 * ours when an earlier request of ours may have started it.
 */
export function finding(config: Config, allocation: Allocation, session: SessionView): Finding {
  const fleet = session.labels[FLEET_LABEL];
  const ours = fleet === undefined ? allocation.in_doubt || allocation.attempts > 1 : fleet === config.fleet;
  if (!ours) return 'not-ours';
  if (!isLive(session.status)) return 'ended';
  if (session.host !== '' && choosePort(session.ports, config.port) !== undefined) return 'adoptable';
  return session.status === 'running' ? 'port-missing' : 'starting';
}
