import type { Comparison, RetireReason, ShownEntry, Strays } from '../database/reconcile';

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
  | { do: 'repair'; id: string; at_ms: number; entry: ShownEntry }
  /** It runs, players are in it, and there is no record. */
  | { do: 'adopt'; id: string; at_ms: number }
  /** It runs for nobody, and there is no record. */
  | { do: 'stop-stray'; id: string; at_ms: number };

/** Why the list was not used. `records_unread`: the database could not compare it. */
export type Distrust = 'failed' | 'unreadable_entries' | 'shows_none' | 'shows_few' | 'records_unread';

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
const MOST_CONFIRMED = 100;

/** From this many records on, a list that shows less than half of them is not believed. */
const FEW = 10;

/** What follows from a comparison. `isKnownAccount`: sessions of ours were started or seen with this account before. */
export function planFrom(found: Comparison, before: Strays, isKnownAccount: boolean, now: number): Plan {
  const { stops, confirms, repairs, adopts, stray_stops } = found;
  const distrust = whyNot(found);
  const bounded = <T>(all: T[]): T[] => all.slice(0, MOST_TASKS);
  const isTooMany = (all: unknown[]): boolean => all.length > MOST_TASKS;
  const tasks: Task[] = bounded(stops).map((one) => ({ do: 'stop', ...one }));
  if (distrust === 'failed') return { tasks, distrust, strays: before, more: isTooMany(stops) };
  // What it shows may be looked into when it shows others of ours; each is asked for alone before anything is done.
  const isOurs = distrust !== 'shows_none';
  if (isOurs) {
    tasks.push(...bounded(stray_stops).map((one): Task => ({ do: 'stop-stray', ...one })));
    tasks.push(...bounded(adopts).map((id): Task => ({ do: 'adopt', id, at_ms: now })));
  }
  // One that was not found before is asked for again, at least when others of ours were started or seen with this account.
  const asked = confirms.filter(({ lost }) => distrust === undefined || !lost || isKnownAccount);
  for (const { id, at_ms, young } of asked.slice(0, MOST_CONFIRMED)) {
    tasks.push({ do: 'confirm', id, at_ms, ...(young ? { young: true as const } : {}) });
  }
  const strays = isOurs ? found.strays : before;
  const more = isTooMany(stops) || (isOurs && (isTooMany(stray_stops) || isTooMany(adopts)));
  if (distrust !== undefined) return { tasks, distrust, strays, more };
  tasks.push(...bounded(repairs).map((one): Task => ({ do: 'repair', at_ms: now, ...one })));
  return { tasks, strays, more: more || isTooMany(repairs) || asked.length > MOST_CONFIRMED };
}

function whyNot({ listed, unreadable, old, shows_any, settled, shown }: Comparison): Distrust | undefined {
  if (!listed) return 'failed';
  if (unreadable > 0) return 'unreadable_entries';
  if (old > 0 && !shows_any) return 'shows_none';
  return settled >= FEW && shown < settled / 2 ? 'shows_few' : undefined;
}

/** In which order tasks are done that are due: those that end what costs money first. */
export function byUrgency(a: Task, b: Task): number {
  return Number(isUrgent(b)) - Number(isUrgent(a)) || a.at_ms - b.at_ms;
}

function isUrgent(task: Task): boolean {
  return task.do === 'stop-stray' || (task.do === 'stop' && task.runs);
}
