/**
 * The part of Nakama's JavaScript runtime that this module uses, as `nkruntime` declares it (nakama-common, index.d.ts).
 * The official declarations stay assignable to these, so a module that has `nakama-runtime` can pass its objects to ours.
 */

export interface Context {
  env: { [key: string]: string };
  executionMode: string;
  node: string;
  version: string;
  /** Undefined for a server-to-server call (http_key). */
  userId?: string;
  vars?: { [key: string]: string };
  /** What the network says: a proxy in front of Nakama may have written it, or whoever called. */
  clientIp?: string;
  matchId?: string;
}

export interface Logger {
  debug(format: string, ...args: unknown[]): string;
  info(format: string, ...args: unknown[]): string;
  warn(format: string, ...args: unknown[]): string;
  error(format: string, ...args: unknown[]): string;
  withFields(pairs: { [key: string]: string }): Logger;
}

export type RequestMethod = 'get' | 'post' | 'put' | 'delete';

export interface HttpResponse {
  code: number;
  /** Really `{[canonical name]: string[]}`; the official declaration says `string[]`. */
  headers: unknown;
  body: string;
}

export interface NotificationRequest {
  userId: string;
  subject: string;
  content: { [key: string]: unknown };
  code: number;
  persistent?: boolean;
}

export interface Nakama {
  httpRequest(
    url: string,
    method: RequestMethod,
    headers?: { [header: string]: string },
    body?: string,
    timeoutMs?: number,
  ): HttpResponse;
  // Never `notificationSend`: a database error in it ends the whole server process (runtime_javascript_nakama.go).
  notificationsSend(notifications: NotificationRequest[]): void;
  /** Null when there is none of this id. */
  matchGet(id: string): object | null;
  matchCreate(module: string, params?: { [key: string]: unknown }): string;
  authenticateTokenGenerate(
    userId: string,
    username?: string,
    exp?: number,
    vars?: { [key: string]: string },
  ): { token: string; exp: number };
  friendsList(
    userId: string,
    limit?: number,
    state?: number,
    cursor?: string,
  ): { friends?: { user?: { userId: string } }[]; cursor?: string };
  usersGetId(userIds: string[]): { userId: string; username: string }[];
  leaderboardCreate(
    id: string,
    authoritative: boolean,
    sortOrder: 'asc' | 'desc',
    operator: 'best' | 'set' | 'incr',
  ): void;
  leaderboardRecordWrite(id: string, ownerId: string, username: string | undefined, score: number): unknown;
  streamUserList(stream: { mode: number; subject: string; label: string }): { userId: string }[];
  uuidv4(): string;
  hmacSha256Hash(input: string, key: string): ArrayBuffer;
  base16Encode(data: string | ArrayBuffer): string;
  base64Encode(data: string | ArrayBuffer, padding?: boolean): string;
  base64UrlEncode(data: string | ArrayBuffer, padding?: boolean): string;
  fileRead(relativePath: string): string;
  /** One statement, committed by itself. Only database/sql.ts calls it. */
  sqlQuery(query: string, parameters?: unknown[]): unknown;
  /** The same without rows. Without parameters several statements are possible. */
  sqlExec(query: string, parameters?: unknown[]): { rowsAffected: number };
  /** What all VMs of this process share; undefined when missing or expired. */
  localcacheGet(key: string): unknown;
  localcachePut(key: string, value: string, ttlSec?: number): void;
  metricsCounterAdd(name: string, tags: { [key: string]: string }, delta: number): void;
  metricsGaugeSet(name: string, tags: { [key: string]: string }, value: number): void;
  /** Nanoseconds. */
  metricsTimerRecord(name: string, tags: { [key: string]: string }, value: number): void;
}

export interface Presence {
  userId: string;
  sessionId: string;
  username: string;
  node: string;
}

export interface MatchmakerResult {
  presence: Presence;
  /** Declared as strings; numeric properties really are numbers (runtime_javascript.go). */
  properties: { [key: string]: string };
  partyId?: string;
}

export type RpcFunction = (ctx: Context, logger: Logger, nk: Nakama, payload: string) => string | void;

export interface MatchState {
  // Plain JSON between two callbacks, as the official `MatchState`; the allocator gives it its type back.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  [key: string]: any;
}

export interface MatchHandler {
  matchInit(
    ctx: Context,
    logger: Logger,
    nk: Nakama,
    params: { [key: string]: string },
  ): { state: MatchState; tickRate: number; label: string };
  matchJoinAttempt(
    ctx: Context,
    logger: Logger,
    nk: Nakama,
    dispatcher: unknown,
    tick: number,
    state: MatchState,
    presence: Presence,
    metadata: { [key: string]: unknown },
  ): { state: MatchState; accept: boolean; rejectMessage?: string } | null;
  matchJoin(
    ctx: Context,
    logger: Logger,
    nk: Nakama,
    dispatcher: unknown,
    tick: number,
    state: MatchState,
    presences: Presence[],
  ): { state: MatchState } | null;
  matchLeave(
    ctx: Context,
    logger: Logger,
    nk: Nakama,
    dispatcher: unknown,
    tick: number,
    state: MatchState,
    presences: Presence[],
  ): { state: MatchState } | null;
  matchLoop(
    ctx: Context,
    logger: Logger,
    nk: Nakama,
    dispatcher: unknown,
    tick: number,
    state: MatchState,
    messages: unknown[],
  ): { state: MatchState } | null;
  matchTerminate(
    ctx: Context,
    logger: Logger,
    nk: Nakama,
    dispatcher: unknown,
    tick: number,
    state: MatchState,
    graceSeconds: number,
  ): { state: MatchState } | null;
  matchSignal(
    ctx: Context,
    logger: Logger,
    nk: Nakama,
    dispatcher: unknown,
    tick: number,
    state: MatchState,
    data: string,
  ): { state: MatchState; data?: string } | null;
}

export interface Initializer {
  registerRpc(id: string, fn: RpcFunction): void;
  registerMatch(name: string, handler: MatchHandler): void;
  registerMatchmakerMatched(
    fn: (ctx: Context, logger: Logger, nk: Nakama, entries: MatchmakerResult[]) => string | void,
  ): void;
  /** What the function returns is the whole message that Nakama goes on with. */
  registerRtBefore(
    id: string,
    fn: <T extends object>(ctx: Context, logger: Logger, nk: Nakama, envelope: T) => T,
  ): void;
}
