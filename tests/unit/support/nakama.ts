import { createHash, createHmac, randomUUID } from 'node:crypto';
import { SYSTEM_USER } from '../../../src/nakama/storage';
import type {
  Context,
  HttpResponse,
  Logger,
  Nakama,
  NotificationRequest,
  StorageDeleteRequest,
  StorageWriteAck,
  StorageWriteRequest,
} from '../../../src/nakama/runtime';

/** What the module asked the fake server to do, in order. */
export type Event =
  | { kind: 'read' | 'write' | 'delete'; keys: string[] }
  | { kind: 'http'; method: string; url: string; body: unknown }
  | { kind: 'notify'; notifications: NotificationRequest[] }
  | { kind: 'match'; module: string; params: { [key: string]: unknown } };

export interface LogLine {
  level: 'debug' | 'info' | 'warn' | 'error';
  message: string;
  fields: { [key: string]: string };
}

export interface HttpRequest {
  url: string;
  method: string;
  headers: { [header: string]: string };
  /** Parsed JSON, undefined when empty. */
  body: unknown;
  timeoutMs: number;
}

export interface FakeNakama {
  nk: Nakama;
  logger: Logger;
  events: Event[];
  log: LogLine[];
  requests: HttpRequest[];
  /** The stored value of `collection/key`, or undefined. */
  stored: (collection: string, key: string) => unknown;
  /** Every row, as `collection/key`; a player's ends in `@owner`. */
  rows: () => string[];
  put: (collection: string, key: string, value: object) => string;
  drop: (collection: string, key: string) => void;
  sent: () => NotificationRequest[];
  /** Hooks of a test: throw what the server would throw. */
  http: (request: HttpRequest) => HttpResponse;
  before: (event: Event) => void;
  /** After the work was done, as when the answer of the database gets lost. */
  after: (event: Event) => void;
  files: { [path: string]: string };
  indexQueries: unknown[][];
  indexAnswer: (args: unknown[]) => unknown;
}

/** The deployment whose sessions these are. */
export const OWNER = 'owner-1';

/** An error as Nakama's runtime throws it. */
export function goError(message: string): Error {
  const error = new Error(message);
  error.name = 'GoError';
  return error;
}

export const VERSION_CONFLICT = 'failed to write storage objects: Storage write rejected - version check failed.';
const DELETE_CONFLICT =
  'failed to remove storage: Storage delete rejected - not found, version check failed, or permission denied.';

