import { newAllocation, refuseWhenFull, startAllocation } from '../allocation/create';
import { readStanding } from '../database/standing';
import { inMode, type Call } from '../nakama/caller';
import { count } from '../nakama/metrics';
import { Code, rpcError } from '../refusal';
import type { MatchContent } from '../told/content';
import { isWaiting, standingOf } from './standing';

/** What `gameye_solo_match` answers, as Gameye's reference game does. */
export type SoloMatch = { status: 'starting' } | { status: 'matched'; match: MatchContent };

const MOST_TRIES = 5;

/**
 * A session for one player, who need not wait for others; they can join it later. While one is on its way there is no second
 * one, also of two requests at once. A player who plays gives that up for it, or gets it as answer with `resume`. Only so many
 * may be asked for in a minute.
 */
export function startSolo(base: Call, userId: string, resume = false, mode = ''): SoloMatch {
  const call = inMode(base, { mode });
  const { config } = call;
  for (let i = 0; i < MOST_TRIES; i++) {
    const row = readStanding(call.nk, config.fleet, userId);
    if (isWaiting(row)) return { status: 'starting' };
    const current = resume ? standingOf(call, row, userId) : undefined;
    if (current?.state === 'ready') return { status: 'matched', match: current.match };
    const request = { user_ids: [userId], max_players: config.maxPlayers ?? 1, latencies: [], metadata: {}, mode };
    const allocation = newAllocation(call, { ...request, solo: true });
    // A player who looks for a seat in a running session may need none of their own.
    if (allocation.next !== 'seek') refuseWhenFull(call, mode);
    const alone = { most: config.soloPerMinute, unless: resume ? 'playing' : 'waiting' } as const;
    switch (startAllocation(call, allocation, { alone })) {
      case 'started':
        return { status: 'starting' };
      case 'too-often':
        count(call.nk, 'gameye_refusals', { reason: 'solo_per_minute' });
        return rpcError(Code.RESOURCE_EXHAUSTED, 'Too many sessions in a short time. Try again in a minute.');
      case 'busy':
      case 'exists':
      // Another request of the same player was faster: it is seen at the next look.
    }
  }
  return rpcError(Code.ABORTED, 'Your assignment keeps changing. Try again.');
}
