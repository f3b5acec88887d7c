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

/** The fields of the messages whose hooks matter here, and what they have to be. */
const FIELDS: Record<string, string> = {
  party_id: 'string',
  min_count: 'number',
  max_count: 'number',
  query: 'string',
  count_multiple: 'number',
  string_properties: 'object',
  numeric_properties: 'object',
};

/**
 * What keeps protobuf from reading the envelope that a hook returned, or null. It is strict: a field that it does not know
 * makes the whole message unreadable.
 */
export function problemOf(kind: string, envelope: unknown): string | null {
  if (typeof envelope !== 'object' || envelope === null || Array.isArray(envelope)) return 'proto: no JSON object';
  const message: unknown = (envelope as Record<string, unknown>)[kind];
  if (kind !== 'matchmaker_add' && kind !== 'party_matchmaker_add') return null;
  for (const [field, value] of Object.entries((message ?? {}) as object)) {
    const type = FIELDS[field];
    if (type === undefined || (field === 'party_id' && kind === 'matchmaker_add')) return `unknown field "${field}"`;
    const isNumber = typeof value === 'number' || (typeof value === 'string' && /^-?\d+$/.test(value));
    if (value !== null && (type === 'number' ? !isNumber : typeof value !== type))
      return `invalid value for "${field}"`;
  }
  return null;
}

/** A message as hooks of later versions see it: with the fields that its sender left out (seen on 3.40.0, not on 3.22.0). */
export function filled(kind: string, message: Record<string, unknown>): Record<string, unknown> {
  if (kind === 'matchmaker_add') return { ...EMPTY, ...message };
  return kind === 'party_matchmaker_add' ? { party_id: '', ...EMPTY, ...message } : message;
}

const EMPTY = {
  min_count: 0,
  max_count: 0,
  query: '',
  count_multiple: null,
  string_properties: {},
  numeric_properties: {},
};
