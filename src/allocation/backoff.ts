import { SECOND } from '../config';

const FIRST = 0.5 * SECOND;
const LONGEST = 5 * SECOND;

/**
 * How long to wait before the next try after `failures` in a row (from 1): 0.5 s, 1 s, 2 s, 4 s, then 5 s, each between
 * half of that and all of it. What the API asked for (`hintMs`) outranks ours, without jitter. `random` is 0 to 1.
 */
export function retryDelayMs(failures: number, random: number, hintMs?: number): number {
  if (hintMs !== undefined) return hintMs;
  const longest = Math.min(LONGEST, FIRST * 2 ** Math.min(failures - 1, 10));
  return Math.round(longest / 2 + (longest / 2) * random);
}

/** The wait after every region was full: 2 to 5 s, which is Gameye's advice for 420. */
export function noCapacityDelayMs(random: number, hintMs?: number): number {
  return hintMs ?? Math.round(2 * SECOND + 3 * SECOND * random);
}
