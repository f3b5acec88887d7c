import { MINUTE, type Config } from '../config';
import { withSeats, type Instance } from '../instances/instance';

/** Why a session is stopped although nobody asked for it. */
export type RetireReason = 'empty' | 'no_show' | 'drained' | 'expired';

/** Gameye ends a session at its ttl, rounded up to a minute. Who lives longer was forgotten. */
const EXPIRY_MARGIN_MS = 2 * MINUTE;

/**
 * When an instance's session has to be stopped as things stand, and why; undefined while it is in use. Nobody is in it for
 * longer than the grace, it drains and nobody is in it, or its ttl is over. One that was started for nobody waits for its
 * first player until its ttl. Pure.
 */
export function retirement(
  config: Config,
  instance: Instance,
  now: number,
): { at_ms: number; reason: RetireReason } | undefined {
  const counted = withSeats(instance, now, (seats) => seats);
  const since = counted.empty_since_ms;
  if (counted.player_count <= 0 && instance.status === 'draining') return { at_ms: since ?? now, reason: 'drained' };
  const ends = instance.expires_at_ms;
  const expiry = ends === undefined ? undefined : { at_ms: ends + EXPIRY_MARGIN_MS, reason: 'expired' as const };
  if (since === undefined) return expiry;
  const idle = {
    at_ms: since + config.emptyGraceMs,
    reason: counted.visited ? ('empty' as const) : ('no_show' as const),
  };
  return expiry && expiry.at_ms < idle.at_ms ? expiry : idle;
}
