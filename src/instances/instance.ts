import type { Config } from '../config';
import { choosePort, isLive, type Ports, type SessionView } from '../gameye/wire';
import { publicMetadata } from '../allocation/request';
import { join, leave, withoutExpired, type Seats } from './seats';

/**
 * What we know about one running session. The first six fields are `InstanceInfo` of nakama-common (runtime.go), with its
 * JSON names; the others are ours. Stored as it is.
 */
export interface Instance {
  id: string;
  connection_info: { ip_address: string; dns_name: string; port: number };
  /** RFC 3339, as Go writes a time. */
  create_time: string;
  /** Seats that are taken, or what the game server reported last plus the reservations it has not seen yet. */
  player_count: number;
  status: string;
  metadata: { [key: string]: unknown };
  region: string;
  image: string;
  version: string;
  max_players: number;
  open_seats: number;
  ports: Ports;
  seats: Seats;
  /** Players that the game server counted beyond the joined seats; below zero when it counted fewer. */
  unseated: number;
  /** Since when nobody is in it. Missing while somebody is, and when nobody was ever expected. */
  empty_since_ms?: number;
  /** With GAMEYE_BACKFILL: which requests may be seated here (pool.ts). */
  pool?: string;
  /** Somebody was in it at some time; missing while players are only expected. */
  visited?: true;
  /** When Gameye ends it at the latest: the end of its ttl. Missing for an adopted session, whose ttl nobody knows. */
  expires_at_ms?: number;
}

/** Our own status beside Gameye's: one request said that there is no such session. It takes no players until that is certain. */
export const LOST = 'lost';

/** The instance of a session that just started or was adopted. Undefined when it lacks the port that players need. */
export function newInstance(
  config: Config,
  session: {
    id: string;
    region: string;
    /** Unless they are the configured ones. */
    image?: string;
    version?: string;
    maxPlayers: number;
    metadata: { [key: string]: unknown };
    startedAtMs: number;
    /** Unless nobody knows it. */
    ttlMs?: number;
  },
  where: { host: string; ports: Ports },
  seats: Seats,
): Instance | undefined {
  const port = choosePort(where.ports, config.port);
  if (port === undefined) return undefined;
  const instance: Instance = {
    id: session.id,
    connection_info: connection(where.host, port),
    create_time: new Date(session.startedAtMs).toISOString(),
    player_count: 0,
    status: 'running',
    metadata: publicMetadata(session.metadata),
    region: session.region,
    image: session.image ?? config.image,
    version: session.version ?? config.version ?? '',
    max_players: session.maxPlayers,
    open_seats: 0,
    ports: where.ports,
    seats,
    unseated: 0,
    ...(session.ttlMs === undefined ? {} : { expires_at_ms: session.startedAtMs + session.ttlMs }),
  };
  return recount(instance, session.startedAtMs);
}

/**
 * An instance for a session that Gameye shows and we have no record of. Metadata comes back from the labels, as text;
 * players that Gameye knows have their seats; nobody knows how many more may come.
 */
export function instanceFromSession(config: Config, session: SessionView, now: number): Instance | undefined {
  const players = session.players ?? [];
  const seats: Seats = {};
  for (const userId of players) seats[userId] = { state: 'joined' };
  const metadata: { [key: string]: unknown } = { ...session.labels };
  delete metadata['nakama_fleet'];
  delete metadata['nakama_owner'];
  const instance = newInstance(
    config,
    {
      id: session.id,
      region: session.region,
      maxPlayers: Math.max(config.maxPlayers ?? 0, players.length),
      metadata,
      // The API's clock is not ours: nothing has begun later than now.
      startedAtMs: Math.min(session.createdAtMs ?? now, now),
    },
    { host: session.host, ports: session.ports },
    seats,
  );
  if (!instance) return undefined;
  const empty = players.length === 0 ? { empty_since_ms: now } : {};
  return { ...instance, ...empty, image: session.image, status: session.status, version: session.version ?? '' };
}

/**
 * The instance as the Session API shows its session now (status, address) and without the reservations that ran out. The
 * object itself when nothing changed.
 */
