import { setTimeout as pause } from 'node:timers/promises';

/** What a condition answers while it is not met yet. */
export type NotYet = undefined | null | false;

/**
 * Polls until `condition` answers something and returns it. When the deadline passes, throws an error that names
 * `what` and carries the last error of the condition, because "timed out" alone never says why.
 */
export async function until<T>(
  condition: () => T | NotYet | Promise<T | NotYet>,
  deadlineMs: number,
  what: string | (() => string) = 'the condition',
  intervalMs = 20,
): Promise<T> {
  const endAtMs = Date.now() + deadlineMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== null && value !== false) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() >= endAtMs) {
      const text = typeof what === 'string' ? what : what();
      const why = lastError === undefined ? '' : `; last error: ${(lastError as Error).message ?? String(lastError)}`;
      throw new Error(`waited ${deadlineMs} ms for ${text}${why}`);
    }
    await pause(intervalMs);
  }
}
