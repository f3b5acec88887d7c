import type { Context, Nakama } from './nakama/runtime';
import { isPlainUrl, isPrivate } from './address';
import { readEnvironment, type Lookup, type Problem } from './environment';
import { parseModes, type Modes } from './modes';
import { isLeaderboardName } from './settings';
import { isPortName, parseDuration, parseJson } from './values';
import { readWarmRule, warmProblem, type WarmRule } from './warm-rule';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;

/** The module's settings, validated. Durations are milliseconds. */
export interface Config {
  apiUrl: string;
  apiToken: string;
  image: string;
  /** Undefined: Gameye starts the tag with the highest priority. */
  version?: string;
  /** In order of preference, at least one. */
  regions: string[];
  /** As the Session API takes it: "30m", "2h30m". */
  ttl: string;
  ttlMs: number;
  /** "7777/udp"; undefined: the lowest exposed port. */
  port?: string;
  /** Undefined: the size of each matched group. */
  maxPlayers?: number;
  /** How many may watch in one session; undefined: nobody. */
  maxSpectators?: number;
  createTimeoutMs: number;
  /** Groups are seated in running sessions with room before a session is started for them. */
  backfill: boolean;
  /** The leaderboard on which the scores of results are written; undefined: they are not. */
  leaderboard?: string;
  /** When players are told: as soon as the session has started, or when its game server says so. */
  ready: 'started' | 'server';
  seatTimeoutMs: number;
  /** How long the seat of a player is held whose connection was lost, as their game server says. */
  reconnectMs: number;
  /** How long a game server that has reported may be silent; undefined: for ever. */
  serverTimeoutMs?: number;
  /** How long a session may stay without players. */
  emptyGraceMs: number;
  reconcileIntervalMs: number;
  /** How many sessions of their own a player may ask for in a minute; 0 turns gameye_solo_match off. */
  soloPerMinute: number;
  /** How many sessions may be started for a player in a minute, whatever the way; undefined: no limit. */
  startsPerMinute?: number;
  /** How many sessions may run or start at once, over all nodes; undefined: no limit of ours. */
  maxSessions?: number;
  /** How many minutes all sessions of a day (UTC) may have together; undefined: no limit of ours. */
  maxMinutesPerDay?: number;
  /** Of which mode this is the configuration; empty: of none. */
  mode: string;
  /** What modes say instead of the variables, by their names. */
  modes: Modes;
  /** The ticket's property that names its mode. */
  modeProperty: string;
  /** What only a mode has: how many sessions of it may run at once, and what its containers get. */
  mostOfMode?: number;
  args?: string[];
  env?: { [name: string]: string };
  metadata?: { [key: string]: unknown };
  /** How many sessions are kept started and empty; of a mode what it says itself. */
  warm?: WarmRule;
  /** A matchmaker property that marks a ticket as ours; undefined: every match is. */
  matchProperty?: { name: string; value?: string };
  pingPrefix: string;
  /** Regions farther than this from a player are not used, in milliseconds. */
  maxPingMs?: number;
  /** What seat tokens and credentials of game servers are derived from. */
  seatSecret: string;
  /** The one before: credentials that were derived from it are still good. */
  previousSeatSecret?: string;
  nakamaUrl?: string;
  /** Through which browsers reach game servers. */
  relay?: { url: string; secret: string };
  fleet: string;
  /** Which notifications players get, at least one kind. */
  notify: Dialect[];
}

/** `gameye`: gameye_match and gameye_failed. `connection-info`: that of the guides to Nakama's older fleet managers. */
export type Dialect = 'gameye' | 'connection-info';

export type Configured = ({ config: Config } | { problems: Problem[] }) & { warnings: Problem[] };