export function refreshed(
  config: Config,
  instance: Instance,
  session: Pick<SessionView, 'host' | 'ports' | 'status'>,
  now: number,
): Instance {
  const port = choosePort(session.ports, config.port) ?? instance.connection_info.port;
  const host = session.host === '' ? instance.connection_info.ip_address : session.host;
  // A session that we drain stays so, whatever its container says.
  const status = instance.status === 'draining' || session.status === '' ? instance.status : session.status;
  const counted = withSeats(instance, now, (seats) => seats);
  const same =
    instance.status === status &&
    instance.connection_info.ip_address === host &&
    instance.connection_info.port === port &&
    instance.player_count === counted.player_count;
  return same ? instance : { ...counted, status, connection_info: connection(host, port) };
}

/** False for a session that ended, drains, or may be gone: nobody new is sent there. */
export function takesPlayers({ status }: Instance): boolean {
  return isLive(status) && status !== 'draining' && status !== LOST;
}

/** Recounts players and open seats after the seats changed. Once the last player has gone, it is empty since `now`. */
export function recount(instance: Instance, now: number): Instance {
  const { empty_since_ms = now, ...rest } = instance;
  const player_count = Object.keys(instance.seats).length + instance.unseated;
  const counted: Instance = { ...rest, player_count, open_seats: Math.max(0, instance.max_players - player_count) };
  if (!counted.visited && joinedCount(instance.seats) + Math.max(0, instance.unseated) > 0) counted.visited = true;
  const wasUsed = instance.player_count > 0 || instance.empty_since_ms !== undefined;
  return player_count <= 0 && wasUsed ? { ...counted, empty_since_ms } : counted;
}

/** The instance with other seats, without those that ran out, and recounted. */
export function withSeats(instance: Instance, now: number, change: (seats: Seats) => Seats): Instance {
  const kept = recount({ ...instance, seats: withoutExpired(instance.seats, now) }, lastExpiry(instance.seats, now));
  const seats = change(kept.seats);
  return seats === kept.seats ? kept : recount({ ...kept, seats }, now);
}

/** When the last of the reservations that ran out did so; now, when none did. */
function lastExpiry(seats: Seats, now: number): number {
  const expired = Object.keys(seats).flatMap((userId) => {
    const seat = seats[userId];
    return seat?.state === 'reserved' && seat.until_ms <= now ? [seat.until_ms] : [];
  });
  return expired.length === 0 ? now : Math.max(...expired);
}

/** The players are in the game. Those that the server had counted without a seat have one now. */
export function withJoined(instance: Instance, userIds: string[], now: number): Instance {
  const before = joinedCount(instance.seats);
  const after = withSeats(instance, now, (seats) => join(seats, userIds));
  const unseated =
    after.unseated > 0 ? Math.max(0, after.unseated - (joinedCount(after.seats) - before)) : after.unseated;
  return recount({ ...after, unseated }, now);
}

/** The players left. Those that the server had already ceased to count are not taken off twice. */
export function withLeft(instance: Instance, userIds: string[], now: number): Instance {
  const before = joinedCount(instance.seats);
  const after = withSeats(instance, now, (seats) => leave(seats, userIds));
  const unseated =
    after.unseated < 0 ? Math.min(0, after.unseated + (before - joinedCount(after.seats))) : after.unseated;
  return recount({ ...after, unseated }, now);
}

/** The game server counted its players: that outranks our guesses. Reservations come on top until they run out. */
export function withReportedCount(instance: Instance, playerCount: number, now: number): Instance {
  const seats = withoutExpired(instance.seats, now);
  return recount({ ...instance, seats, unseated: playerCount - joinedCount(seats) }, now);
}

function joinedCount(seats: Seats): number {
  return Object.keys(seats).filter((userId) => seats[userId]?.state === 'joined').length;
}

function connection(host: string, port: number): Instance['connection_info'] {
  const isAddress = /^[\d.]+$/.test(host) || host.includes(':');
  return { ip_address: host, dns_name: isAddress ? '' : host, port };
}
