import { metadataFrom } from '../allocation/shape';
import { invalid, wholeNumber, type Payload } from '../fields';
import { SORTABLE } from '../instances/query';
import { Code, rpcError } from '../refusal';

/* What the fleet's RPCs read of a payload beside its simple fields. */

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
