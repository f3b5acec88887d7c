import { askedIn } from '../allocation/once';
import { metadataFrom } from '../allocation/shape';
import { flag, invalid, optionalFlag, wholeNumber, type Payload } from '../fields';
import type { Named } from '../fleet/create';
import type { JoinOptions } from '../fleet/join';
import { SORTABLE } from '../instances/query';
import type { Call } from '../nakama/caller';
import { Code, rpcError } from '../refusal';

/* What the fleet's RPCs read of a payload beside its simple fields. */

/** What the caller calls a request that may be repeated; undefined: it has no name. */
export function namedIn(call: Call, { request_id, ...rest }: Payload): Named | undefined {
  if (request_id === undefined) return undefined;
  if (typeof request_id === 'string' && /^[\x21-\x7e]{1,200}$/.test(request_id)) {
    return { request_id, asked: askedIn(call, rest) };
  }
  return invalid('request_id', 'must be a text of 1 to 200 characters without spaces.');
}

/** How players are seated. */
export function joinOptions(payload: Payload): JoinOptions {
  return {
    partial: optionalFlag(payload, 'partial'),
    ...(payload['notify'] === undefined ? {} : { notify: flag(payload, 'notify') }),
  };
}

/** Count and metadata from a payload. Servers write the count in either spelling: the guides of other plugins differ. */
export function saidIn(payload: Payload): [playerCount: number | undefined, metadata: { [key: string]: unknown }] {
  const field = payload['player_count'] === undefined ? 'playerCount' : 'player_count';
  if (payload['player_count'] !== undefined && payload['playerCount'] !== undefined) {
    return rpcError(Code.INVALID_ARGUMENT, 'Send "player_count" or "playerCount", not both.');
  }
  const metadata = metadataFrom(payload);
  const playerCount = payload[field] === undefined ? undefined : wholeNumber(payload, field, 0, 100_000);
  if (playerCount === undefined && Object.keys(metadata).length === 0) {
    return invalid('player_count', 'or "metadata" must be there: nothing to update.');
  }
  return [playerCount, metadata];
}

/** The fields to sort by; undefined: as usual. */
export function orderIn(payload: Payload): string[] | undefined {
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
