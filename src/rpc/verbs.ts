import type { StartingInstance } from '../allocation/pending';
import { knownFieldsOnly } from '../fields';
import type { SessionInfo } from '../fleet/seats';
import { guarded } from '../nakama/guard';
import type { Context, Logger, Nakama } from '../nakama/runtime';
import type { Instance, Latency } from '../records';
import { ReadyJson } from '../text';
import { callOf } from './callers';
import { rpcOf } from './table';

/** What `create` takes; the payload of `fleet_create`. */
export interface CreateRequest {
  max_players: number;
  /** Nakama user ids: they are notified and get seats. */
  user_ids?: string[];
  latencies?: Latency[];
  /** Instead of the configured ones, in order of preference. */
  regions?: string[];
  image?: string;
  version?: string;
  /** Added to the container's environment. Stored in Nakama's database and shown by Gameye: no secrets. */
  env?: { [name: string]: string };
  metadata?: { [key: string]: unknown };
  /** The name of a callback that was given to configure(). */
  callback?: string;
}

/**
 * Nakama's Go `runtime.FleetManager` with its words and JSON. Refusals are thrown as `{message, code}` with a gRPC code: an
 * RPC that does not catch them passes them on to its caller. `get`, `join`, `leave` and `delete` use the network and wait
 * for it: not in a matchmaker hook.
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
  /** Reserves seats for all of them or, with `partial`, for as many as fit. */
  join(
    id: string,
    userIds: string[],
    options?: { partial?: boolean },
  ): { instance_info: Instance; session_info: SessionInfo[] };
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
    leave: (id, userIds) => ask('fleet_leave', { id, user_ids: userIds }),
    update: (id, change) => ask('fleet_update', { ...change, id }),
    delete: (id) => void ask('fleet_delete', { id }),
  };
}
