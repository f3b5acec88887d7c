/**
 * What each operation accepts, after the official document (its schemas SessionRun, JoinSession and LeaveSession, and
 * the parameters). Query values arrive as text, so their types are written as patterns: nothing is coerced.
 */

const text = { type: 'string' } as const;
const nonEmpty = { type: 'string', minLength: 1 } as const;
const players = { type: 'array', items: text } as const;
const boolean = { type: 'string', enum: ['true', 'false'] } as const;

const object = (properties: object, required: string[] = []) =>
  ({ type: 'object', additionalProperties: false, required, properties }) as const;

export const sessionRun = object(
  {
    id: nonEmpty,
    location: nonEmpty,
    image: nonEmpty,
    env: { type: 'object', additionalProperties: nonEmpty },
    args: { type: 'array', items: nonEmpty },
    restart: { type: 'boolean' },
    labels: { type: 'object', additionalProperties: text },
    version: text,
    ttl: text, // its form is checked by parseTtl
    external_id: text,
  },
  ['location', 'image'],
);

export const joinSession = object({ session: text, players }, ['session', 'players']);

/** The document's body has no session, the examples in Gameye's documentation pages have one: both are taken. */
export const leaveSession = object({ session: text, players }, ['players']);

export const listQuery = {
  ...object({ all: boolean, location: text, image: text, tag: text, host: text }),
  patternProperties: {
    '^playerCount\\[(lt|gt)\\]$': { type: 'string', pattern: '^-?\\d{1,9}$' },
    '^filter\\[.+\\]$': text,
  },
} as const;

export const logsQuery = object({ id: nonEmpty, follow: boolean }, ['id']);

export const artifactsQuery = object({ session: nonEmpty, path: { type: 'string', minLength: 1, pattern: '^/' } }, [
  'session',
  'path',
]);

export const noQuery = object({});
