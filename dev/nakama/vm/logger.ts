import type { Bridge } from './bridge.ts';
import type { Fields, LogLevel } from './protocol.ts';
import { sprintf } from './sprintf.ts';
import { define, exportValue, isMap } from './values.ts';

/** The logger object that Nakama hands to a module's functions (runtime_javascript_logger.go). */
export interface Logger {
  debug(format: string, ...args: unknown[]): void;
  info(format: string, ...args: unknown[]): void;
  warn(format: string, ...args: unknown[]): void;
  error(format: string, ...args: unknown[]): void;
  withField(key: string, value: string): Logger;
  withFields(fields: object): Logger;
  getFields(): object;
}

/** @param context fields that every line carries and that `getFields` does not show, such as the id of the RPC. */
export function createLogger(bridge: Bridge, context: Fields, fields: object = {}, derived = false): Logger {
  // Go hands a derived logger's map on, it does not copy it: fields added further down show up here too.
  const merged = (): object => (derived ? fields : { ...fields });
  const need = (name: string, args: unknown[], count: number): void => {
    if (args.length < count)
      bridge.fatal(
        `logger.${name}() with ${args.length} arguments: Nakama's logger indexes its arguments unchecked (Go panic).`,
      );
  };
  const line =
    (level: LogLevel) =>
    (...args: unknown[]): void => {
      need(level, args, 1);
      if (typeof args[0] !== 'string') throw new TypeError('invalid format argument: must be a string');
      const message = sprintf(args[0], args.slice(1));
      const own = JSON.parse(JSON.stringify(exportValue(fields))) as Fields;
      bridge.post({ t: 'log', level, message, fields: { ...context, ...own } });
    };
  const logger = {
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    debug: line('debug'),
    withField(...args: unknown[]) {
      need('withField', args, 2);
      const [key, value] = args;
      if (typeof key !== 'string') throw new TypeError('key argument must be a string');
      if (typeof value !== 'string') throw new TypeError('value argument must be a string');
      const map = merged();
      define(map, key, value);
      return createLogger(bridge, context, map, true);
    },
    withFields(...args: unknown[]) {
      need('withFields', args, 1);
      if (!isMap(args[0])) throw new TypeError('argument must be a map');
      const map = merged();
      for (const [key, value] of Object.entries(args[0])) define(map, key, value);
      return createLogger(bridge, context, map, true);
    },
    getFields: () => fields,
  };
  return Object.freeze(logger) as Logger;
}
