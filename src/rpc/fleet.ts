import { metadataProblem, type AllocationRequest, type Latency } from '../allocation/request';
import * as fleetManager from '../fleet-manager';
import { SORTABLE } from '../instances/queries';
import type { Rpc } from './door';
import { Code, rpcError } from './errors';
import { invalid, optionalFlag, optionalObject, optionalText, sessionId, userIds, wholeNumber, type Payload } from './payload';

/** `fleet_create {max_players, user_ids?, latencies?, metadata?, regions?}` → `{session_id}` */
export const fleetCreate: Rpc<undefined> = {
  fields: ['max_players', 'user_ids', 'latencies', 'metadata', 'regions'],
  answer: (call, payload) => fleetManager.create(call, allocationRequest(payload)),
};

/** `fleet_get {id}` → instance */
export const fleetGet: Rpc<undefined> = {
  fields: ['id'],
  answer: (call, payload) => fleetManager.get(call, sessionId(payload)),
};

/** `fleet_list {query?, limit?, order?, cursor?}` → `{instances, cursor}` */
export const fleetList: Rpc<undefined> = {
  fields: ['query', 'limit', 'order', 'cursor'],
  answer: (call, payload) => {
    const limit = payload['limit'] === undefined ? 100 : wholeNumber(payload, 'limit', 1, 1000);
    const query = optionalText(payload, 'query', 1000, '');
    return fleetManager.list(call, query, limit, optionalText(payload, 'cursor', 6000, ''), order(payload));
  },
};

/** `fleet_join {id, user_ids, partial?}` → `{instance_info, session_info}` */
export const fleetJoin: Rpc<undefined> = {
  fields: ['id', 'user_ids', 'partial'],
  answer: (call, payload) =>
    fleetManager.join(call, sessionId(payload), userIds(payload, 'user_ids', 1), optionalFlag(payload, 'partial')),
};

/** `fleet_leave {id, user_ids}` → `{instance_info}` */
export const fleetLeave: Rpc<undefined> = {
  fields: ['id', 'user_ids'],
  answer: (call, payload) => fleetManager.leave(call, sessionId(payload), userIds(payload, 'user_ids', 1)),
};

/** `fleet_update {id, player_count?, metadata?}` → `{instance_info}` */
export const fleetUpdate: Rpc<undefined> = {
  fields: ['id', 'player_count', 'playerCount', 'metadata'],
  answer: (call, payload) => updateFrom(call, payload, sessionId(payload)),
};

/** `fleet_delete {id}` → `{}` */
export const fleetDelete: Rpc<undefined> = {
  fields: ['id'],
  answer: (call, payload) => fleetManager.remove(call, sessionId(payload)),
};

/** Count and metadata from a payload. Servers write the count in either spelling: the guides of other plugins differ. */
export function updateFrom(call: Parameters<typeof fleetManager.update>[0], payload: Payload, id: string): object {
  const field = payload['player_count'] === undefined ? 'playerCount' : 'player_count';
  if (payload['player_count'] !== undefined && payload['playerCount'] !== undefined) {
    return rpcError(Code.INVALID_ARGUMENT, 'Send "player_count" or "playerCount", not both.');
  }
  const metadata = metadataFrom(payload);
  const playerCount = payload[field] === undefined ? undefined : wholeNumber(payload, field, 0, 100_000);
  if (playerCount === undefined && Object.keys(metadata).length === 0) {
    return invalid('player_count', 'or "metadata" must be there: nothing to update.');
  }
  return fleetManager.update(call, id, playerCount, metadata);
}

function order(payload: Payload): string[] | undefined {
  const value = payload['order'] ?? undefined;
  if (value === undefined) return undefined;
  const fields = (Array.isArray(value) ? (value as unknown[]) : []).map((one) => String(one).replace(/^-/, ''));
  const valid =
    fields.length > 0 && new Set(fields).size === fields.length && fields.every((field) => SORTABLE.includes(field));
  if (valid && (value as unknown[]).every((one) => typeof one === 'string')) return value as string[];
  return invalid('order', `must be a list of different fields of ${SORTABLE.join(', ')}, with "-" for descending.`);
}

function allocationRequest(payload: Payload): AllocationRequest {
  const players = userIds(payload, 'user_ids', 0);
  const maxPlayers = wholeNumber(payload, 'max_players', 1, 10_000);
  if (players.length > maxPlayers) return invalid('max_players', 'is less than the number of user_ids.');
  const request = {
    user_ids: players,
    max_players: maxPlayers,
    latencies: latencies(payload),
    metadata: metadataFrom(payload),
  };
  return payload['regions'] === undefined ? request : { ...request, regions: regions(payload) };
}

function metadataFrom(payload: Payload): { [key: string]: unknown } {
  const metadata = optionalObject(payload, 'metadata');
  const problem = metadataProblem(metadata);
  return problem === undefined ? metadata : rpcError(Code.INVALID_ARGUMENT, problem);
}

function latencies(payload: Payload): Latency[] {
  const value = payload['latencies'] ?? [];
  const rule = 'must be a list of at most 10000 {user_id, region, ms}.';
  if (!Array.isArray(value) || value.length > 10_000) return invalid('latencies', rule);
  return (value as unknown[]).map((entry) => {
    const one = (typeof entry === 'object' && entry !== null ? entry : {}) as { [key: string]: unknown };
    const { user_id, region, ms } = one;
    if (typeof user_id !== 'string' || typeof region !== 'string') return invalid('latencies', rule);
    if (typeof ms !== 'number' || !(ms >= 0 && ms < 1e6)) return invalid('latencies', rule);
    return { user_id, region, ms };
  });
}

function regions(payload: Payload): string[] {
  const value = payload['regions'];
  const valid =
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= 50 &&
    value.every((one) => typeof one === 'string' && /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(one)) &&
    new Set(value).size === value.length;
  return valid ? (value as string[]) : invalid('regions', 'must be a list of 1 to 50 different regions.');
}
