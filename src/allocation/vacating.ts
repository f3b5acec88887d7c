import type { Instance } from '../instances/instance';
import type { Allocation, Step } from './allocation';

/*
 * The part of an allocation's record that backfill.ts uses, and what follows for it: pure functions. The id of a session
 * that others started never becomes this allocation's `session_id`, because that one is stopped when it fails.
 */

/** A seat that a player does not need after all. */
export interface Vacating {
  user_id: string;
  session_id: string;
}

export interface Backfill {
  /** Which sessions suit its players, and whom its own session suits (pool.ts). */
  pool: string;
  /** While it looks for seats: the running sessions that the index named. */
  found?: string[];
  /** Running sessions that turned out to be gone. */
  passed: string[];
  /** The running session in which its players have seats (state `joined`), as it was when they took them. */
  joins?: Instance;
  /** Gameye knows that they come. */
  registered?: boolean;
  /** Seats to be freed before this allocation ends. */
  vacates: Vacating[];
  /** Groups that joined this allocation while its session was being started; `id` is what they had asked under. */
  guests: { id: string; user_ids: string[] }[];
}

/** The next step of an allocation whose players have seats in a running session. */
export function nextWhenJoined(a: Allocation): Step {
  if (!a.backfill?.registered) return { do: 'register' };
  if (!a.told) return { do: 'welcome' };
  return a.backfill.vacates.length > 0 ? { do: 'vacate' } : { do: 'finish' };
}

/** These players do not come: their seats are freed before the allocation ends, unless they had them before. */
export function withVacated(a: Allocation, userIds: string[]): Allocation {
  const session_id = a.backfill?.joins?.id;
  if (!a.backfill || session_id === undefined) return a;
  const vacates = userIds
    .filter((user_id) => !isPreseated(a, user_id, session_id))
    .map((user_id) => ({ user_id, session_id }));
  return { ...a, backfill: { ...a.backfill, vacates: [...a.backfill.vacates, ...vacates] } };
}

/** The seats in a session were freed. */
export function withoutVacated(a: Allocation, sessionId: string): Allocation {
  if (!a.backfill) return a;
  const vacates = a.backfill.vacates.filter((one) => one.session_id !== sessionId);
  return { ...a, backfill: { ...a.backfill, vacates } };
}

/** True for a player who plays in that session since before this allocation. */
export function isPreseated(a: Allocation, userId: string, sessionId: string): boolean {
  return (a.superseded ?? []).some((one) => one.user_id === userId && one.session_id === sessionId);
}

/** The session that was to be joined is gone: another place is looked for. */
export function passedOn(a: Allocation): Allocation {
  if (!a.backfill?.joins) return a;
  // What the index said is old by now.
  const { joins, vacates, found: _found, ...rest } = a.backfill;
  const left = vacates.filter((one) => one.session_id !== joins.id);
  const backfill = { ...rest, passed: [...rest.passed, joins.id], vacates: left };
  return { ...a, state: 'starting', next: 'join', backfill };
}

/** It ends without its players: none of them needs a seat there. */
export function withoutPlace(a: Allocation): Allocation {
  const { backfill } = withVacated(a, a.request.user_ids);
  if (!backfill?.joins) return a;
  const { joins: _joins, registered: _registered, ...rest } = backfill;
  return { ...a, backfill: rest };
}
