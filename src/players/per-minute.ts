import { MINUTE } from '../config';
import type { Call } from '../nakama/caller';
import { count } from '../nakama/metrics';
import { Code, rpcError } from '../refusal';

/* How often a player may ask for something within a minute, on each node. What starts sessions is counted in the database. */

/** Counts one; code 8 when the player has had as many. */
export function spend(call: Call, userId: string, what: string, most: number): void {
  refuseWhenSpent(call, userId, what, most);
  const { key, used } = spent(call, userId, what);
  call.nk.localcachePut(key, String(used + 1), MINUTE / 1000);
}

/** The same without counting: what costs something only when it was in vain is counted afterwards. */
export function refuseWhenSpent(call: Call, userId: string, what: string, most: number): void {
  if (spent(call, userId, what).used < most) return;
  count(call.nk, 'gameye_refusals', { reason: 'per_minute' });
  rpcError(Code.RESOURCE_EXHAUSTED, 'Too many requests of this kind in a short time. Try again in a minute.');
}

function spent({ nk }: Call, userId: string, what: string): { key: string; used: number } {
  const key = `gameye_spent_${what}_${userId}_${Math.floor(Date.now() / MINUTE)}`;
  return { key, used: Number(nk.localcacheGet(key) ?? 0) };
}

/** Ends the RPC of a player who has had as many sessions of their own as may (GAMEYE_SOLO_PER_MINUTE). */
export function refuseTooOften({ nk }: Call): never {
  count(nk, 'gameye_refusals', { reason: 'solo_per_minute' });
  return rpcError(Code.RESOURCE_EXHAUSTED, 'Too many sessions in a short time. Try again in a minute.');
}
