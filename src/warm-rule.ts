import { isRegionName } from './text';
import { isObject } from './values';

/*
 * How many sessions of a mode are kept started and empty: a number for each of its regions, a list by time of day in UTC such
 * as [{"from": "18:00", "to": "23:00", "sessions": 5}], or an object with either for each region.
 */

/** From one minute of the day to another, around midnight when it ends before it begins; both 0: all day. */
export interface WarmTime {
  from: number;
  to: number;
  sessions: number;
}

/** By region; that of the empty name is for every region of the mode. */
export interface WarmRule {
  [region: string]: WarmTime[];
}

const MOST = 1000;
const MOST_TIMES = 50;
const DAY_MINUTES = 24 * 60;
const FORM =
  'must be a number, a list such as [{"from": "18:00", "to": "23:00", "sessions": 5}], or an object with either by region.';

/** Reads a rule; every mistake is said with its path in it, such as `[1].from`. Undefined: there was one. */
export function readWarmRule(value: unknown, wrong: (path: string, rule: string) => void): WarmRule | undefined {
  let isRight = true;
  const complain = (path: string, rule: string): WarmTime[] => {
    isRight = false;
    wrong(path, rule);
    return [];
  };
  const rule: WarmRule = {};
  if (!isObject(value)) {
    rule[''] = readTimes(value, '', complain);
  } else {
    const regions = Object.keys(value);
    if (regions.length === 0) complain('', FORM);
    for (const region of regions) {
      if (isRegionName(region)) rule[region] = readTimes(value[region], `.${region}`, complain);
      else complain(`.${region.slice(0, 50)}`, 'is no name of a region.');
    }
  }
  return isRight ? rule : undefined;
}

function readTimes(value: unknown, path: string, complain: (path: string, rule: string) => WarmTime[]): WarmTime[] {
  if (typeof value === 'number') {
    return isCount(value)
      ? [{ from: 0, to: 0, sessions: value }]
      : complain(path, `must be a whole number from 0 to ${MOST}.`);
  }
  if (!Array.isArray(value) || value.length === 0 || value.length > MOST_TIMES) return complain(path, FORM);
  return (value as unknown[]).flatMap((entry, i) => readTime(entry, `${path}[${i}]`, complain));
}

function readTime(entry: unknown, path: string, complain: (path: string, rule: string) => WarmTime[]): WarmTime[] {
  if (!isObject(entry)) return complain(path, 'must be an object with from, to and sessions.');
  for (const field of Object.keys(entry)) {
    if (!['from', 'to', 'sessions'].includes(field)) {
      complain(`${path}.${field.slice(0, 50)}`, 'is unknown. There are from, to and sessions.');
    }
  }
  const from = minuteOf(entry['from']);
  const to = minuteOf(entry['to']);
  const { sessions } = entry;
  const time = 'must be a time of day in UTC such as 18:00.';
  if (from === undefined) complain(`${path}.from`, time);
  if (to === undefined) complain(`${path}.to`, time);
  if (from !== undefined && from === to) complain(`${path}.to`, 'must be another time than from.');
  if (!isCount(sessions)) return complain(`${path}.sessions`, `must be a whole number from 0 to ${MOST}.`);
  return from === undefined || to === undefined ? [] : [{ from, to, sessions }];
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MOST;
}

function minuteOf(value: unknown): number | undefined {
  const match = typeof value === 'string' ? /^([01]\d|2[0-3]):([0-5]\d)$/.exec(value) : null;
  return match ? Number(match[1]) * 60 + Number(match[2]) : undefined;
}

/** How many a region shall have now. Of entries that hold at the same time the largest counts. */
export function warmWanted(rule: WarmRule, region: string, now: number): number {
  const minute = Math.floor(now / 60_000) % DAY_MINUTES;
  const holds = ({ from, to }: WarmTime): boolean =>
    from < to ? minute >= from && minute < to : minute >= from || minute < to;
  return Math.max(0, ...(rule[region] ?? rule[''] ?? []).filter(holds).map(({ sessions }) => sessions));
}

/** What keeps a rule from being followed, with its path; undefined: nothing. */
export function warmProblem(rule: WarmRule, regions: string[], maxPlayers: number | undefined): string | undefined {
  const unknown = Object.keys(rule).find((region) => region !== '' && !regions.includes(region));
  if (unknown !== undefined) return `.${unknown} is none of the regions: ${regions.join(', ')}.`;
  return maxPlayers === undefined
    ? ' needs max_players: how many seats a session has that waits for a group.'
    : undefined;
}
