import type { Config } from '../config';
import type { Comparison, RetireReason } from '../database/reconcile';
import { SECOND } from '../config';

/*
 * What has to be done so that records and sessions agree: a pure function of what the comparison found. The list is only a
 * hint. It may be stale, incomplete or of another account, so no record is removed before its session was asked for alone,
 * and of a list that looks wrong only what it shows is looked into, never what it does not show.
 */

/** One thing to do, not before `at_ms`. Whoever does it looks again first: much may have happened meanwhile. */
export type Task =
  | { do: 'stop'; id: string; at_ms: number; reason: RetireReason; runs: boolean }
  /** The list does not show it, or as ended: ask for it alone. */
  | { do: 'confirm'; id: string; at_ms: number; young?: true }
  /** What the list shows beside the record. */
  | { do: 'repair'; id: string; at_ms: number; entry: { [field: string]: unknown } }
  /** It runs, players are in it, and there is no record. */
  | { do: 'adopt'; id: string; at_ms: number }
  /** It runs for nobody, and there is no record. */
  | { do: 'stop-stray'; id: string; at_ms: number };

/** Since when sessions without a record were seen. */
export type Strays = { [sessionId: string]: number };

/** Why the list was not used. */
export type Distrust = 'failed' | 'unreadable_entries' | 'shows_none' | 'shows_few';

export interface Plan {
  tasks: Task[];
  distrust?: Distrust;
  strays: Strays;
  /** There is more to do than one plan holds: the next one is due when this one is done. */
  more: boolean;
}

/** A plan holds no more of each kind than this, so that it stays small in memory and in time. */
export const MOST_TASKS = 500;
/** Each asks the API: the rest waits for the next pass, because a wrong list would cost thousands. */
export const MOST_CONFIRMED = 100;

/** A session younger than that may be missing in a list that was made a moment ago. */
export const YOUNG_MS = 20 * SECOND;

/** From this many records on, a list that shows less than half of them is not believed. */
const FEW = 10;

/** `isKnownAccount`: sessions of ours were seen with this account before. `horizonMs`: when the next plan will be made. */
export function planFrom(
  config: Pick<Config, 'emptyGraceMs'>,
  found: Comparison,
  before: Strays,
  isKnownAccount: boolean,
  now: number,
  horizonMs: number,
): Plan {
  const distrust = whyNot(found);
  const isMissing = distrust === 'failed';
  const tasks: Task[] = found.stops.slice(0, MOST_TASKS).map((one) => ({ do: 'stop', ...one }));
  let more = found.stops.length > MOST_TASKS;
  if (isMissing) return { tasks, distrust, strays: before, more };
  for (const { id, at_ms, young, lost } of found.confirms.slice(0, MOST_CONFIRMED)) {
    // One that was not found before is asked for again, at least when others of ours were seen with this account.
    if (lost && !isKnownAccount && distrust !== undefined) continue;
    tasks.push({ do: 'confirm', id, at_ms, ...(young ? { young: true as const } : {}) });
  }
  // What it shows may be looked into when it shows others of ours; each is asked for alone before anything is done.
  let strays = before;
  if (distrust !== 'shows_none') {
    strays = {};
    for (const { id, players } of found.strays) {
      if (players > 0) {
        tasks.push({ do: 'adopt', id, at_ms: now });
        continue;
      }
      const since = before[id] ?? now;
      strays[id] = since;
      const at_ms = since + config.emptyGraceMs;
      if (at_ms <= horizonMs) tasks.push({ do: 'stop-stray', id, at_ms });
    }
    more = more || found.strays.length >= 2 * MOST_TASKS;
  }
  if (distrust !== undefined) return { tasks, distrust, strays, more };
  tasks.push(
    ...found.repairs.slice(0, MOST_TASKS).map(({ id, entry }): Task => ({ do: 'repair', id, at_ms: now, entry })),
  );
  return { tasks, strays, more: more || found.repairs.length > MOST_TASKS || found.confirms.length > MOST_CONFIRMED };
}

function whyNot(found: Comparison): Distrust | undefined {
  if (found.sessions === null) return 'failed';
  if (found.unreadable > 0) return 'unreadable_entries';
  if (found.has_old && !found.shows_any) return 'shows_none';
  return found.settled >= FEW && found.shown < found.settled / 2 ? 'shows_few' : undefined;
}

/** In which order tasks are done that are due: those that end what costs money first. */
export function byUrgency(a: Task, b: Task): number {
  return Number(isUrgent(b)) - Number(isUrgent(a)) || a.at_ms - b.at_ms;
}

function isUrgent(task: Task): boolean {
  return task.do === 'stop-stray' || (task.do === 'stop' && task.runs);
}
