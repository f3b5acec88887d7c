import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Config } from './config.ts';
import { ApiError, Code } from './failure.ts';

/** Who a session token speaks for. */
export interface Session {
  userId: string;
  username: string;
  vars: Record<string, string>;
  /** Unix seconds. */
  expiresAt: number;
  tokenId: string;
}

interface Claims {
  tid?: string;
  uid: string;
  usn: string;
  vrs?: Record<string, string>;
  exp: number;
  iat?: number;
}

const HEADER = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url');

/** A JWT signed with HS256. */
export function signJwt(claims: object, key: string): string {
  const signed = `${HEADER}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

/** The claims of a token with a valid signature that has not expired, else null. */
export function verifyJwt(token: string, key: string): Record<string, unknown> | null {
  const [header, payload, signature, ...rest] = token.split('.');
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) return null;
  const expected = createHmac('sha256', key).update(`${header}.${payload}`).digest();
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
  try {
    if ((JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg?: string }).alg !== 'HS256') return null;
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    return typeof claims.exp === 'number' && claims.exp > Date.now() / 1000 ? claims : null;
  } catch {
    return null;
  }
}

/** Issues, checks and revokes session tokens. Revocations are known to this process only. */
export class Tokens {
  private readonly revoked = new Set<string>();

  constructor(private readonly config: Config) {}

  /** @param exp unix seconds; the default is the session expiry setting from now. */
  issue(
    userId: string,
    username: string,
    vars: Record<string, string> | null,
    exp?: number | null,
  ): { token: string; exp: number } {
    const until = exp ?? this.now() + this.config.tokenExpirySec;
    return {
      token: signJwt(this.claims(randomUUID(), userId, username, vars, until), this.config.encryptionKey),
      exp: until,
    };
  }

  /** A session token and the token that renews it. */
  issueSession(
    userId: string,
    username: string,
    vars: Record<string, string> | null,
    tokenId: string = randomUUID(),
  ): { token: string; refresh_token: string } {
    const claims = (seconds: number): Claims => this.claims(tokenId, userId, username, vars, this.now() + seconds);
    return {
      token: signJwt(claims(this.config.tokenExpirySec), this.config.encryptionKey),
      refresh_token: signJwt(claims(this.config.refreshTokenExpirySec), this.config.refreshEncryptionKey),
    };
  }

  /** The session of a token, or null when it is invalid, expired or logged out. */
  session(token: string): Session | null {
    return this.check(token, this.config.encryptionKey);
  }

  /** @throws ApiError when the refresh token is not valid any more. */
  refresh(token: string, vars: Record<string, string> | null): { token: string; refresh_token: string } {
    if (token === '') throw new ApiError(Code.InvalidArgument, 'Refresh token is required.');
    const session = this.check(token, this.config.refreshEncryptionKey);
    if (session === null) throw new ApiError(Code.Unauthenticated, 'Refresh token invalid or expired.');
    return this.issueSession(session.userId, session.username, vars ?? session.vars, session.tokenId);
  }

  revoke(token: string): void {
    if (token !== '') this.revoked.add(token);
  }

  private check(token: string, key: string): Session | null {
    const claims = this.revoked.has(token) ? null : (verifyJwt(token, key) as Claims | null);
    if (claims === null || typeof claims.uid !== 'string') return null;
    const { exp, tid = '', uid, usn, vrs = {} } = claims;
    return { userId: uid, username: usn, vars: vrs, expiresAt: exp, tokenId: tid };
  }

  private claims(tid: string, uid: string, usn: string, vrs: Record<string, string> | null, exp: number): Claims {
    const vars = vrs === null || Object.keys(vrs).length === 0 ? {} : { vrs };
    return { tid, uid, usn, ...vars, exp, iat: this.now() };
  }

  private now(): number {
    return Math.floor(Date.now() / 1000);
  }
}
