import type { Nakama } from './runtime';

/*
 * What the module counts, beside Nakama's own figures; they show as `nakama_custom_<name>`. The README's table has the same
 * rows. Every label has a handful of values, never an id or a text from outside: each combination is a time series, and
 * Nakama stops at 10000 of them. It turns every `-` and `.` of a value into `_`. A metric keeps its labels, because Prometheus refuses a second set.
 */

export const COUNTERS = {
  gameye_matches: ['outcome'],
  gameye_tickets_refused: ['reason'],
  gameye_allocations: ['outcome', 'reason', 'region', 'attempt'],
  gameye_retries: ['cause', 'region'],
  gameye_adoptions: ['region'],
  gameye_seats: ['outcome'],
  gameye_backfills: ['outcome'],
  gameye_refusals: ['reason'],
  gameye_reconciled: ['change'],
  gameye_retired: ['reason'],
  gameye_notifications: ['subject', 'outcome'],
  gameye_session_seconds: ['mode', 'use'],
  gameye_callbacks: ['callback', 'outcome'],
  gameye_warm_sessions: ['change'],
} as const;

export const TIMERS = {
  gameye_hook: [],
  gameye_start: ['outcome', 'region', 'attempt'],
  gameye_api: ['operation', 'outcome'],
  gameye_reconcile: ['outcome'],
} as const;

export const GAUGES = {
  gameye_running_sessions: ['mode', 'region', 'version'],
  gameye_running_players: ['mode', 'region', 'version'],
  gameye_open_seats: ['mode', 'region', 'version'],
  gameye_warm: ['state'],
} as const;

type Labels<Names extends readonly string[]> = { [name in Names[number]]: string };

/** Adds to a counter. Never throws: nothing of importance may fail because it cannot be counted. */
export function count<Name extends keyof typeof COUNTERS>(
  nk: Nakama,
  name: Name,
  labels: Labels<(typeof COUNTERS)[Name]>,
  amount = 1,
): void {
  if (amount < 1) return; // A negative amount ends the whole process before Nakama 3.39 (metrics.go).
  try {
    nk.metricsCounterAdd(name, labels, amount);
  } catch {
    // See above.
  }
}

/** Records how long something took; Prometheus shows seconds, with their number. Never throws. */
export function time<Name extends keyof typeof TIMERS>(
  nk: Nakama,
  name: Name,
  labels: Labels<(typeof TIMERS)[Name]>,
  ms: number,
): void {
  try {
    nk.metricsTimerRecord(name, labels, Math.max(0, Math.round(ms * 1e6)));
  } catch {
    // See above.
  }
}

/** Sets how much there is of something now. Never throws. */
export function gauge<Name extends keyof typeof GAUGES>(
  nk: Nakama,
  name: Name,
  labels: Labels<(typeof GAUGES)[Name]>,
  value: number,
): void {
  try {
    nk.metricsGaugeSet(name, labels, value);
  } catch {
    // See above.
  }
}

/** A name that somebody chose as label, as Nakama would write it; `none` for an empty one. */
export function textLabel(text: string): string {
  return text === '' ? 'none' : text.slice(0, 64).replace(/[^A-Za-z0-9_]/g, '_');
}

/** A region as label: those of the configuration by name; a caller's own are one more. */
export function regionLabel(config: { regions: string[] }, region: string): string {
  return config.regions.includes(region) ? region : 'other';
}

/** How many POSTs it took, as label: `0` to `3`, `more`. */
export function attemptLabel(attempts: number): string {
  return attempts < 4 ? String(attempts) : 'more';
}
