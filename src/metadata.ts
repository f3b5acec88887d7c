/** Metadata keys with a meaning of their own, as in Gameye's Go plugin. */
export const ENV_KEY = 'gameye.env';
export const EXTERNAL_ID_KEY = 'gameye.external_id';

/** The label that says of which mode a session is. */
export const MODE_LABEL = 'nakama_mode';

/** Labels that Gameye or this module set; a caller cannot. */
const RESERVED_LABELS = ['env', 'tags', 'gameye', 'nakama_fleet', 'nakama_owner', MODE_LABEL];

/** Every client of a session gets its metadata, and every list shows it: it has bounds in keys and in characters, as JSON. */
export const MOST_METADATA_KEYS = 64;
export const MOST_METADATA_TEXT = 16_000;
export const METADATA_BOUND = `at most ${MOST_METADATA_KEYS} keys and ${MOST_METADATA_TEXT} characters as JSON.`;

/** What is wrong with metadata, as a sentence, or undefined. */
export function metadataProblem(metadata: { [key: string]: unknown }): string | undefined {
  const shown = publicMetadata(metadata);
  const isTooLarge =
    Object.keys(shown).length > MOST_METADATA_KEYS || JSON.stringify(shown).length > MOST_METADATA_TEXT;
  if (isTooLarge) return `metadata is too large: ${METADATA_BOUND}`;
  const env = metadata[ENV_KEY] ?? undefined;
  if (env !== undefined) {
    const valid =
      typeof env === 'object' &&
      !Array.isArray(env) &&
      Object.values(env).every((value) => typeof value === 'string' && value !== '');
    if (!valid) return `metadata["${ENV_KEY}"] must be an object whose values are non-empty strings.`;
  }
  const externalId = metadata[EXTERNAL_ID_KEY] ?? undefined;
  if (externalId !== undefined && (typeof externalId !== 'string' || externalId === '')) {
    return `metadata["${EXTERNAL_ID_KEY}"] must be a non-empty string.`;
  }
  const reserved = Object.keys(metadata).find((key) => RESERVED_LABELS.includes(key));
  if (reserved !== undefined) {
    return `metadata may not have the key "${reserved}"${reserved === 'env' ? `: use "${ENV_KEY}" for the container's environment.` : ': it is reserved.'}`;
  }
  return undefined;
}

/** Metadata without the reserved keys: what the instance and the players show. */
export function publicMetadata(metadata: { [key: string]: unknown }): { [key: string]: unknown } {
  // Not by assignment: Nakama freezes Object.prototype, and then `result.toString = …` throws.
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => key !== ENV_KEY && key !== EXTERNAL_ID_KEY));
}

/** Metadata as labels of the session: text as it is, everything else as JSON. */
export function labelsFrom(metadata: { [key: string]: unknown }): { [key: string]: string } {
  const shown = Object.entries(publicMetadata(metadata)).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(
    shown.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}
