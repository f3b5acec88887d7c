import type { Config } from './config.ts';
import type { Fields, LogLevel } from './vm/protocol.ts';

/** Writes JSON lines in the shape of Nakama's zap logger. */
export interface Log {
  debug(msg: string, fields?: Fields): void;
  info(msg: string, fields?: Fields): void;
  warn(msg: string, fields?: Fields): void;
  error(msg: string, fields?: Fields): void;
  write(level: LogLevel | 'fatal', msg: string, fields?: Fields): void;
}

const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'];

/** Lines below the configured level are dropped. They go to stdout, as the real server's do by default. */
export function createLog(
  level: Config['logLevel'],
  out: (line: string) => void = (line) => process.stdout.write(line),
): Log {
  const least = LEVELS.indexOf(level);
  const write = (at: LogLevel | 'fatal', msg: string, fields: Fields = {}): void => {
    if (LEVELS.indexOf(at) < least) return;
    out(`${JSON.stringify({ level: at, ts: new Date().toISOString(), caller: 'embedded', msg, ...fields })}\n`);
  };
  return {
    write,
    debug: (msg, fields) => write('debug', msg, fields),
    info: (msg, fields) => write('info', msg, fields),
    warn: (msg, fields) => write('warn', msg, fields),
    error: (msg, fields) => write('error', msg, fields),
  };
}
