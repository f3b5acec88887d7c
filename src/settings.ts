import { metadataProblem } from './metadata';
import { hasUnstorable, isRegionName } from './text';
import { isEnvironment, isImageName, isObject, isPortName, parseDuration } from './values';
import { readWarmRule, type WarmRule } from './warm-rule';

/*
 * What a mode can say instead of the variables (GAMEYE_MODES), and a request instead of its mode. Names as in JSON are those
 * of the table below; durations are texts such as "90s".
 */

export interface Settings {
  image?: string;
  version?: string;
  regions?: string[];
  ttl?: string;
  ttlMs?: number;
  port?: string;
  /** Arguments for the program in the container. */
  args?: string[];
  /** The container's environment, beside what this module sets. */
  env?: { [name: string]: string };
  metadata?: { [key: string]: unknown };
  maxPlayers?: number;
  /** How many may watch in one session; undefined: nobody. */
  maxSpectators?: number;
  /** How many sessions of the mode may run or start at once. */
  mostOfMode?: number;
  createTimeoutMs?: number;
  ready?: 'started' | 'server';
  serverTimeoutMs?: number;
  reconnectMs?: number;
  backfill?: boolean;
  /** The leaderboard on which the scores of results are written. */
  leaderboard?: string;
  /** How many sessions are kept started and empty, so that a match finds one. */
  warm?: WarmRule;
}

/** What a request says for its own session, as JSON, beside the fields that it always had. */
export interface RequestSettings {
  /** "30m", "2h". */
  ttl?: string;
  /** "7777/udp". */
  port?: string;
  /** "90s", "2m". */
  create_timeout?: string;
  /** Arguments of the program in the container. */
  args?: string[];
  /** When players are told. */
  ready?: 'started' | 'server';
}

/** Says what is wrong with a field. */
export type Complain = (field: string, rule: string) => void;

/** Undefined: the value is wrong. One with parts says itself which are, by their path in the value. */
type Reader = (value: unknown, wrong: (path: string, rule: string) => void) => Settings | undefined;

