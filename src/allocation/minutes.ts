import { minutesOfToday } from '../database/usage';
import type { Call } from '../nakama/caller';

const CACHE_KEY = 'gameye_minutes';
/** A burst of matches asks the database once. */
const CACHE_SECONDS = 2;

/** True when the sessions of today have had as many minutes as they may (GAMEYE_MAX_MINUTES_PER_DAY). */
export function isDaySpent({ nk, config }: Call): boolean {
  const { maxMinutesPerDay, fleet } = config;
  if (maxMinutesPerDay === undefined) return false;
  let known = nk.localcacheGet(CACHE_KEY);
  if (typeof known !== 'string') {
    known = String(minutesOfToday(nk, fleet).minutes);
    nk.localcachePut(CACHE_KEY, known as string, CACHE_SECONDS);
  }
  return Number(known) >= maxMinutesPerDay;
}