const KNOWN = [
  'GAMEYE_API_TOKEN',
  'GAMEYE_API_URL',
  'GAMEYE_API_IMAGE',
  'GAMEYE_API_IMAGE_VERSION',
  'GAMEYE_API_REGION',
  'GAMEYE_API_TTL',
  'GAMEYE_API_PORT',
  'GAMEYE_MAX_PLAYERS',
  'GAMEYE_MAX_SPECTATORS',
  'GAMEYE_CREATE_TIMEOUT',
  'GAMEYE_READY',
  'GAMEYE_BACKFILL',
  'GAMEYE_LEADERBOARD',
  'GAMEYE_SEAT_TIMEOUT',
  'GAMEYE_RECONNECT',
  'GAMEYE_SERVER_TIMEOUT',
  'GAMEYE_EMPTY_GRACE',
  'GAMEYE_RECONCILE_INTERVAL',
  'GAMEYE_SOLO_PER_MINUTE',
  'GAMEYE_STARTS_PER_MINUTE',
  'GAMEYE_MAX_SESSIONS',
  'GAMEYE_MAX_MINUTES_PER_DAY',
  'GAMEYE_WARM',
  'GAMEYE_MODES',
  'GAMEYE_MODE_PROPERTY',
  'GAMEYE_MATCH_PROPERTY',
  'GAMEYE_PING_PREFIX',
  'GAMEYE_MAX_PING',
  'GAMEYE_SEAT_SECRET',
  'GAMEYE_SEAT_SECRET_PREVIOUS',
  'GAMEYE_NAKAMA_URL',
  'GAMEYE_RELAY_URL',
  'GAMEYE_RELAY_SECRET',
  'GAMEYE_FLEET',
  'GAMEYE_NOTIFY',
];

// A closure variable, so mutable although Nakama freezes globals; each VM has its own.
let configured: Configured | undefined;

/** Where the first VM leaves what it read for the others: a match has a VM of its own, and reading takes longer than parsing. */
const CACHE_KEY = 'gameye_config';

/** Tells what is derived here from an API token apart from whatever else anybody derives from it. */
const SEAT_SECRET_LABEL = 'gameye-seat-secret';

const YES = ['on', 'true', 'yes', '1'];
const NO = ['off', 'false', 'no', '0'];

/** The configuration: read once per process, then kept. `GAMEYE_*` variables cannot change while Nakama runs. */
export function getConfig(ctx: Context, nk: Nakama): Configured {
  if (configured) return configured;
  const cached = nk.localcacheGet(CACHE_KEY);
  configured =
    typeof cached === 'string'
      ? (JSON.parse(cached) as Configured)
      : parseConfig(readEnvironment(ctx, nk, KNOWN), (apiToken) =>
          nk.base16Encode(nk.hmacSha256Hash(SEAT_SECRET_LABEL, apiToken)).toLowerCase(),
        );
  if (typeof cached !== 'string') nk.localcachePut(CACHE_KEY, JSON.stringify(configured));
  return configured;
}

/**
 * Reads every variable and reports all mistakes at once, or the configuration. Pure. `seatSecretOf` derives the seat secret
 * from the API token where none is set.
 */