const whole = (most: number, make: (value: number) => Settings): Reader => {
  return (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most ? make(value) : undefined;
};
const duration = (units: string, make: (ms: number, value: string) => Settings): Reader => {
  return (value) => {
    const ms = typeof value === 'string' ? parseDuration(value, units) : undefined;
    return ms === undefined ? undefined : make(ms, value as string);
  };
};

const READERS: { [field: string]: { read: Reader; rule: string } } = {
  image: {
    read: (value) => (isImageName(value) ? { image: value } : undefined),
    rule: 'must be a text of 1 to 200 characters without spaces.',
  },
  version: {
    read: (value) => (isImageName(value) ? { version: value } : undefined),
    rule: 'must be a text of 1 to 200 characters without spaces.',
  },
  regions: {
    read: (value) => (isRegionList(value) ? { regions: value } : undefined),
    rule: 'must be a list of 1 to 50 different regions.',
  },
  ttl: {
    read: duration('mh', (ttlMs, ttl) => ({ ttl, ttlMs })),
    rule: 'must be a duration such as 30m or 2h (units: m, h).',
  },
  port: {
    read: (value) => (typeof value === 'string' && isPortName(value) ? { port: value } : undefined),
    rule: 'must be PORT/udp or PORT/tcp, such as 7777/udp.',
  },
  args: {
    read: (value) => (isArgumentList(value) ? { args: value } : undefined),
    rule: 'must be a list of at most 100 texts of 1 to 1000 characters.',
  },
  env: {
    read: (value) => (isEnvironment(value) && !hasUnstorable(value) ? { env: value } : undefined),
    rule: 'must be an object of non-empty texts, with names such as GAME_MODE.',
  },
  metadata: {
    read: (value) => (isObject(value) && !hasUnstorable(value) ? { metadata: value } : undefined),
    rule: 'must be a JSON object.',
  },
  max_players: {
    read: whole(10_000, (maxPlayers) => ({ maxPlayers })),
    rule: 'must be a whole number from 1 to 10000.',
  },
  max_spectators: {
    read: whole(1000, (maxSpectators) => ({ maxSpectators })),
    rule: 'must be a whole number from 1 to 1000.',
  },
  max_sessions: {
    read: whole(100_000, (mostOfMode) => ({ mostOfMode })),
    rule: 'must be a whole number from 1 to 100000.',
  },
  create_timeout: {
    read: duration('smh', (createTimeoutMs) => ({ createTimeoutMs })),
    rule: 'must be a duration such as 90s or 2m (units: s, m, h).',
  },
  ready: {
    read: (value) => (value === 'started' || value === 'server' ? { ready: value } : undefined),
    rule: 'must be started or server.',
  },
  server_timeout: {
    read: duration('smh', (serverTimeoutMs) => ({ serverTimeoutMs })),
    rule: 'must be a duration such as 60s or 2m (units: s, m, h).',
  },
  reconnect: {
    read: duration('smh', (reconnectMs) => ({ reconnectMs })),
    rule: 'must be a duration such as 60s or 2m (units: s, m, h).',
  },
  backfill: {
    read: (value) => (typeof value === 'boolean' ? { backfill: value } : undefined),
    rule: 'must be true or false.',
  },
  leaderboard: {
    read: (value) => (typeof value === 'string' && isLeaderboardName(value) ? { leaderboard: value } : undefined),
    rule: 'must be the id of a leaderboard: 1 to 128 letters, digits, ".", "_" and "-".',
  },
  warm: {
    read: (value, wrong) => {
      const warm = readWarmRule(value, wrong);
      return warm ? { warm } : {};
    },
    rule: '',
  },
};

/** Everything that a mode can say. */
export const MODE_FIELDS = Object.keys(READERS);

/** Those of them that a request has in no field of its own. */
export const REQUEST_SETTINGS = ['ttl', 'port', 'args', 'ready', 'create_timeout'];

/** Reads those of the fields that are there; every mistake is said, and what is wrong is left out. */
export function readSettings(
  payload: { [field: string]: unknown },
  fields: string[],
  canReport: boolean,
  complain: Complain,
): Settings {
  let settings: Settings = {};
  for (const field of fields) {
    const value = payload[field];
    if (value === undefined || value === null) continue;
    const { read, rule } = READERS[field] as (typeof READERS)[string];
    const own = read(value, (path, why) => complain(`${field}${path}`, why));
    if (!own) complain(field, rule);
    else settings = { ...settings, ...own };
    const problem = own?.metadata && metadataProblem(own.metadata);
    if (problem !== undefined) complain(field, `is refused: ${problem}`);
  }
  if (settings.ready === 'server' && !canReport) {
    complain(
      'ready',
      'is server, but GAMEYE_NAKAMA_URL is not set: game servers have no way to say that they are ready.',
    );
  }
  if (settings.serverTimeoutMs !== undefined && !canReport) {
    complain('server_timeout', 'is set, but GAMEYE_NAKAMA_URL is not: game servers have no way to say that they live.');
  }
  return settings;
}

/** True for different regions, as Gameye names them. */
export function isRegionList(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= 50 &&
    value.every((one) => typeof one === 'string' && isRegionName(one)) &&
    new Set(value).size === value.length
  );
}

/** True for what can be the id of a leaderboard here; Nakama takes more. */
export function isLeaderboardName(text: string): boolean {
  return /^[A-Za-z0-9_.-]{1,128}$/.test(text);
}

function isArgumentList(value: unknown): value is string[] {
  const isArgument = (one: unknown): boolean => typeof one === 'string' && one !== '' && one.length <= 1000;
  return Array.isArray(value) && value.length <= 100 && value.every(isArgument) && !hasUnstorable(value);
}
