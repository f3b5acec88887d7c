// The functions of `nk` that touch the server: HTTP, matches, notifications, users, tokens, cache, files, metrics.

import type * as Fs from 'node:fs';
import type * as Path from 'node:path';
import type { Bridge } from './bridge.ts';
import { GoError } from './errors.ts';
import { goJson } from './go-json.ts';
import { absent, boolean, define, exportValue, float, goMap, integer, isInteger, isMap, mapArray } from './values.ts';
import { GoTime, string, stringArray, stringMap, uuid } from './values.ts';

type Native = (...args: unknown[]) => unknown;
const NIL = '00000000-0000-0000-0000-000000000000';
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
    const response = bridge.call('httpRequest', [{ ...request, insecure: lenient }]) as object;
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

interface Outgoing {
  userId: string;
  subject: string;
  content: string;
  code: number;
  senderId: string;
  persistent: boolean;
}

function checkedCode(value: unknown, version: string): number {
  const code = integer(value, "expects 'code' value to be a number");
  const system = code >= -2000 && code <= -1000 && Number(version.split('.')[1]) >= 30;
  if (code <= 0 && !system) throw new TypeError("expects 'code' value to be a positive integer.");
  return code;
}

function notificationFunctions(bridge: Bridge, version: string): Record<string, Native> {
  const content = (value: unknown): string => {
    if (!isMap(value)) throw new TypeError("expects 'content' value to be an object");
    try {
      return goJson(value, version);
    } catch (error) {
      throw new GoError(`failed to convert content: ${(error as Error).message}`);
    }
  };
  return {
    notificationsSend: (list) => {
      if (absent(list)) throw new TypeError('expects a valid array of notifications');
      const outgoing = mapArray(list, 'expects notifications to be an array').map((map): Outgoing => {
        const note = { userId: NIL, subject: '', content: '', code: 0, senderId: NIL, persistent: false };
        if ('persistent' in map)
          note.persistent = boolean(map.persistent, "expects 'persistent' value to be a boolean");
        if ('subject' in map) note.subject = string(map.subject, "expects 'subject' value to be a string");
        if ('content' in map) note.content = content(map.content);
        if ('code' in map) note.code = checkedCode(map.code, version);
        for (const name of ['userId', 'senderId'] as const) {
          if (!(name in map)) continue;
          string(map[name], `expects '${name}' value to be a string`);
          note[name] = uuid(map[name], `expects '${name}' value to be a valid id`);
        }
        if (note.subject === '') throw new TypeError('expects subject to be provided and to be non-empty');
        if (note.content === '') throw new TypeError('expects content to be provided and be valid JSON');
        if (note.userId === NIL) throw new TypeError('expects userId to be provided and be a valid UUID');
        if (note.code === 0) throw new TypeError('expects code to be provided and be a number above 0');
        return note;
      });
      bridge.call('notificationsSend', [outgoing], 'failed to send notifications: ');
    },
    notificationSend: (userId, subject, body, code, senderId, persistent) => {
      const user = uuid(string(userId), 'expects valid user id');
      const title = string(subject);
      if (title === '') throw new TypeError('expects subject to be a non empty string');
      if (!isMap(body)) throw new TypeError('expects content to be an object');
      const number = integer(code);
      if (number <= 0) throw new TypeError('expects code to number to be a positive integer');
      const sender = absent(senderId) ? NIL : uuid(string(senderId), 'expects sender id to be a valid identifier');
      const keep = absent(persistent) ? false : boolean(persistent);
      const note = {
        userId: user,
        subject: title,
        content: content(body),
        code: number,
        senderId: sender,
        persistent: keep,
      };
      try {
        bridge.call('notificationsSend', [[note]], 'failed to send notifications: ');
      } catch (error) {
        bridge.fatal(
          `nk.notificationSend: ${(error as Error).message} – here Nakama panics and the whole server dies. Use nk.notificationsSend, whose errors can be caught.`,
        );
      }
    },
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
    ...cacheFunctions(bridge),
    ...metricFunctions(bridge),
  };
  define(functions, 'httpRequest', httpRequest(bridge));
  define(functions, 'fileRead', fileRead(load, modulePath));
  return functions;
}
