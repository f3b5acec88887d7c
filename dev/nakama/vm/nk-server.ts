// The functions of `nk` that touch the server: HTTP, matches, notifications, users, tokens, cache, files, metrics.

import type * as Fs from 'node:fs';
import type * as Path from 'node:path';
import type { Bridge } from './bridge.ts';
import type { HttpResponse } from '../http-request.ts';
import { GoError } from './errors.ts';
import { rememberBytes } from './imported-text.ts';
import { notificationFunctions } from './nk-notifications.ts';
import { absent, boolean, define, exportValue, float, goMap, integer, isInteger, isMap } from './values.ts';
import { GoTime, string, stringArray, stringMap, uuid } from './values.ts';

type Native = (...args: unknown[]) => unknown;
/** The mode of a party's stream. */
const PARTY = 7;

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'];

/** Arrays that Nakama made of Go slices holding JavaScript objects: they cannot be passed on to another VM. */
export const hostSlices = new WeakSet<object>();

/** Go's gob knows maps, slices, strings, numbers and booleans; anything else in a match's params is refused. */
function canEncode(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (typeof value !== 'object') return typeof value !== 'function' && typeof value !== 'bigint';
  if (hostSlices.has(value) || value instanceof GoTime) return false;
  if (Array.isArray(value)) return value.every(canEncode);
  if (value instanceof Set) return [...value].every(canEncode);
  return isMap(value) && Object.values(value).every(canEncode);
}

function httpRequest(bridge: Bridge): Native {
  return (url, method, headers, body, timeout, insecure) => {
    const target = string(url);
    const verb = string(method).toUpperCase();
    const fields = absent(headers) ? {} : stringMap(headers);
    const content = absent(body) ? '' : string(body);
    const given = absent(timeout) ? 0 : integer(timeout);
    const lenient = absent(insecure) ? false : boolean(insecure);
    if (target === '') throw new TypeError('URL string cannot be empty.');
    if (!METHODS.includes(verb))
      throw new TypeError("Invalid method must be one of: 'get', 'post', 'put', 'patch', 'delete', 'head'.");
    const request = { url: target, method: verb, headers: fields, body: content, timeoutMs: given > 0 ? given : 5000 };
    const { raw, ...response } = bridge.call('httpRequest', [{ ...request, insecure: lenient }]) as HttpResponse;
    if (raw) rememberBytes(response.body, raw);
    return goMap(response);
  };
}

function matchFunctions(bridge: Bridge): Record<string, Native> {
  return {
    matchCreate: (module, params) => {
      const name = string(module);
      if (name === '') throw new TypeError('expects module name');
      const given = params === undefined ? {} : params;
      if (!isMap(given)) throw new TypeError('expects params to be an object');
      const prefix = 'error creating match: ';
      if (!canEncode(given)) throw new GoError(`${prefix}${prefix}cannot encode params`);
      return bridge.call('matchCreate', [name, JSON.stringify(exportValue(given))], prefix);
    },
    matchGet: (id) => {
      const match = bridge.call('matchGet', [string(id)], 'failed to get match: ');
      return match === null ? null : goMap(match);
    },
    matchList: (limit, authoritative, label, minSize, maxSize, query) => {
      const filter = {
        limit: limit === undefined ? 1 : integer(limit),
        authoritative: absent(authoritative) ? null : boolean(authoritative),
        label: absent(label) ? null : string(label),
        minSize: absent(minSize) ? null : integer(minSize),
        maxSize: absent(maxSize) ? null : integer(maxSize),
        query: absent(query) ? null : string(query),
      };
      return goMap(bridge.call('matchList', [filter], 'failed to list matches: '));
    },
    matchSignal: (id, data) =>
      bridge.call('matchSignal', [string(id), data === undefined ? '' : string(data)], 'failed to signal match: '),
  };
}

