import { minutesOfToday, readUsage, type Used } from '../database/usage';
import type { Call } from '../nakama/caller';

export interface Usage {
  /** By day (UTC) and mode, the latest first; sessions that run are in it as of now. */
  days: Used[];
  /** All modes; `max` is GAMEYE_MAX_MINUTES_PER_DAY, missing without one. */
  today: { day: string; minutes: number; max?: number };
}

/** What sessions cost on the latest days. */
export function usage({ nk, config }: Call, days: number): Usage {
  const { maxMinutesPerDay: max, fleet } = config;
  const { day, minutes } = minutesOfToday(nk, fleet);
  const today = { day, minutes: Math.round(minutes * 100) / 100, ...(max === undefined ? {} : { max }) };
  return { days: readUsage(nk, fleet, days), today };
}
