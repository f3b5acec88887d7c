import * as fleetManager from '../fleet/fleet-manager';
import { SORTABLE } from '../instances/queries';
import type { Rpc } from './callers';
import { Code, rpcError } from '../refusal';
import { invalid, optionalFlag, optionalText, sessionId, userIds, wholeNumber, type Payload } from '../fields';
import { allocationRequest, metadataFrom, SHAPE_FIELDS } from '../allocation/shape';

/** `fleet_create {max_players, user_ids?, latencies?, metadata?, regions?, image?, version?, env?, callback?}` → `{session_id}` */
export const fleetCreate: Rpc<undefined> = {
  fields: ['max_players', 'user_ids', 'latencies', ...SHAPE_FIELDS],
  answer: (call, payload) => fleetManager.create(call, allocationRequest(call, payload)),
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
  const isTexts = Array.isArray(value) && (value as unknown[]).every((one) => typeof one === 'string');
  const texts = isTexts ? (value as string[]) : [];
  const fields = texts.map((one) => one.replace(/^-/, ''));
  const valid =
    fields.length > 0 && new Set(fields).size === fields.length && fields.every((field) => SORTABLE.includes(field));
  if (valid) return texts;
  return invalid('order', `must be a list of different fields of ${SORTABLE.join(', ')}, with "-" for descending.`);
}
