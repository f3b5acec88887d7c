// What the functions of `nk` and `initializer` ask the main thread to do.

import { databaseErrorText, type Queryable } from './database.ts';
import { httpRequest, type HttpRequest } from './http-request.ts';
import type { Friends } from './friends.ts';
import type { Leaderboards, Operator } from './leaderboards.ts';
import type { LocalCache } from './local-cache.ts';
import type { MatchFilter, Matches } from './matches.ts';
import type { Metrics } from './metrics.ts';
import type { Notification, Notifications } from './notifications.ts';
import type { RunningMatch } from './running-match.ts';
import type { Parties } from './parties.ts';
import type { Runtime } from './runtime.ts';
import type { Tokens } from './tokens.ts';
import { generateUsername, type Users } from './users.ts';
import type { VmThread } from './vm-thread.ts';
import type { Fields, MatchHandlers } from './vm/protocol.ts';

/** Everything a module can reach. */
export interface Services {
  cache: LocalCache;
  database: Queryable;
  friends: Friends;
  leaderboards: Leaderboards;
  matches: Matches;
  metrics: Metrics;
  notifications: Notifications;
  parties: Parties;
  runtime: Runtime;
  tokens: Tokens;
  users: Users;
}

const matchOf = (vm: VmThread): RunningMatch => vm.tag as RunningMatch;

type Handler = (vm: VmThread, ...args: never[]) => unknown;

/** The functions behind the bridge, by the names that vm/ uses. */
export function createCalls(services: Services): Map<string, Handler> {
  const { cache, database, friends, leaderboards, matches, metrics, notifications, parties, runtime, tokens, users } =
    services;
  const handlers: Record<string, Handler> = {
    httpRequest: (_vm, request: HttpRequest) => httpRequest(request),

    // On this runtime's own schema, in Postgres's dialect, as any SQL of a module.
    sqlQuery: async (_vm, query: string, values: unknown[]) => {
      try {
        return (await database.query<Record<string, unknown>>(query, values)).rows;
      } catch (error) {
        throw new Error(databaseErrorText(error));
      }
    },
    sqlExec: async (_vm, query: string, values: unknown[]) => {
      try {
        return { rowsAffected: (await database.query(query, values)).rowCount ?? 0 };
      } catch (error) {
        throw new Error(databaseErrorText(error));
      }
    },

    matchCreate: (_vm, module: string, params: string) => matches.create(module, params),
    matchGet: (_vm, id: string) => matches.get(id),
    matchList: (_vm, filter: MatchFilter) => matches.list(filter),
    matchSignal: (vm, id: string, data: string) => matches.signal(id, data, vm.cancelled),
    matchLabel: (vm, label: string) => matches.setLabel(matchOf(vm), label),
    matchKick: (vm, sessions: string[]) => sessions.forEach((session) => matchOf(vm).leave(session)),
    matchBroadcast: (
      vm,
      opCode: number,
      data: Uint8Array | null,
      targets: string[] | null,
      sender: Fields | null,
      reliable: boolean,
    ) => matchOf(vm).broadcast(opCode, data, targets, sender, reliable),

    notificationsSend: (_vm, list: Notification[]) => notifications.send(list),
    usersGetId: (_vm, ids: string[]) => users.get(ids),
    accountGetId: (_vm, id: string) => users.account(id),
    accountsGetId: (_vm, ids: string[]) => users.accounts(ids),
    partyMembers: (_vm, id: string) => parties.membersOf(id),
    friendsList: (_vm, userId: string, limit: number, state: number | null) => friends.list(userId, limit, state),
    leaderboardCreate: (_vm, id: string, authoritative: boolean, order: string, operator: Operator, metadata: string) =>
      leaderboards.create(id, authoritative, order, operator, metadata),
    leaderboardRecordWrite: (_vm, ...record: Parameters<Leaderboards['write']>) => leaderboards.write(...record),
    tokenGenerate: (_vm, id: string, username: string, exp: number | null, vars: Record<string, string> | null) =>
      tokens.issue(id, username === '' ? generateUsername() : username, vars, exp),

    localcacheGet: (_vm, key: string) => cache.get(key),
    localcachePut: (_vm, key: string, value: unknown, ttlSec: number) => cache.put(key, value, ttlSec),
    localcacheDelete: (_vm, key: string) => cache.delete(key),
    localcacheClear: () => cache.clear(),
    metricsCounterAdd: (_vm, name: string, tags: Record<string, string>, value: number) =>
      metrics.custom('counter', name, tags, value),
    metricsGaugeSet: (_vm, name: string, tags: Record<string, string>, value: number) =>
      metrics.custom('gauge', name, tags, value),
    metricsTimerRecord: (_vm, name: string, tags: Record<string, string>, value: number) =>
      metrics.custom('timer', name, tags, value),

    register: (_vm, kind: Parameters<Runtime['register']>[0], id: string, key: string) =>
      runtime.register(kind, id, key),
    registerMatch: (_vm, name: string, callbacks: MatchHandlers) => matches.register(name, callbacks),
  };
  return new Map(Object.entries(handlers));
}