function userFunctions(bridge: Bridge): Record<string, Native> {
  const ids = (value: unknown, message: string): string[] =>
    stringArray(value, message).map((id) => uuid(id, 'each user id must be a valid id string'));
  return {
    usersGetId: (list, facebookIds) => {
      if (!absent(facebookIds) && stringArray(facebookIds, 'expects an array of ids').length > 0)
        throw new Error('the embedded runtime implements nk.usersGetId without Facebook ids');
      const users = absent(list) ? [] : ids(list, 'expects an array of ids');
      return goMap(bridge.call('usersGetId', [users], 'failed to get users: '));
    },
    accountGetId: (id) => {
      const user = string(id);
      if (user === '') throw new TypeError('expects user id');
      return goMap(bridge.call('accountGetId', [uuid(user, 'invalid user id')], 'error getting account: '));
    },
    accountsGetId: (list) =>
      goMap(bridge.call('accountsGetId', [ids(list, 'expects an array of user ids')], 'failed to get accounts: ')),
    friendsList: (id, limit, state, cursor) => {
      const user = uuid(string(id), 'expects user ID to be a valid identifier');
      if (!absent(cursor) && cursor !== '') throw new Error('the embedded runtime lists all friends in one page');
      const most = absent(limit) ? 100 : integer(limit);
      if (most < 1 || most > 1000) throw new TypeError('expects limit to be 1-1000');
      return goMap(
        bridge.call('friendsList', [user, most, absent(state) ? null : integer(state)], 'error listing friends: '),
      );
    },
    streamUserList: (stream) => {
      if (!isMap(stream)) throw new TypeError('expects a stream object');
      const { mode, subject, label } = exportValue(stream) as { [key: string]: unknown };
      if (mode !== PARTY) throw new Error('the embedded runtime lists the streams of parties only');
      const party = uuid(string(subject), 'stream subject must be a valid identifier');
      return goMap(bridge.call('partyMembers', [`${party}.${string(label)}`], 'error listing stream users: '));
    },
    authenticateTokenGenerate: (id, username, exp, vars) => {
      const text = string(id);
      if (text === '') throw new TypeError('expects user id');
      uuid(text, 'expects valid user id');
      const name = absent(username) ? '' : string(username);
      const until = absent(exp) ? null : integer(exp);
      const claims = absent(vars) ? null : stringMap(vars);
      return bridge.call('tokenGenerate', [text, name, until, claims]);
    },
  };
}

function leaderboardFunctions(bridge: Bridge): Record<string, Native> {
  const metadataOf = (value: unknown): string | null => {
    if (absent(value)) return null;
    if (!isMap(value)) throw new TypeError('expects metadata to be an object');
    return JSON.stringify(exportValue(value));
  };
  const board = (id: unknown): string => {
    const name = string(id);
    if (name === '') throw new TypeError('expects a leaderboard ID string');
    return name;
  };
  /** As `best`, `set` or `incr`; undefined for anything else. */
  const operatorOf = (name: string): string | undefined =>
    ['best', 'set', 'incr'].find((known) => name === known || (known === 'incr' && name === 'increment'));
  return {
    leaderboardCreate: (id, authoritative, sortOrder, operator, resetSchedule, metadata, enableRanks) => {
      const name = board(id);
      const locked = authoritative === undefined ? false : boolean(authoritative);
      const order = sortOrder === undefined ? 'desc' : string(sortOrder);
      if (!['asc', 'ascending', 'desc', 'descending'].includes(order))
        throw new TypeError("expects sort order to be 'asc' or 'desc'");
      const how = operator === undefined ? 'best' : string(operator);
      if (how.startsWith('decr') || !absent(resetSchedule) || (!absent(enableRanks) && boolean(enableRanks)))
        throw new Error('the embedded runtime has leaderboards without decrements, reset schedules and ranks');
      if (operatorOf(how) === undefined) throw new TypeError("expects operator to be 'best', 'set', 'decr' or 'incr'");
      const args = [name, locked, order, operatorOf(how), metadataOf(metadata) ?? '{}'];
      bridge.call('leaderboardCreate', args, 'error creating leaderboard: ');
    },
    leaderboardRecordWrite: (id, owner, username, score, subscore, metadata, override) => {
      const args = [
        board(id),
        uuid(string(owner), 'expects owner ID to be a valid identifier'),
        absent(username) || username === '' ? null : string(username),
        absent(score) ? 0 : integer(score),
        absent(subscore) ? 0 : integer(subscore),
        metadataOf(metadata),
      ];
      const how = absent(override) ? null : operatorOf(string(override).toLowerCase());
      if (how === undefined) throw new TypeError('invalid operator');
      return goMap(
        bridge.call('leaderboardRecordWrite', [...args, how], 'error writing leaderboard record: ') as object,
      );
    },
  };
}

