/*
 * An API that repeats what it was sent must not get a secret of ours into a log, a record or an answer.
 */

/** Shorter ones are no secrets, and without them the texts of the API would be unreadable. */
const SHORTEST = 6;

/** What we put into a container's environment ourselves. Random, so no other part of an answer looks like it. */
const OURS = ['SEAT_SECRET', 'NAKAMA_SERVER_TOKEN'];

/** Takes the secrets of one request out of a text. Use it before any cut: half a secret is still one. */
export type Redact = (text: string) => string;

export interface Redaction {
  /** For texts of the API: the token, and every value of the environment that was sent. */
  words: Redact;
  /** For a body that is read: only what is certainly no other part of it. */
  body: Redact;
}

/** What has to be taken out of the answers to a request. */
export function redactionFor(apiToken: string, sent: object | undefined): Redaction {
  const env = (sent as { env?: { [name: string]: string } } | undefined)?.env ?? {};
  const values = Object.values(env).filter((value) => value.length >= SHORTEST);
  const ours = OURS.flatMap((name) => (Object.prototype.hasOwnProperty.call(env, name) ? [env[name] ?? ''] : []));
  const long = [apiToken, ...ours].filter((value) => value.length >= SHORTEST);
  return { words: redactor(apiToken, [apiToken, ...values]), body: redactor(apiToken, long) };
}

/** A token of Nakama, or a seat token: both have three parts. */
const TOKEN = /\b(?:eyJ[\w-]{8,}|v1)\.[\w-]{16,}\.[\w-]{16,}/g;

/** No secret is longer. A text that was cut before its secrets were taken out may begin with the rest of one. */
export const LONGEST_SECRET = 4096;

/**
 * For what a game server wrote: the API token, what its session's container got from us, and every token of a player or a
 * game server, because when those were made nobody knows.
 */
export function outputRedaction(apiToken: string, seatSecrets: string[]): Redact {
  const redact = redactor(
    apiToken,
    [apiToken, ...seatSecrets].filter((secret) => secret.length >= SHORTEST),
  );
  return (text) => redact(text.replace(TOKEN, '[secret]'));
}

function redactor(apiToken: string, secrets: string[]): Redact {
  // In quotes an API writes a value as JSON does.
  const forms = secrets.reduce<string[]>((all, secret) => all.concat(secret, JSON.stringify(secret).slice(1, -1)), []);
  // The longest first, because one may be a part of another.
  forms.sort((a, b) => b.length - a.length);
  return (text) =>
    forms.reduce((rest, form) => {
      if (!rest.includes(form)) return rest;
      return rest.split(form).join(form === apiToken ? '[token]' : '[secret]');
    }, text);
}
