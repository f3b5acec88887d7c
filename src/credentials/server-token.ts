import { derivedId } from './derived-id';
import type { Context, Nakama } from '../nakama/runtime';
import { MINUTE, type Config } from '../config';

/** Session variables of a credential. Players may set them as well: they prove nothing by themselves. */
const SESSION_VAR = 'gameye_session_id';
export const ALLOCATION_VAR = 'gameye_allocation_id';

/**
 * A game server's right to speak about its own session: a Nakama token for a user that exists only as a number derived
 * from the session id. `vars` name the session, but players choose their own vars; the proof is `ctx.userId`, which
 * nobody can have without the seat secret.
 */
export function serverToken(nk: Nakama, config: Config, sessionId: string, allocationId: string, now: number): string {
  const exp = Math.floor((now + config.ttlMs + 5 * MINUTE) / 1000);
  const userId = serverUserId(nk, config.seatSecret, sessionId);
  return nk.authenticateTokenGenerate(userId, 'gameye-server', exp, {
    [SESSION_VAR]: sessionId,
    [ALLOCATION_VAR]: allocationId,
  }).token;
}

/**
 * The session that this caller is the game server of, or undefined for everybody else. One that was started with the seat
 * secret before this one still is.
 */
export function callingServer(ctx: Context, nk: Nakama, config: Config): string | undefined {
  const sessionId = ctx.vars?.[SESSION_VAR];
  if (!ctx.userId || !sessionId) return undefined;
  const { seatSecret, previousSeatSecret } = config;
  if (ctx.userId === serverUserId(nk, seatSecret, sessionId)) return sessionId;
  if (previousSeatSecret === undefined) return undefined;
  return ctx.userId === serverUserId(nk, previousSeatSecret, sessionId) ? sessionId : undefined;
}

function serverUserId(nk: Nakama, seatSecret: string, sessionId: string): string {
  return derivedId(nk, `gameye-server:${sessionId}`, seatSecret);
}