export function parseConfig(environment: Lookup, seatSecretOf: (apiToken: string) => string): Configured {
  const problems: Problem[] = [...environment.problems];
  const isNamed = (name: string): boolean => environment.problems.some(({ variable }) => variable === name);
  // What is wrong with how a variable is set comes first: what follows from that is no problem of its own.
  const problem = (variable: string, advice: string): undefined => {
    if (!isNamed(variable) && !isNamed(`${variable}_FILE`)) problems.push({ variable, advice });
  };
  const value = (variable: string): string | undefined => environment.values[variable]?.trim() || undefined;
  const required = (variable: string, advice: string): string =>
    value(variable) ?? (problem(variable, `is not set: ${advice}`), '');

  const apiToken = required('GAMEYE_API_TOKEN', 'set it to the API token of your Gameye account.');
  if (/[^\x21-\x7e]/.test(apiToken))
    problem('GAMEYE_API_TOKEN', 'contains a space or control character: set the bare token.');

  const apiUrl = required(
    'GAMEYE_API_URL',
    'set it to https://api.production-gameye.gameye.net or your sandbox.',
  ).replace(/\/+$/, '');
  if (apiUrl && !isPlainUrl(apiUrl)) {
    problem('GAMEYE_API_URL', 'must be http(s)://host[:port][/path] without user, query or fragment.');
  }
  const image = required('GAMEYE_API_IMAGE', 'set it to the name of your application at Gameye.');
  const regions = (
    required('GAMEYE_API_REGION', 'set it to a region, or to a list in order of preference: eu-central-1,eu-west-1.') ||
    ''
  )
    .split(',')
    .map((region) => region.trim())
    .filter((region) => region !== '');
  if (regions.length === 0 && value('GAMEYE_API_REGION') !== undefined) {
    problem('GAMEYE_API_REGION', 'names no region: set it to one, or to a list such as eu-central-1,eu-west-1.');
  }
  for (const region of regions) {
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(region)) {
      problem('GAMEYE_API_REGION', 'may contain letters, digits, ".", "_" and "-", with commas between regions.');
      break;
    }
  }
  if (new Set(regions).size !== regions.length) problem('GAMEYE_API_REGION', 'names a region twice: name each once.');

  const duration = (variable: string, fallback: string, units: string): number => {
    const ms = parseDuration(value(variable) ?? fallback, units);
    if (ms !== undefined) return ms;
    problem(variable, `must be a duration of at least 1 such as ${fallback} (units: ${units.split('').join(', ')}).`);
    return 0;
  };
  // The Session API takes minutes and hours only.
  const ttlMs = duration('GAMEYE_API_TTL', '30m', 'mh');
  const createTimeoutMs = duration('GAMEYE_CREATE_TIMEOUT', '60s', 'smh');
  const seatTimeoutMs = duration('GAMEYE_SEAT_TIMEOUT', '60s', 'smh');
  const reconnectMs = duration('GAMEYE_RECONNECT', '60s', 'smh');
  const serverTimeoutMs =
    value('GAMEYE_SERVER_TIMEOUT') === undefined ? undefined : duration('GAMEYE_SERVER_TIMEOUT', '60s', 'smh');
  const emptyGraceMs = duration('GAMEYE_EMPTY_GRACE', '60s', 'smh');
  const reconcileIntervalMs = duration('GAMEYE_RECONCILE_INTERVAL', '2m', 'smh');

  const port = value('GAMEYE_API_PORT');
  if (port !== undefined && !isPortName(port))
    problem('GAMEYE_API_PORT', 'must be PORT/udp or PORT/tcp, such as 7777/udp.');

  // Number() would take 1e3 and 0x10, which nobody means.
  const wholeNumber = (variable: string, least: number, most: number): number | undefined => {
    const text = value(variable);
    if (text === undefined) return undefined;
    const parsed = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
    if (parsed >= least && parsed <= most) return parsed;
    return problem(variable, `must be a whole number from ${least} to ${most}.`);
  };
  const maxPlayers = wholeNumber('GAMEYE_MAX_PLAYERS', 1, 10_000);
  const maxSpectators = wholeNumber('GAMEYE_MAX_SPECTATORS', 1, 1000);
  const maxPingMs = wholeNumber('GAMEYE_MAX_PING', 1, 60_000);
  const soloPerMinute = wholeNumber('GAMEYE_SOLO_PER_MINUTE', 0, 1000) ?? 6;
  const startsPerMinute = wholeNumber('GAMEYE_STARTS_PER_MINUTE', 0, 1000) ?? 12;
  const maxSessions = wholeNumber('GAMEYE_MAX_SESSIONS', 1, 100_000);
  const maxMinutesPerDay = wholeNumber('GAMEYE_MAX_MINUTES_PER_DAY', 1, 100_000_000);

  const matchPropertyText = value('GAMEYE_MATCH_PROPERTY');
  const matchProperty = matchPropertyText === undefined ? undefined : parseMatchProperty(matchPropertyText);
  if (matchPropertyText !== undefined && !matchProperty) {
    problem('GAMEYE_MATCH_PROPERTY', 'must be name or name=value, such as mode=gameye.');
  }

  const secret = (variable: string): string | undefined => {
    const text = value(variable);
    if (text === undefined || text.length >= 32) return text;
    return problem(variable, 'is too short: set at least 32 random characters (openssl rand -hex 32).');
  };
  const seatSecret = secret('GAMEYE_SEAT_SECRET');
  const previousSeatSecret = secret('GAMEYE_SEAT_SECRET_PREVIOUS');
  const nakamaUrl = value('GAMEYE_NAKAMA_URL')?.replace(/\/+$/, '');
  if (nakamaUrl !== undefined && !isPlainUrl(nakamaUrl)) {
    problem('GAMEYE_NAKAMA_URL', 'must be http(s)://host[:port], where game servers reach Nakama.');
  }

  const relayUrl = value('GAMEYE_RELAY_URL')?.replace(/\/+$/, '');
  const relaySecret = value('GAMEYE_RELAY_SECRET');
  if (relayUrl !== undefined && !isPlainUrl(relayUrl.replace(/^ws/, 'http'))) {
    problem('GAMEYE_RELAY_URL', 'must be ws(s):// or http(s)://host[:port][/path], where browsers reach the relay.');
  }
  if (relaySecret !== undefined && relaySecret.length < 32) {
    problem('GAMEYE_RELAY_SECRET', 'is too short: set at least 32 random characters (openssl rand -hex 32).');
  }
  if ((relayUrl === undefined) !== (relaySecret === undefined)) {
    const [missing, there] = relayUrl === undefined ? ['URL', 'SECRET'] : ['SECRET', 'URL'];
    problem(`GAMEYE_RELAY_${missing}`, `is not set, but GAMEYE_RELAY_${there} is: the relay needs both.`);
  }

  const backfill = value('GAMEYE_BACKFILL')?.toLowerCase() ?? 'off';
  if (!YES.includes(backfill) && !NO.includes(backfill)) problem('GAMEYE_BACKFILL', 'must be on or off.');

  const leaderboard = value('GAMEYE_LEADERBOARD');
  if (leaderboard !== undefined && !isLeaderboardName(leaderboard)) {
    problem('GAMEYE_LEADERBOARD', 'must be the id of a leaderboard: 1 to 128 letters, digits, ".", "_" and "-".');
  }

  const ready = value('GAMEYE_READY') ?? 'started';
  if (ready !== 'started' && ready !== 'server') problem('GAMEYE_READY', 'must be started or server.');
  if (ready === 'server' && nakamaUrl === undefined) {
    problem(
      'GAMEYE_NAKAMA_URL',
      'is not set, but GAMEYE_READY=server is: game servers have no way to say that they are ready.',
    );
  }

  if (serverTimeoutMs !== undefined && nakamaUrl === undefined) {
    problem(
      'GAMEYE_NAKAMA_URL',
      'is not set, but GAMEYE_SERVER_TIMEOUT is: game servers have no way to say that they live.',
    );
  }

  const fleet = value('GAMEYE_FLEET') ?? 'default';
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(fleet))
    problem('GAMEYE_FLEET', 'may have 1 to 64 letters, digits, ".", "_" and "-".');

  const notify = (value('GAMEYE_NOTIFY') ?? 'gameye').split(',').map((dialect) => dialect.trim()) as Dialect[];
  if (notify.some((dialect) => dialect !== 'gameye' && dialect !== 'connection-info')) {
    problem('GAMEYE_NOTIFY', 'must be gameye, connection-info, or both with a comma.');
  }

  const modeProperty = value('GAMEYE_MODE_PROPERTY') ?? 'mode';
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(modeProperty)) {
    problem(
      'GAMEYE_MODE_PROPERTY',
      'must be the name of a string property of tickets: letters, digits, ".", "_" and "-".',
    );
  }
  const modesText = value('GAMEYE_MODES');
  const { modes, problems: wrongModes } =
    modesText === undefined ? { modes: {}, problems: [] } : parseModes(modesText, nakamaUrl !== undefined);
  wrongModes.forEach(({ variable, advice }) => problem(variable, advice));

  const warmText = value('GAMEYE_WARM');
  const warm =
    warmText === undefined
      ? undefined
      : readWarmRule(parseJson(warmText), (path, rule) => void problem('GAMEYE_WARM', `${path} ${rule}`.trim()));
  const unkept = warm && warmProblem(warm, regions, maxPlayers);
  if (unkept !== undefined) problem('GAMEYE_WARM', unkept.trim().replace('max_players', 'GAMEYE_MAX_PLAYERS'));
  for (const [name, mode] of Object.entries(modes)) {
    const wrong = mode.warm && warmProblem(mode.warm, mode.regions ?? regions, mode.maxPlayers ?? maxPlayers);
    if (wrong !== undefined) problem('GAMEYE_MODES', `${name}.warm${wrong}`);
  }

  const warnings = [...environment.warnings, ...addressWarnings(apiUrl, nakamaUrl)];
  for (const name of environment.names) {
    if (KNOWN.includes(name.replace(/_FILE$/, ''))) continue;
    warnings.push({ variable: name, advice: 'is not a variable of this module: check its spelling.' });
  }
  if (problems.length > 0) return { problems, warnings };
  const version = value('GAMEYE_API_IMAGE_VERSION');
  return {
    config: {
      apiUrl,
      apiToken,
      image,
      ...(version === undefined ? {} : { version }),
      regions,
      ttl: value('GAMEYE_API_TTL') ?? '30m',
      ttlMs,
      ...(port === undefined ? {} : { port }),
      ...(maxPlayers === undefined ? {} : { maxPlayers }),
      ...(maxSpectators === undefined ? {} : { maxSpectators }),
      createTimeoutMs,
      ready: ready === 'server' ? 'server' : 'started',
      backfill: YES.includes(backfill),
      ...(leaderboard === undefined ? {} : { leaderboard }),
      seatTimeoutMs,
      reconnectMs,
      ...(serverTimeoutMs === undefined ? {} : { serverTimeoutMs }),
      emptyGraceMs,
      reconcileIntervalMs,
      soloPerMinute,
      ...(startsPerMinute === 0 ? {} : { startsPerMinute }),
      ...(maxSessions === undefined ? {} : { maxSessions }),
      ...(maxMinutesPerDay === undefined ? {} : { maxMinutesPerDay }),
      mode: '',
      modes,
      modeProperty,
      ...(warm ? { warm } : {}),
      ...(matchProperty === undefined ? {} : { matchProperty }),
      pingPrefix: value('GAMEYE_PING_PREFIX') ?? 'ping_',
      ...(maxPingMs === undefined ? {} : { maxPingMs }),
      seatSecret: seatSecret ?? seatSecretOf(apiToken),
      ...(previousSeatSecret === undefined ? {} : { previousSeatSecret }),
      ...(nakamaUrl === undefined ? {} : { nakamaUrl }),
      ...(relayUrl === undefined || relaySecret === undefined ? {} : { relay: { url: relayUrl, secret: relaySecret } }),
      fleet,
      notify,
    },
    warnings,
  };
}

function addressWarnings(apiUrl: string, nakamaUrl: string | undefined): Problem[] {
  const warnings: Problem[] = [];
  if (apiUrl.startsWith('http://') && !isPrivate(apiUrl)) {
    warnings.push({
      variable: 'GAMEYE_API_URL',
      advice: 'is http://: the API token can be read on its way. Use https://.',
    });
  }
  if (nakamaUrl !== undefined && isPrivate(nakamaUrl)) {
    const advice =
      'names a host of this machine or this network: where game servers at Gameye do not reach it, none reports.';
    warnings.push({ variable: 'GAMEYE_NAKAMA_URL', advice });
  }
  return warnings;
}

/** All problems as one text for a log line or an RPC error. */
export function describeProblems(problems: Problem[]): string {
  return problems.map((problem) => `${problem.variable} ${problem.advice}`).join(' ');
}

function parseMatchProperty(text: string): { name: string; value?: string } | undefined {
  const match = /^([A-Za-z0-9_.-]+)(?:=(.+))?$/.exec(text);
  if (!match?.[1]) return undefined;
  return match[2] === undefined ? { name: match[1] } : { name: match[1], value: match[2] };
}
