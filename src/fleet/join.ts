import { tellDeparture } from '../allocation/departure';
import { forgetOlderMatches } from '../database/notifications';
import { leaveSeats } from '../database/seats';
import { seatMs } from '../instances/instance';
import type { Call } from '../nakama/caller';
import type { Instance, SeatRef } from '../records';
import { isRpcError } from '../refusal';
import { matchContent, type MatchContent } from '../told/content';
import { notifyMatch } from '../told/notify';
import { instanceOf } from './find';
import { seat, type Seated } from './seats';

/** What `gameye_match` tells one player, whose name stands beside it. */
export type PlayerMatch = MatchContent & { user_id: string };

/** Players who have seats, and how each of them reaches the session: whoever gets this can pass it on. */
export interface Joined {
  instance_info: Instance;
  /** JoinInfo's SessionInfo in nakama-common. */
  session_info: SeatRef[];
  matches: PlayerMatch[];
}

export interface JoinOptions {
  /** As many as fit, in the order given. */
  partial?: boolean;
  /** False: the players hear of it from the caller only. */
  notify?: boolean;
}

/** Seats players in a session as a match would: the seat, what `gameye_match` carries, and the notification. */
export function join(call: Call, id: string, userIds: string[], options: JoinOptions = {}): Joined {
  return welcomed(call, seat(call, id, userIds, { partial: options.partial ?? false }), options);
}

/**
 * Tells players where they have seats. Who needs more than can be made for them, because the module's `extras` fail, gets no
 * seat: with `partial` the others go on, else nobody does, and code 14 says why. A repetition tells them once more, with
 * fresh tokens: the first call may have died before it told anybody. Who has arrived, as the game server says, is not told.
 */
export function welcomed(call: Call, seated: Seated, { partial = false, notify = true }: JoinOptions): Joined {
  const { instance, added } = seated;
  const matches: PlayerMatch[] = [];
  let refusal: unknown;
  for (const user_id of seated.userIds) {
    try {
      matches.push({ ...matchContent(call, instance, user_id), user_id });
    } catch (error) {
      if (!isRpcError(error)) throw error;
      refusal = error;
    }
  }
  const isRefused = refusal !== undefined && (!partial || matches.length === 0);
  const able = isRefused ? [] : matches.map(({ user_id }) => user_id);
  const left = added.filter((id) => !able.includes(id));
  if (left.length > 0) tellDeparture(call, instance.id, leaveSeats(call.nk, call.config.fleet, instance.id, left));
  if (isRefused) throw refusal;
  const isAway = (id: string): boolean =>
    added.includes(id) || seatMs(call.config) === null || instance.seats[id]?.state !== 'joined';
  if (notify)
    tell(
      call,
      instance,
      matches.filter(({ user_id }) => isAway(user_id)),
    );
  return {
    instance_info: left.length > 0 ? instanceOf(call, instance.id) : instance,
    session_info: able.map((user_id) => ({ user_id, session_id: instance.id })),
    matches,
  };
}

/** Of the notifications that Nakama keeps only the latest match stays. */
function tell(call: Call, instance: Instance, matches: PlayerMatch[]): void {
  const contents = new Map(matches.map(({ user_id, ...content }) => [user_id, content as MatchContent]));
  const userIds = [...contents.keys()];
  notifyMatch(call, instance, userIds, (userId) => contents.get(userId) ?? matchContent(call, instance, userId));
  if (call.config.notify.includes('gameye')) forgetOlderMatches(call.nk, userIds);
}
