import type { Config } from '../config';
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
  /** Lets this player in until `exp` (seconds since 1970). */
  seat_token: string;
  exp: number;
}

/** The connection of one player, with a seat token made now. */
export function connectionFor(
  call: { nk: Nakama; config: Config },
  instance: Instance,
  userId: string,
  now: number,
): Connection {
  const { nk, config } = call;
  const exp = Math.floor(now / 1000) + SEAT_TOKEN_SECONDS;
  const secret = sessionSeatSecret(nk, config.seatSecret, instance.id);
  return {
    host: instance.connection_info.dns_name || instance.connection_info.ip_address,
    port: instance.connection_info.port,
    session_id: instance.id,
    ...(Object.keys(instance.ports).length > 1 ? { ports: instance.ports } : {}),
    seat_token: seatToken(nk, secret, instance.id, userId, exp),
    exp,
  };
}
