import type { Config } from '../config';
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
  /** With GAMEYE_RELAY_URL: where a browser connects, and the token that lets it through to this session until `exp`. */
  relay_url?: string;
  relay_token?: string;
}

/** The connection of one player, with tokens made now. */
export function connectionFor(
  call: { nk: Nakama; config: Config },
  instance: Instance,
  userId: string,
  now: number,
): Connection {
  const { nk, config } = call;
  const exp = Math.floor(now / 1000) + SEAT_TOKEN_SECONDS;
  const secret = sessionSeatSecret(nk, config.seatSecret, instance.id);
  const host = instance.connection_info.dns_name || instance.connection_info.ip_address;
  const { port } = instance.connection_info;
  const { relay } = config;
  return {
    host,
    port,
    session_id: instance.id,
    ...(Object.keys(instance.ports).length > 1 ? { ports: instance.ports } : {}),
    seat_token: seatToken(nk, secret, instance.id, userId, exp),
    exp,
    ...(relay === undefined
      ? {}
      : { relay_url: relay.url, relay_token: relayToken(nk, relay.secret, { sid: instance.id, host, port }, exp) }),
  };
}
