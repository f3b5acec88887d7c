import { newAllocation, refuseAtDoor, startAllocation } from '../allocation/create';
import { readStanding } from '../database/standing';
import { shapeRequest } from '../allocation/on-matched';
import { modeConfig } from '../mode-config';
import type { Call } from '../nakama/caller';
import type { AllocationRequest, Latency } from '../records';
import { Code, rpcError } from '../refusal';
import type { MatchContent } from '../told/content';
import { refuseTooOften } from './per-minute';
import { isWaiting, standingOf } from './standing';

/** What `gameye_solo_match` answers, as Gameye's reference game does. */
export type SoloMatch = { status: 'starting' } | { status: 'matched'; match: MatchContent };

const MOST_TRIES = 5;

/** What a player says about it. */
export interface SoloRequest {
  /** Answer the session that they have, when it runs. */
  resume: boolean;
  mode: string;
  latencies: Latency[];
}

/**
 * A session for one player, who need not wait for others; they can join it later. While one is on its way there is no second
 * one, also of two requests at once. A player who plays gives that up for it, or gets it as answer with `resume`. Only so many
 * may be asked for in a minute.
 */
export function startSolo(call: Call, userId: string, asked: Partial<SoloRequest> = {}): SoloMatch {
  const { config } = call;
  const { resume = false } = asked;
  const request = soloRequest(call, userId, asked);
  for (let i = 0; i < MOST_TRIES; i++) {
    const row = readStanding(call.nk, config.fleet, userId);
    if (isWaiting(row)) return { status: 'starting' };
    const current = resume ? standingOf(call, row, userId) : undefined;
    if (current?.state === 'ready') return { status: 'matched', match: current.match };
    const allocation = newAllocation(call, request);
    refuseAtDoor(call, allocation);
    const alone = { most: config.soloPerMinute, unless: resume ? 'playing' : 'waiting' } as const;
    switch (startAllocation(call, allocation, { alone })) {
      case 'started':
        return { status: 'starting' };
      case 'too-often':
        return refuseTooOften(call);
      case 'busy':
      case 'exists':
      // Another request of the same player was faster: it is seen at the next look.
    }
  }
  return rpcError(Code.ABORTED, 'Your assignment keeps changing. Try again.');
}

/** What is asked for: the module's `onMatched` shapes it like the match of a single ticket. */
function soloRequest(
  call: Call,
  userId: string,
  { mode = '', latencies = [] }: Partial<SoloRequest>,
): AllocationRequest {
  const { modeProperty, pingPrefix } = call.config;
  const measured = latencies.map(({ region, ms }) => [`${pingPrefix}${region}`, ms]);
  const properties = { ...Object.fromEntries(measured), ...(mode === '' ? {} : { [modeProperty]: mode }) };
  const presence = { userId, sessionId: '', username: '', node: call.ctx.node };
  // Declared as strings, because a ticket's are; numeric ones are numbers there as well.
  const entries = [{ presence, properties: properties as { [key: string]: string } }];
  const { maxPlayers = 1 } = modeConfig(call.config, mode);
  const asked = {
    user_ids: [userId],
    max_players: maxPlayers,
    latencies,
    metadata: {},
    ...(mode === '' ? {} : { mode }),
  };
  const request = shapeRequest(call, entries, asked);
  if (!request) return rpcError(Code.FAILED_PRECONDITION, 'This game starts no session for one player here.');
  if ('failed' in request) return rpcError(Code.FAILED_PRECONDITION, 'No session could be started. The log says why.');
  return { ...request, solo: true };
}
