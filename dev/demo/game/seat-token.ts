import { createHmac, timingSafeEqual } from 'node:crypto';

/** What a seat token must prove: this player, this session, not yet expired. */
export interface SeatExpectation {
  secret: string;
  sessionId: string;
  userId: string;
  nowMs: number;
}

/**
 * Checks the token that Nakama gave a player: `v1.<payload>.<HMAC-SHA256 of "v1.<payload>">`, base64url without padding,
 * payload `{t: "seat", sid, uid, exp}`. Answers why it is refused, or `undefined` when it is good.
 */
export function refuseSeat(token: string | undefined, expected: SeatExpectation): string | undefined {
  if (token === undefined || token === '') return 'a seat token is needed';
  const [version, body, signature, ...more] = token.split('.');
  if (version !== 'v1' || !body || !signature || more.length > 0) return 'not a seat token';
  if (!isSignedBy(expected.secret, `v1.${body}`, signature)) return 'the seat token has a wrong signature';
  const payload = readPayload(body);
  if (payload?.['t'] !== 'seat') return 'not a seat token';
  if (payload['sid'] !== expected.sessionId) return 'the seat token is for another session';
  if (payload['uid'] !== expected.userId) return 'the seat token is for another player';
  if (typeof payload['exp'] !== 'number' || payload['exp'] * 1000 <= expected.nowMs)
    return 'the seat token has expired';
  return undefined;
}

/** Makes a token as the module does; for tests, and for tools that want to get in. */
export function signSeat(secret: string, payload: { t: string; sid: string; uid: string; exp: number }): string {
  const signed = `v1.${Buffer.from(JSON.stringify(payload)).toString('base64url')}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

function isSignedBy(secret: string, signed: string, signature: string): boolean {
  const right = Buffer.from(createHmac('sha256', secret).update(signed).digest('base64url'));
  const given = Buffer.from(signature);
  return given.length === right.length && timingSafeEqual(given, right);
}

function readPayload(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // Signed by us and still unreadable cannot happen; treated like any bad token.
  }
}
