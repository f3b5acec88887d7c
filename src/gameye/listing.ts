/*
 * What a list of sessions looks like before the database reads it. It may be 40 MB long, so it is not parsed here, where that
 * takes twelve seconds for a hundred thousand sessions.
 */

/** Containers' environments, with the secrets of their game servers. Nakama logs the arguments of a statement that fails. */
const ENV = /"env"\s*:\s*"(?:[^"\\]|\\.)*"/g;

/** What Postgres does not take as text; no field that is compared has them. */
const UNSTORABLE = /\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})/g;

/**
 * The text of a list without environments, without the API token should the API repeat it, and without what Postgres refuses.
 * An empty text when an environment is in a form that nobody knows: such a list cannot be read.
 */
export function withoutSecrets(body: string, apiToken: string): string {
  const text = body.replace(ENV, '"env":""').replace(UNSTORABLE, '\\ufffd');
  if (/"env"\s*:\s*[^"\sn]/.test(text)) return '';
  return text.split(apiToken).join('[token]').split('\0').join('');
}