/** A server whose storage has versions and whose batches are transactions; everything else is recorded. */
export function fakeNakama(): FakeNakama {
  const rows = new Map<string, { value: string; version: string }>();
  const log: LogLine[] = [];
  // Players' records by their owner; the system's without.
  const path = (row: { collection: string; key: string; userId: string }): string =>
    `${row.collection}/${row.key}${row.userId === '' || row.userId === SYSTEM_USER ? '' : `@${row.userId}`}`;
  const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
  const cache = new Map<string, { value: string; until: number }>();
  // A supervisor and a reconciler run on this node, as always, and it knows whose sessions it starts.
  cache.set('gameye_supervisor', { value: 'another match', until: Infinity });
  cache.set('gameye_reconciler', { value: 'another match', until: Infinity });
  cache.set('gameye_owner', { value: OWNER, until: Infinity });
  const act = <T>(event: Event, work: () => T): T => {
    fake.events.push(event);
    fake.before(event);
    const result = work();
    fake.after(event);
    return result;
  };
  const object = (row: { collection: string; key: string; userId: string }) => {
    const found = rows.get(path(row));
    if (!found) return [];
    const value = JSON.parse(found.value) as { [key: string]: unknown };
    return [{ ...row, version: found.version, value, createTime: 0, updateTime: 0 }];
  };

  const checkWrites = (writes: StorageWriteRequest[]): void => {
    for (const one of writes) {
      const expected = one.version === '*' ? undefined : one.version;
      if (rows.get(path(one))?.version !== expected) throw goError(VERSION_CONFLICT);
    }
  };
  const checkDeletes = (deletes: StorageDeleteRequest[]): void => {
    for (const one of deletes) {
      if (one.version !== undefined && rows.get(path(one))?.version !== one.version) throw goError(DELETE_CONFLICT);
    }
  };
  const write = (one: StorageWriteRequest): StorageWriteAck => {
    const value = JSON.stringify(one.value);
    rows.set(path(one), { value, version: md5(value) });
    return { collection: one.collection, key: one.key, userId: one.userId, version: md5(value) };
  };

  const nk: Nakama = {
    httpRequest(url, method, headers = {}, body = '', timeoutMs = 5000) {
      const parsed: unknown = body === '' ? undefined : JSON.parse(body);
      const request = { url, method, headers, body: parsed, timeoutMs };
      fake.requests.push(request);
      return act({ kind: 'http', method, url, body: parsed }, () => fake.http(request));
    },
    storageRead: (keys) => act({ kind: 'read', keys: keys.map(path) }, () => keys.flatMap(object)),
    // A cursor is the last key of its page, marked, so that a wrong one shows.
    storageList: (userId, collection, limit = 100, cursor) =>
      act({ kind: 'read', keys: [`${collection}/*`] }, () => {
        if (cursor !== undefined && !cursor.startsWith('after:')) {
          throw goError('failed to list storage objects: Malformed cursor was used.');
        }
        const after = cursor?.slice('after:'.length) ?? '';
        const keys = [...rows.keys()]
          .filter((row) => row.startsWith(`${collection}/`) && !row.includes('@'))
          .map((row) => row.slice(collection.length + 1))
          .filter((key) => key > after)
          .sort();
        const page = keys.slice(0, limit);
        const last = page[page.length - 1];
        const objects = page.flatMap((key) => object({ collection, key, userId }));
        return { objects, cursor: keys.length > limit && last !== undefined ? `after:${last}` : null };
      }),
    storageWrite: (writes) =>
      act({ kind: 'write', keys: writes.map(path) }, () => {
        checkWrites(writes);
        return writes.map(write);
      }),
    storageDelete: (deletes) =>
      act({ kind: 'delete', keys: deletes.map(path) }, () => {
        checkDeletes(deletes);
        for (const one of deletes) rows.delete(path(one));
      }),
    multiUpdate: (_accounts, writes, deletes) =>
      act({ kind: 'write', keys: [...(writes ?? []), ...(deletes ?? [])].map(path) }, () => {
        checkWrites(writes ?? []);
        checkDeletes(deletes ?? []);
        const acks = (writes ?? []).map(write);
        for (const one of deletes ?? []) rows.delete(path(one));
        return { storageWriteAcks: acks, walletUpdateAcks: [] };
      }),
    storageIndexList: (...args: unknown[]) => {
      fake.indexQueries.push(args);
      return fake.indexAnswer(args);
    },
    notificationsSend: (notifications) => act({ kind: 'notify', notifications }, () => undefined),
    matchCreate: (module, params = {}) => act({ kind: 'match', module, params }, () => `${randomUUID()}.n1`),
    authenticateTokenGenerate: (userId, username, exp, vars) => ({
      token: JSON.stringify({ userId, username, exp, vars }),
      exp: exp ?? 0,
    }),
    friendsList: () => ({ friends: [], cursor: '' }),
    uuidv4: () => randomUUID(),
    hmacSha256Hash: (input, key) => bytes(createHmac('sha256', key).update(input).digest()),
    base16Encode: (data) => Buffer.from(data as ArrayBuffer).toString('hex'),
    base64UrlEncode: (data, padding = true) => {
      const text = (typeof data === 'string' ? Buffer.from(data) : Buffer.from(data)).toString('base64url');
      return padding ? text.padEnd(Math.ceil(text.length / 4) * 4, '=') : text;
    },
    sqlQuery: () => [],
    fileRead: (relative) => {
      const file = fake.files[relative.replace(/^(\.\.\/)+/, '/')];
      if (file === undefined) throw goError('failed to open file: no such file or directory');
      return file;
    },
    localcacheGet: (key) => {
      const entry = cache.get(key);
      return entry && entry.until > Date.now() ? entry.value : undefined;
    },
    localcachePut: (key, value, ttlSec = 0) => {
      cache.set(key, { value, until: ttlSec > 0 ? Date.now() + ttlSec * 1000 : Infinity });
    },
    metricsCounterAdd: () => undefined,
    metricsTimerRecord: () => undefined,
  };

  const fake: FakeNakama = {
    nk,
    logger: fakeLogger(log, {}),
    events: [],
    log,
    requests: [],
    stored: (collection, key) => {
      const row = rows.get(`${collection}/${key}`);
      return row && (JSON.parse(row.value) as unknown);
    },
    rows: () => [...rows.keys()],
    put: (collection, key, value) => {
      const text = JSON.stringify(value);
      rows.set(`${collection}/${key}`, { value: text, version: md5(text) });
      return md5(text);
    },
    drop: (collection, key) => void rows.delete(`${collection}/${key}`),
    sent: () => fake.events.flatMap((event) => (event.kind === 'notify' ? event.notifications : [])),
    http: () => {
      throw goError('HTTP request error: Get "http://gameye": dial tcp 127.0.0.1:1: connect: connection refused');
    },
    before: () => undefined,
    after: () => undefined,
    files: { '/proc/self/environ': '' },
    indexQueries: [],
    indexAnswer: () => ({ objects: [], cursor: null }),
  };
  return fake;
}

/** A logger that is as unforgiving as Nakama's: constant texts without `%`, fields that are strings. */
function fakeLogger(lines: LogLine[], fields: { [key: string]: string }): Logger {
  const at =
    (level: LogLine['level']) =>
    (message: string, ...args: unknown[]): string => {
      if (typeof message !== 'string' || message.includes('%') || args.length > 0) {
        throw new Error(`Nakama would format this log line: ${String(message)}`);
      }
      lines.push({ level, message, fields });
      return message;
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    withFields: (more) => {
      for (const value of Object.values(more)) {
        if (typeof value !== 'string') throw new TypeError('expects withFields values to be strings');
      }
      return fakeLogger(lines, { ...fields, ...more });
    },
  };
}

function bytes(buffer: Buffer): ArrayBuffer {
  return buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength) as ArrayBuffer;
}

/** The context of a call: a server's (http_key) unless it names a user. */
export function context(more: Partial<Context> = {}): Context {
  return { env: {}, executionMode: 'rpc', node: 'n1', version: '3.40.0+73ad9c1d', ...more };
}
