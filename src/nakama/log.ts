import type { Logger } from './runtime';

/** What Nakama's formats of logs, `json` and `stackdriver`, call their own fields: a second one of the name hides theirs. */
type OfTheFormat =
  'ts' | 'time' | 'timestamp' | 'level' | 'severity' | 'logger' | 'caller' | 'msg' | 'message' | 'stacktrace';

export type Fields = { [key: string]: string | number | boolean | undefined } & { [Name in OfTheFormat]?: never };

/**
 * Adds fields to a logger. Messages are constant texts without `%` (Nakama formats them as Go's fmt does); whatever
 * varies is a field. Values become strings, undefined ones are left out, because the runtime refuses both.
 */
export function withFields(logger: Logger, fields: Fields): Logger {
  const pairs: { [key: string]: string } = {};
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    if (value !== undefined) pairs[key] = String(value);
  }
  return logger.withFields(pairs);
}

/** The text of anything thrown, on one line and bounded: database and HTTP errors can be long. */
export function errorText(error: unknown): string {
  // Errors of ours are plain objects, because only those reach the caller of an RPC (rpc/errors.ts).
  const hasMessage = typeof error === 'object' && error !== null && 'message' in error;
  return textOf(hasMessage ? error.message : error)
    .replace(/\s+/g, ' ')
    .slice(0, 500);
}

/** Modules throw anything: String() itself throws for an object such as `{toString: 1}`. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return 'something that has no text';
  }
}
