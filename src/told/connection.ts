import { SECOND, type Config } from '../config';
import { databaseNow } from '../database/clock';
import type { Nakama } from '../nakama/runtime';
import type { Instance } from '../records';
import { relayToken } from '../credentials/relay-token';
import { SEAT_TOKEN_SECONDS, seatToken, sessionSeatSecret } from '../credentials/seat-token';

/** What a player needs to reach a session: the content of `gameye_match` without metadata. */
export interface Connection {
  host: string;
  port: number;
  session_id: string;
  /** Only when the session exposes several. */
  ports?: { [containerPort: string]: number };
  /** Lets this player in until `exp` (seconds since 1970). */
  seat_token: string;
  exp: number;
  /** The place is a spectator's. */
  spectator?: true;
  /** With GAMEYE_RELAY_URL: where a browser connects, and the token that lets it through to this session until `exp`. */
  relay_url?: string;
  relay_token?: string;
}

/**
 * Until when a token made now admits this player: no longer than the seat is theirs. After that others may have it, and the
 * player asks for a fresh token, which takes a seat again while there is one.
 */
function admittedUntil(instance: Instance, userId: string, now: number): number {
  const seat = Object.prototype.hasOwnProperty.call(instance.seats, userId) ? instance.seats[userId] : undefined;
  const longest = now + SEAT_TOKEN_SECONDS * SECOND;
  if (seat === undefined) return now;
  return seat.state === 'joined' ? longest : Math.min(longest, seat.until_ms);
}

/** The connection of one player, or of a spectator whose place is kept until then, with tokens made now. */
export function connectionFor(
  call: { nk: Nakama; config: Config },
  instance: Instance,
  userId: string,
  watchesUntilMs?: number,
): Connection {
  const { nk, config } = call;
  const exp = Math.floor((watchesUntilMs ?? admittedUntil(instance, userId, databaseNow())) / SECOND);
  const secret = sessionSeatSecret(nk, config.seatSecret, instance.id);
  const { ip_address, dns_name, port } = instance.connection_info;
  const host = dns_name || ip_address;
  const { relay } = config;
  return {
    host,
    port,
    session_id: instance.id,
    ...(Object.keys(instance.ports).length > 1 ? { ports: instance.ports } : {}),
    seat_token: seatToken(nk, secret, instance.id, userId, exp, watchesUntilMs === undefined ? 'seat' : 'watch'),
    exp,
    ...(watchesUntilMs === undefined ? {} : { spectator: true }),
    ...(relay === undefined
      ? {}
      : { relay_url: relay.url, relay_token: relayToken(nk, relay.secret, { sid: instance.id, host, port }, exp) }),
  };
}
