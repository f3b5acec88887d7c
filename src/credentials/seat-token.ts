import type { Nakama } from '../nakama/runtime';

/** How long a seat token admits its player, in seconds. */
export const SEAT_TOKEN_SECONDS = 120;

/** The secret of one session, which its game server gets as SEAT_SECRET: 64 hex digits that tell nothing about ours. */
export function sessionSeatSecret(nk: Nakama, seatSecret: string, sessionId: string): string {
  return nk.base16Encode(nk.hmacSha256Hash(`gameye-seat:${sessionId}`, seatSecret));
}

/**
 * A token with which one session's game server lets somebody in: payload `{t, sid, uid, exp}`, signed with the session's
 * secret. `seat`: as a player. `watch`: as a spectator, so that a game server that knows of none refuses it.
 */
export function seatToken(
  nk: Nakama,
  sessionSecret: string,
  sessionId: string,
  userId: string,
  exp: number,
  t: 'seat' | 'watch' = 'seat',
): string {
  return signedToken(nk, { t, sid: sessionId, uid: userId, exp }, sessionSecret);
}

/**
 * `v1.<payload>.<signature>`, base64url without padding: the payload as JSON (exp in seconds since 1970), HMAC-SHA256 over
 * `v1.<payload>`.
 */
export function signedToken(nk: Nakama, payload: object, secret: string): string {
  const signed = `v1.${nk.base64UrlEncode(JSON.stringify(payload), false)}`;
  return `${signed}.${nk.base64UrlEncode(nk.hmacSha256Hash(signed, secret), false)}`;
}
