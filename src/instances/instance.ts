import { MINUTE, type Config } from '../config';
import type { NewInstance } from '../database/starting';
import type { Refreshed } from '../database/instances';
import { choosePort, type ListedSession, type SessionView } from '../gameye/wire';
import { MODE_LABEL, publicMetadata } from '../metadata';
import { modeConfig } from '../mode-config';
import type { Ports } from '../records';

/** Our own status beside Gameye's: the Session API said that there is no such session. Nobody is sent there until that is certain. */
export const LOST = 'lost';

/** Our own status of a session that runs, and whose players wait until its game server is ready. */
export const STARTING = 'starting';

/** How an address is shown: as Nakama's ConnectionInfo, a host name in `dns_name` as well. */
export function addressOf(host: string): { ip_address: string; dns_name: string } {
  const isAddress = /^[\d.]+$/.test(host) || host.includes(':');
  return { ip_address: host, dns_name: isAddress ? '' : host };
}

/** The instance of a session that just started; undefined when it lacks the port that players need. */
export function newInstance(
  config: Config,
  session: {
    id: string;
    region: string;
    image: string;
    version: string;
    mode: string;
    solo: boolean;
    max_players: number;
    metadata: { [key: string]: unknown };
    pool: string | null;
    warm: string | null;
    waits: boolean;
  },
  where: { host: string; ports: Ports },
): NewInstance | undefined {
  const port = choosePort(where.ports, config.port);
  if (port === undefined) return undefined;
  const { waits, metadata, ...rest } = session;
  return {
    ...rest,
    ...addressOf(where.host),
    status: waits ? STARTING : 'running',
    port,
    ports: where.ports,
    metadata: publicMetadata(metadata),
    ttl_ms: config.ttlMs,
  };
}

/** An instance for a session that Gameye shows and we have no record of, and its players. */
export interface Adoption {
  instance: Omit<NewInstance, 'pool' | 'ttl_ms' | 'solo' | 'warm'>;
  user_ids: string[];
  created_at_ms: number;
}

/**
 * What is stored of a session without a record. Metadata comes back from the labels, as text; players that Gameye knows have
 * their seats; nobody knows how many more may come. Undefined when it lacks the port that players need.
 */
export function adoptionOf(base: Config, session: SessionView, now: number): Adoption | undefined {
  const mode = session.labels[MODE_LABEL] ?? '';
  const config = modeConfig(base, mode);
  const port = choosePort(session.ports, config.port);
  if (port === undefined) return undefined;
  const { nakama_fleet: _fleet, nakama_owner: _owner, [MODE_LABEL]: _mode, ...metadata } = session.labels;
  const user_ids = session.players ?? [];
  return {
    instance: {
      id: session.id,
      status: session.status,
      region: session.region,
      image: session.image,
      version: session.version ?? '',
      mode,
      ...addressOf(session.host),
      port,
      ports: session.ports,
      max_players: Math.max(config.maxPlayers ?? 0, user_ids.length),
      metadata,
    },
    user_ids,
    created_at_ms: session.createdAtMs ?? now,
  };
}

/** What the Session API shows of a session, as it is taken over into its instance. An empty text is what it left out. */
export function refreshedBy({ status, host, ports }: Pick<ListedSession, 'host' | 'ports' | 'status'>): Refreshed {
  return { status, ...(host === '' ? {} : addressOf(host)), ports };
}

/** Until when a new seat is reserved, in milliseconds from now. Null where game servers have no way to report who arrives. */
export function seatMs(config: Config): number | null {
  return config.nakamaUrl === undefined ? null : config.seatTimeoutMs;
}

/** Nobody looks for a seat in a session that ends sooner than this, in milliseconds. */
export function leastLeftMs(config: Config): number {
  return Math.min(5 * MINUTE, config.ttlMs / 4);
}
