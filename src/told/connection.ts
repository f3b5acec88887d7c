import { SECOND, type Config } from '../config';
import type { Nakama } from '../nakama/runtime';
import type { Instance } from '../records';
import { SEAT_TOKEN_SECONDS, seatToken, sessionSeatSecret } from '../credentials/seat-token';

/** What a player needs to reach a session: the content of `gameye_match` without metadata. */
export interface Connection {
  host: string;
  port: number;
  session_id: string;
  /** Only when the session exposes several. */
  ports?: { [containerPort: string]: number };
  /** With GAMEYE_SEAT_SECRET: lets this player in until `exp` (seconds since 1970). */
  seat_token?: string;
  exp?: number;
}

/**
 * Until when a seat token made now admits this player: no longer than the seat is theirs. After that others may have it, and
 * the player asks for a fresh token, which takes a seat again while there is one.
 */
function admittedUntil(instance: Instance, userId: string, now: number): number {
  const seat = Object.prototype.hasOwnProperty.call(instance.seats, userId) ? instance.seats[userId] : undefined;
  const longest = now + SEAT_TOKEN_SECONDS * SECOND;
  if (seat === undefined) return now;
  return seat.state === 'joined' ? longest : Math.min(longest, seat.until_ms);
}

/** The connection of one player, with a seat token made now, by the database's clock. */
export function connectionFor(
  call: { nk: Nakama; config: Config },
  instance: Instance,
  userId: string,
  now: number,
): Connection {
  const { nk, config } = call;
  const connection: Connection = {
    host: instance.connection_info.dns_name || instance.connection_info.ip_address,
    port: instance.connection_info.port,
    session_id: instance.id,
    ...(Object.keys(instance.ports).length > 1 ? { ports: instance.ports } : {}),
  };
  if (config.seatSecret === undefined) return connection;
  const secret = sessionSeatSecret(nk, config.seatSecret, instance.id);
  const exp = Math.floor(admittedUntil(instance, userId, now) / 1000);
  return { ...connection, seat_token: seatToken(nk, secret, instance.id, userId, exp), exp };
}