function cacheFunctions(bridge: Bridge): Record<string, Native> {
  const key = (value: unknown): string => {
    const text = string(value);
    if (text === '') throw new TypeError('expects non empty key string');
    return text;
  };
  return {
    localcacheGet: (name, fallback) => {
      const found = bridge.call('localcacheGet', [key(name)]);
      return found === undefined ? fallback : found;
    },
    localcachePut: (name, value, ttl) => {
      const cacheKey = key(name);
      if (value === undefined || value === null) throw new TypeError('expects a non empty value');
      if (!['string', 'number', 'boolean'].includes(typeof value))
        throw new TypeError('unsupported value type: must be string, numeric or boolean');
      const seconds = absent(ttl) ? 0 : integer(ttl);
      if (seconds < 0) throw new TypeError('ttl must be 0 or more');
      bridge.call('localcachePut', [cacheKey, value, seconds]);
    },
    localcacheDelete: (name) => void bridge.call('localcacheDelete', [key(name)]),
    localcacheClear: () => void bridge.call('localcacheClear', []),
  };
}

function metricFunctions(bridge: Bridge): Record<string, Native> {
  const record = (fn: string, name: unknown, tags: unknown, value: number): void =>
    bridge.post({ t: 'cast', fn, args: [string(name), stringMap(tags), value] });
  return {
    metricsCounterAdd: (name, tags, delta) => record('metricsCounterAdd', name, tags, integer(delta)),
    metricsGaugeSet: (name, tags, value) => record('metricsGaugeSet', name, tags, float(value)),
    metricsTimerRecord: (name, tags, nanoseconds) => {
      if (!isInteger(nanoseconds)) throw new TypeError('expects number');
      record('metricsTimerRecord', name, tags, nanoseconds);
    },
  };
}

function fileRead(load: NodeJS.Require, root: string): Native {
  return (relative) => {
    const name = string(relative);
    if (name === '') throw new TypeError('expects relative path string');
    // Joined without a check, as in Nakama: "../" leads out of the folder.
    const file = (load('node:path') as typeof Path).join(root, name);
    try {
      return (load('node:fs') as typeof Fs).readFileSync(file, 'utf8');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EISDIR') throw new GoError(`failed to read file: read ${file}: is a directory`);
      const reason = code === 'EACCES' ? 'permission denied' : 'no such file or directory';
      throw new GoError(`failed to open file: open ${file}: ${reason}`);
    }
  };
}

export function serverFunctions(
  bridge: Bridge,
  load: NodeJS.Require,
  version: string,
  modulePath: string,
): Record<string, Native> {
  const functions: Record<string, Native> = {
    ...matchFunctions(bridge),
    ...notificationFunctions(bridge, version),
    ...userFunctions(bridge),
    ...leaderboardFunctions(bridge),
    ...cacheFunctions(bridge),
    ...metricFunctions(bridge),
  };
  define(functions, 'httpRequest', httpRequest(bridge));
  for (const name of ['sqlQuery', 'sqlExec']) {
    define(functions, name, (query: unknown, parameters: unknown) => {
      const values = parameters === undefined ? [] : exportValue(parameters);
      if (!Array.isArray(values)) throw new TypeError('expects array of query params');
      return bridge.call(name, [string(query), values], 'failed to exec db query: ');
    });
  }
  define(functions, 'fileRead', fileRead(load, modulePath));
  return functions;
}
