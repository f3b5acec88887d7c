import type { Nakama } from '../nakama/runtime';
import { answer, ask } from './sql';

/*
 * What sessions cost, by mode and day (UTC). A session is counted by the statement that removes its record, so that nothing is
 * counted twice, whoever dies when; those that run are added when somebody asks. Whatever a record says, no session is
 * longer than its ttl.
 */

/** So many days can be asked for. */
export const KEPT_DAYS = 400;

const UTC = (time: string): string => `(${time} AT TIME ZONE 'UTC')`;
const UNTIL = `greatest(i.create_time, least(now(), i.expires_at))`;

/** How long nobody was in an instance `i` after the first player had come. */
const EMPTY_SECONDS = `i.empty_seconds + CASE WHEN i.visited AND i.empty_since IS NOT NULL
  THEN greatest(0, extract(epoch FROM ${UNTIL} - i.empty_since)) ELSE 0 END`;

/**
 * What instances were used, split over the days of their lives; when nobody was in them counts for the last one. Whether
 * nobody came at all is certain only of those that have `ended`.
 */
const usedBy = (instances: string, ended: boolean): string => `
  SELECT x.fleet, d.day::date AS day, x.mode, count(*) FILTER (WHERE ${ended} AND p.is_last)::int8 AS sessions, sum(p.seconds) AS seconds,
    coalesce(sum(x.empty_seconds) FILTER (WHERE p.is_last), 0) AS empty_seconds,
    coalesce(sum(p.seconds) FILTER (WHERE ${ended} AND NOT x.visited), 0) AS no_show_seconds
  FROM (
    SELECT i.fleet, i.mode, i.visited, ${UTC('i.create_time')} AS began, ${UTC(UNTIL)} AS until, ${EMPTY_SECONDS} AS empty_seconds
    FROM ${instances} i) x,
    LATERAL generate_series(date_trunc('day', x.began), x.until, interval '1 day') AS d(day),
    LATERAL (SELECT x.until < d.day + interval '1 day' AS is_last,
      extract(epoch FROM least(x.until, d.day + interval '1 day') - greatest(x.began, d.day))::float8 AS seconds) p
  GROUP BY x.fleet, d.day, x.mode`;

/** One of a statement's `WITH`: counts the instances in `gone` (a name in the statement, whole rows), which it removes. */
export const USED = `used AS (
  INSERT INTO gameye_usage AS u (fleet, day, mode, sessions, seconds, empty_seconds, no_show_seconds)
  ${usedBy('gone', true)} ORDER BY day
  ON CONFLICT (fleet, day, mode) DO UPDATE SET sessions = u.sessions + EXCLUDED.sessions, seconds = u.seconds + EXCLUDED.seconds,
    empty_seconds = u.empty_seconds + EXCLUDED.empty_seconds, no_show_seconds = u.no_show_seconds + EXCLUDED.no_show_seconds
)`;

/** What the sessions of a mode were used on a day. */
export interface Used {
  day: string;
  /** Empty: none. */
  mode: string;
  /** Those that ended on that day. */
  sessions: number;
  minutes: number;
  /** Of these, with nobody in it after the first player had come. */
  empty_minutes: number;
  /** Of these, of sessions to which nobody ever came. */
  no_show_minutes: number;
}

const MINE = `(SELECT * FROM gameye_instance WHERE fleet = $1::text)`;
const TODAY = `${UTC('now()')}::date`;
const minutes = (seconds: string): string => `round((sum(${seconds}) / 60)::numeric, 2)`;

const READ = answer(`(SELECT coalesce(json_agg(x ORDER BY x.day DESC, x.mode), '[]') FROM (
  SELECT day::text AS day, mode, sum(sessions) AS sessions, ${minutes('seconds')} AS minutes,
    ${minutes('empty_seconds')} AS empty_minutes, ${minutes('no_show_seconds')} AS no_show_minutes
  FROM (SELECT fleet, day, mode, sessions, seconds, empty_seconds, no_show_seconds FROM gameye_usage WHERE fleet = $1::text
    UNION ALL ${usedBy(MINE, false)}) every
  WHERE day > ${TODAY} - $2::int4 GROUP BY day, mode) x)`);

/** What was used on the latest days, today included, the latest first. */
export function readUsage(nk: Nakama, fleet: string, days: number): Used[] {
  return ask<Used[]>(nk, READ, [fleet, days]);
}

const MINUTES = answer(`json_build_object('day', (${TODAY})::text, 'minutes', (
  SELECT coalesce(sum(seconds), 0) / 60 FROM (
    SELECT seconds FROM gameye_usage WHERE fleet = $1::text AND day = ${TODAY}
    UNION ALL SELECT greatest(0, extract(epoch FROM ${UTC(UNTIL)} - greatest(${UTC('i.create_time')}, ${TODAY})))::float8
    FROM gameye_instance i WHERE i.fleet = $1::text) x))`);

/** The session-minutes of today so far, over all modes. */
export function minutesOfToday(nk: Nakama, fleet: string): { day: string; minutes: number } {
  return ask(nk, MINUTES, [fleet]);
}

/** Whole seconds that were counted since the last time somebody asked, by mode. */
export interface Counted {
  mode: string;
  used: number;
  empty: number;
  no_show: number;
}

const COUNTED = `jsonb_build_object('used', floor(u.seconds), 'empty', floor(u.empty_seconds), 'no_show', floor(u.no_show_seconds))`;

/** What of one kind was not told yet. */
const untold = (kind: string): string =>
  `sum((due.counted->>'${kind}')::float8 - coalesce((due.told->>'${kind}')::float8, 0))::int8 AS ${kind}`;

const TELL = `
WITH due AS (
  SELECT u.fleet, u.day, u.mode, u.told, ${COUNTED} AS counted FROM gameye_usage u
  WHERE u.fleet = $1::text AND u.told <> ${COUNTED} ORDER BY u.day, u.mode FOR UPDATE
), told AS (
  UPDATE gameye_usage u SET told = due.counted FROM due WHERE u.fleet = due.fleet AND u.day = due.day AND u.mode = due.mode RETURNING 1
)
${answer(`(SELECT coalesce(json_agg(x), '[]') FROM (
  SELECT mode, ${untold('used')}, ${untold('empty')}, ${untold('no_show')}
  FROM due WHERE (SELECT count(*) FROM told) >= 0 GROUP BY mode) x)`)}`;

/** What was counted since the last call, on whatever node; each second is told at most once. */
export function tellUsage(nk: Nakama, fleet: string): Counted[] {
  return ask<Counted[]>(nk, TELL, [fleet]);
}

const FORGET = `
WITH gone AS (DELETE FROM gameye_usage WHERE fleet = $1::text AND day < ${TODAY} - ${KEPT_DAYS} RETURNING 1)
${answer('(SELECT count(*) FROM gone)')}`;

/** Deletes the days that nobody may ask for any more. */
export function forgetUsage(nk: Nakama, fleet: string): number {
  return ask<number>(nk, FORGET, [fleet]);
}
