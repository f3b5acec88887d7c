import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { migrationStatement } from '../../../src/database/schema';
import type { Context, HttpResponse, Logger, Nakama, NotificationRequest } from '../../../src/nakama/runtime';
import { openSyncDatabase, type SyncDatabase } from '../../helpers/sync-database';
import { EMPTY_TABLES } from './tables';

/** What the module asked the fake server to do, in order. */
export type Event =
  | { kind: 'sql'; statement: string; values: unknown[] }
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
  sent: () => NotificationRequest[];
  /** Looks into the database, or changes it, without an event and without the hooks. */
  query: <Row extends object = Record<string, unknown>>(text: string, values?: unknown[]) => Row[];
  /** What the database's clock says: what `Date.now()` says, also when a test has mocked that. */
  clock: () => number;
  /** Hooks of a test: throw what the server would throw. */
  http: (request: HttpRequest) => HttpResponse;
  before: (event: Event) => void;
  /** After the work was done, as when the answer of the database gets lost. */
  after: (event: Event) => void;
  files: { [path: string]: string };
  /** The matches that Nakama has ended; all others run. */
  ended: Set<string>;
}

/** The deployment whose sessions these are. */
export const OWNER = 'owner-1';

/** The first process of a deployment: what is in front of the holders of its workers. */
export const PROCESS = 'p1';

/** An error as Nakama's runtime throws it. */
export function goError(message: string): Error {
  const error = new Error(message);
  error.name = 'GoError';
  return error;
}

/** The database is not there, as Nakama says it. */
export const DATABASE_GONE = 'failed to connect to `user=nakama database=nakama`: connect: connection refused';

/**
 * The clock of the test's database: the functions of this schema come before Postgres' own, also in the tables' defaults,
 * and answer the time that was set.
 */
const FAKE_CLOCK = `
CREATE SCHEMA clock;
CREATE FUNCTION clock.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT coalesce(to_timestamp(nullif(current_setting('test.now_ms', true), '')::float8 / 1000), pg_catalog.now()) $$;
CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT clock.now() $$;
SET search_path = clock, pg_catalog, public;
`;

/** Only one server at a time uses the database of this test file: whose it is, and what its clock was set to. */
let database: SyncDatabase | undefined;
let owner: object | undefined;
let clockMs: number | undefined;

/** The database of this test file, made at the first statement. */
function openDatabase(): SyncDatabase {
  if (database) return database;
  const address = inject('postgres');
  const name = `unit_${randomBytes(6).toString('hex')}`;
  const server = openSyncDatabase(address);
  server.exec(`CREATE DATABASE ${name}`, []);
  // For the connection that follows one on which a statement failed.
  server.exec(`ALTER DATABASE ${name} SET search_path = clock, pg_catalog, public`, []);
  void server.close();
  database = openSyncDatabase(`${address.slice(0, address.lastIndexOf('/'))}/${name}`);
  database.exec(FAKE_CLOCK, []);
  database.exec(migrationStatement(), []);
  return database;
}

/** The database for a statement of a server: empty at its first one, with its clock set. */
function databaseOf(server: object, now: number): SyncDatabase {
  const opened = openDatabase();
  if (owner !== server) {
    opened.exec(EMPTY_TABLES, []);
    owner = server;
  }
  if (clockMs !== now) opened.query(`SELECT set_config('test.now_ms', $1::text, false)`, [String((clockMs = now))]);
  return opened;
}

/** After a statement that failed comes another connection, whose clock is not set. */
function onDatabase<T>(server: object, now: number, act: (database: SyncDatabase) => T): T {
  const opened = databaseOf(server, now);
  try {
    return act(opened);
  } catch (error) {
    clockMs = undefined;
    throw error;
  }
}

/**
 * A server with an empty database of its own; with `beside`, another node of the same deployment. A test file has one
 * database: its content goes when another deployment runs its first statement. Everything else is recorded.
 */
export function fakeNakama(beside?: FakeNakama): FakeNakama {
  const deployment: object = (beside && deployments.get(beside)) ?? {};
  const log: LogLine[] = [];
  const cache = new Map<string, { value: string; until: number }>();
  // A supervisor and a reconciler run on this node, as always, and it knows whose sessions it starts.
  cache.set('gameye_supervisor', { value: 'another match', until: Infinity });
  cache.set('gameye_reconciler', { value: 'another match', until: Infinity });
  cache.set('gameye_owner', { value: OWNER, until: Infinity });
  cache.set('gameye_process', { value: beside ? randomUUID() : PROCESS, until: Infinity });
  const act = <T>(event: Event, work: () => T): T => {
    fake.events.push(event);
    fake.before(event);
    const result = work();
    fake.after(event);
    return result;
  };

  const nk = {
    httpRequest(url, method, headers = {}, body = '', timeoutMs = 5000) {
      const parsed: unknown = body === '' ? undefined : JSON.parse(body);
      const request = { url, method, headers, body: parsed, timeoutMs };
      fake.requests.push(request);
      return act({ kind: 'http', method, url, body: parsed }, () => fake.http(request));
    },
    sqlQuery: (statement, values = []) =>
      act({ kind: 'sql', statement, values }, () =>
        onDatabase(deployment, fake.clock(), (one) => one.query(statement, values)),
      ),
    sqlExec: (statement, values = []) =>
      act({ kind: 'sql', statement, values }, () =>
        onDatabase(deployment, fake.clock(), (one) => one.exec(statement, values)),
      ),
    notificationsSend: (notifications) => act({ kind: 'notify', notifications }, () => undefined),
    matchGet: (id) => (fake.ended.has(id) ? null : {}),
    matchCreate: (module, params = {}) => act({ kind: 'match', module, params }, () => `${randomUUID()}.n1`),
    authenticateTokenGenerate: (userId, username, exp, vars) => ({
      token: JSON.stringify({ userId, username, exp, vars }),
      exp: exp ?? 0,
    }),
    friendsList: () => ({ friends: [], cursor: '' }),
    uuidv4: () => randomUUID(),
    hmacSha256Hash: (input, key) => bytes(createHmac('sha256', key).update(input).digest()),
    base16Encode: (data) => Buffer.from(data as ArrayBuffer).toString('hex'),
    base64Encode: (data) => Buffer.from(data as string).toString('base64'),
    base64UrlEncode: (data, padding = true) => {
      const text = (typeof data === 'string' ? Buffer.from(data) : Buffer.from(data)).toString('base64url');
      return padding ? text.padEnd(Math.ceil(text.length / 4) * 4, '=') : text;
    },
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
    metricsGaugeSet: () => undefined,
    metricsTimerRecord: () => undefined,
    // Nothing of this module touches Nakama's storage: calling it fails the test.
  } as Partial<Nakama> as Nakama;

  const fake: FakeNakama = {
    nk,
    logger: fakeLogger(log, {}),
    events: [],
    log,
    requests: [],
    sent: () => fake.events.flatMap((event) => (event.kind === 'notify' ? event.notifications : [])),
    query: <Row extends object>(text: string, values: unknown[] = []) =>
      onDatabase(deployment, fake.clock(), (one) => one.query(text, values)) as Row[],
    clock: () => Date.now(),
    http: () => {
      throw goError('HTTP request error: Get "http://gameye.test": dial tcp 127.0.0.1:1: connect: connection refused');
    },
    before: () => undefined,
    after: () => undefined,
    files: { '/proc/self/environ': '' },
    ended: new Set(),
  };
  deployments.set(fake, deployment);
  return fake;
}

/** Which servers share a database. */
const deployments = new WeakMap<FakeNakama, object>();

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
