import type { RequestSettings } from '../settings';
import type { StartingInstance } from '../allocation/pending';
import { knownFieldsOnly } from '../fields';
import type { Found } from '../fleet/find-or-create';
import type { Joined, JoinOptions } from '../fleet/join';
import { guarded } from '../nakama/guard';
import type { Context, Logger, Nakama } from '../nakama/runtime';
import type { Instance, Latency } from '../records';
import { ReadyJson } from '../text';
import type { MatchContent } from '../told/content';
import { callOf } from './callers';
import { rpcOf } from './table';

/** What `create` takes; the payload of `fleet_create`. */
export interface CreateRequest extends RequestSettings {
  /** Needed unless the mode, or GAMEYE_MAX_PLAYERS, says it. */
  max_players?: number;
  /** Nakama user ids: they are notified and get seats. */
  user_ids?: string[];
  latencies?: Latency[];
  /** The name of a mode of GAMEYE_MODES. */
  mode?: string;
  /** Instead of the configured ones, in order of preference. */
  regions?: string[];
  image?: string;
  version?: string;
  /** Added to the container's environment. Stored in Nakama's database and shown by Gameye: no secrets. */
  env?: { [name: string]: string };
  metadata?: { [key: string]: unknown };
  /** The name of a callback that was given to configure(). */
  callback?: string;
  /** Asked again with the same id, on any node, it is the same session. Remembered for two days and while that runs. */
  request_id?: string;
  /** False: nobody else is seated there, whether by backfill or by `findOrCreate`. */
  backfill?: boolean;
  /** Without players: stopped when nobody has come after so many seconds. */
  empty_timeout?: number;
}

/** What `findOrCreate` takes; the payload of `fleet_find_or_create`. */
export interface FindRequest extends Omit<CreateRequest, 'user_ids' | 'empty_timeout'> {
  user_ids: string[];
  /** Which running sessions will do, in the language of `list`. Empty: any. */
  query?: string;
  /** False: the players hear of it from the caller only. */
  notify?: boolean;
}

/**
 * Nakama's Go `runtime.FleetManager` with its words and JSON. Refusals are thrown as `{message, code}` with a gRPC code: an
 * RPC that does not catch them passes them on to its caller. `get`, `join`, `findOrCreate`, `leave` and `delete` use the network
 * and wait for it: not in a matchmaker hook.
 */
export interface FleetManager {
  /** Answers the session's id at once; its players are told when it runs, and the callback is called. */
  create(request: CreateRequest): { session_id: string };
  /** Compared with the Session API. While it starts, `connection_info` is null. */
  get(id: string): Instance | StartingInstance;
  /** A page, with the query language of Nakama's storage index; `limit` is 100 unless given, at most 1000. */
  list(options?: { query?: string; limit?: number; order?: string[]; cursor?: string }): {
    instances: Instance[];
    cursor: string;
  };
  /** Seats for all of them or, with `partial`, for as many as fit; they are notified, unless `notify` is false. */
  join(id: string, userIds: string[], options?: JoinOptions): Joined;
  /** Seats for all of them in the best running session, or in a new one: then they are notified when it runs. */
  findOrCreate(request: FindRequest): Found;
  /** A place for somebody who watches, whoever they are; nobody is notified. Needs GAMEYE_MAX_SPECTATORS. */
  watch(id: string, userId: string): { match: MatchContent };
  leave(id: string, userIds: string[]): { instance_info: Instance };
  update(
    id: string,
    change: { player_count?: number; metadata?: { [key: string]: unknown } },
  ): { instance_info: Instance };
  /** Stops the session, also one that is starting. */
  delete(id: string): void;
}

/** The verbs for a caller inside the server. Who calls is not checked, what is asked is, as for the RPCs. */
export function fleetManager(ctx: Context, logger: Logger, nk: Nakama): FleetManager {
  const ask = (id: string, payload: object): never => {
    const rpc = rpcOf(id);
    // The answer has the type that the interface says.
    return guarded(ctx, logger, () => {
      const known = knownFieldsOnly({ ...payload }, rpc.fields, rpc.nulls);
      const answered = rpc.answer(callOf(ctx, logger, nk), known, '');
      return answered instanceof ReadyJson ? (JSON.parse(answered.text) as unknown) : answered;
    }) as never;
  };
  return {
    create: (request) => ask('fleet_create', request),
    get: (id) => ask('fleet_get', { id }),
    list: (options = {}) => ask('fleet_list', options),
    join: (id, userIds, options = {}) => ask('fleet_join', { ...options, id, user_ids: userIds }),
    findOrCreate: (request) => ask('fleet_find_or_create', request),
    watch: (id, userId) => ask('fleet_watch', { id, user_id: userId }),
    leave: (id, userIds) => ask('fleet_leave', { id, user_ids: userIds }),
    update: (id, change) => ask('fleet_update', { ...change, id }),
    delete: (id) => void ask('fleet_delete', { id }),
  };
}
