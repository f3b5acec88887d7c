import { endLeft, leaveBefore, tellDeparture } from '../allocation/departure';
import { markLost } from '../database/instances';
import { leaveByChoice, leaveSeats, takeSeats, type Taken } from '../database/seats';
import { joinSession } from '../gameye/session-api';
import { unlessSilent } from '../gameye/silence';
import { seatMs } from '../instances/instance';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import type { Instance } from '../records';
import { Code, rpcError } from '../refusal';
import { instanceOf, notFound, withSession } from './find';
import { CALL_TIMEOUT_MS } from './refresh';

const MOST_TRIES = 4;

/**
 * `partial`: as many as fit, in the order given. `open`: only while the instance is. `idle`: only while none of the players waits
 * or plays elsewhere.
 */
export interface SeatHow {
  partial?: boolean;
  open?: boolean;
  idle?: boolean;
}

/** Players who have seats in an instance: all of them, and those who had none there before. */
export interface Seated {
  instance: Instance;
  userIds: string[];
  added: string[];
}

/**
 * Reserves seats for players until the seat timeout; who has a seat keeps it, a seat elsewhere is given up. All or none,
 * unless `how` says otherwise. Where all have seats already, nothing is written and nobody is asked. Code
 * 8 when the instance is full, 9 when it takes nobody (any more), 7 when its game server has banned one of them, 5 when it is
 * gone.
 */
export function seat(call: Call, id: string, userIds: string[], how: SeatHow = {}): Seated {
  const { nk } = call;
  const { taken, sessionId } = withSession(call, id, (sessionId) => {
    const taken = take(call, sessionId, userIds, how, MOST_TRIES);
    return taken.kind === 'gone' ? undefined : { taken, sessionId };
  });
  if (taken.kind !== 'taken') {
    if (taken.kind !== 'raced') count(nk, 'gameye_seats', { outcome: taken.kind }, userIds.length);
    return refuse(taken.kind);
  }
  return settled(call, sessionId, taken) ?? notFound(id);
}

/** Gameye hears of seats that were taken and given up. Undefined when it knows no such session: nobody is sent there. */
export function settled(call: Call, sessionId: string, taken: Taken & { kind: 'taken' }): Seated | undefined {
  const { user_ids: userIds, added, before } = taken;
  // Before they join: an API that takes no session when players leave takes them out of all.
  leaveBefore(call, before, sessionId);
  if (added.length > 0 && !tellJoined(call, sessionId, added)) return undefined;
  return { instance: instanceOf(call, sessionId), userIds, added };
}

/** Tells Gameye of players who have new seats. False when it knows no such session: then nobody is sent there any more. */
function tellJoined(call: Call, sessionId: string, userIds: string[]): boolean {
  const { nk, config } = call;
  count(nk, 'gameye_seats', { outcome: 'reserved' }, userIds.length);
  const outcome = unlessSilent(call, () => joinSession(nk, config, sessionId, userIds, CALL_TIMEOUT_MS));
  if (outcome?.kind === 'done') return true;
  if (outcome?.failure.kind === 'not-found') {
    markLost(nk, config.fleet, sessionId);
    return false;
  }
  withFields(call.logger, { session: sessionId, failure: outcome?.failure.kind ?? 'silent' }).warn(
    'Gameye: the Session API was not told of players; our own record is right.',
  );
  return true;
}

function take(call: Call, sessionId: string, userIds: string[], how: SeatHow, tries: number): Taken {
  const taken = takeSeats(call.nk, call.config.fleet, sessionId, userIds, seatMs(call.config), how);
  return taken.kind === 'raced' ? goOn(call, sessionId, userIds, how, taken, tries) : taken;
}

/** All or nobody, also when others make a first row for one of these players at the same moment. */
export function goOn(
  call: Call,
  sessionId: string,
  userIds: string[],
  how: SeatHow,
  taken: Taken & { kind: 'raced' },
  tries = MOST_TRIES,
): Taken {
  const { nk, config } = call;
  const again = tries > 1 ? take(call, sessionId, userIds, how, tries - 1) : taken;
  if (again.kind === 'taken') {
    return { ...again, added: taken.added.concat(again.added), before: taken.before.concat(again.before) };
  }
  leaveSeats(nk, config.fleet, sessionId, taken.user_ids);
  return again;
}

function refuse(why: 'full' | 'closed' | 'gone' | 'raced' | 'banned'): never {
  switch (why) {
    case 'full':
      return rpcError(Code.RESOURCE_EXHAUSTED, 'The instance is full. Join another, or create one.');
    case 'closed':
    case 'gone':
      return rpcError(Code.FAILED_PRECONDITION, 'The instance takes no more players. Join another.');
    case 'banned':
      return rpcError(Code.PERMISSION_DENIED, 'Its game server has banned a player from this instance.');
    case 'raced':
      return rpcError(Code.ABORTED, 'These players are matched at the same moment. Try again.');
  }
}

/** Frees players' seats. Repeating it changes nothing; players without a seat are passed over. */
export function leave(call: Call, id: string, userIds: string[]): { instance_info: Instance } {
  const sessionId = instanceOf(call, id).id;
  tellDeparture(call, sessionId, leaveSeats(call.nk, call.config.fleet, sessionId, userIds));
  return { instance_info: instanceOf(call, sessionId) };
}

/** Frees the seat of a player who chooses to go, and stops the session when nobody needs it any more. False: no seat. */
export function goAway(call: Call, sessionId: string, userId: string): boolean {
  const left = leaveByChoice(call.nk, call.config.fleet, sessionId, userId);
  if (!left) return false;
  if (left.ended) endLeft(call, sessionId, 1);
  else tellDeparture(call, sessionId, [userId]);
  return true;
}
