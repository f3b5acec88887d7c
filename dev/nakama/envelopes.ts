// Realtime messages as hooks see them: protobuf's JSON with camelCase names, where clients write snake_case.

/** Fields that hold a player's own keys, which no one may rename. */
const MAPS = new Set(['stringProperties', 'string_properties', 'numericProperties', 'numeric_properties', 'metadata']);

function rename(value: unknown, name: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => rename(item, name));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [name(key), MAPS.has(key) ? item : rename(item, name)]),
  );
}

/** `{matchmaker_add: {min_count}}` → `{matchmakerAdd: {minCount}}` */
export function toHook(envelope: object): Record<string, unknown> {
  const camel = (key: string): string => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return rename(envelope, camel) as Record<string, unknown>;
}

/** The other way; names that are snake_case already stay, because protobuf reads both. */
export function fromHook(envelope: object): Record<string, unknown> {
  const snake = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return rename(envelope, snake) as Record<string, unknown>;
}
