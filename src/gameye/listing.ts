import { isRecord } from './transport';
import { readListed } from './wire';

/*
 * What a list of sessions looks like before the database reads it. It may be some ten megabytes long, so it is not parsed
 * here: that takes twelve seconds for a hundred thousand sessions. But Nakama logs the arguments of a statement that fails, and
 * Gameye shows the environment of every container beside its labels, with the secrets of its game server.
 */

/** Containers' environments. */
const ENV = /"env"\s*:\s*"(?:[^"\\]|\\.)*"/g;

/** What is left where an environment has another form, or its name is written in another way. */
const MORE_ENV = /"env"|\\u00(?:65|6[eE]|76)|SEAT_SECRET|NAKAMA_SERVER_TOKEN/;

/** Halves of pairs and NUL, which Postgres refuses; no field that is compared has them. */
const UNSTORABLE = /\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})/g;

/** The text of a list as it may be an argument of a statement: without environments, and without the API token should the API repeat it. */
export function withoutSecrets(body: string, apiToken: string): string {
  const text = body.replace(ENV, '"-":""');
  if (MORE_ENV.test(text)) return comparedOnly(body, apiToken);
  return redacted(text.replace(UNSTORABLE, '\\ufffd'), apiToken);
}

/**
 * The same with nothing but what is compared, which also reads forms that Postgres does not: slow, so only for lists that are
 * odd. An empty text when it is no list.
 */
export function comparedOnly(body: string, apiToken: string): string {
  let list: unknown;
  try {
    list = JSON.parse(body);
  } catch {
    return '';
  }
  const shown = isRecord(list) ? list['sessions'] : undefined;
  if (!Array.isArray(shown)) return '';
  const sessions = (shown as unknown[]).map((entry) => {
    if (!isRecord(entry)) return null;
    const { id, status, host, ports, labels, playerCount } = readListed(entry);
    const { nakama_owner, nakama_fleet } = labels;
    return { id, status, host, ports, playerCount, labels: { tags: JSON.stringify({ nakama_owner, nakama_fleet }) } };
  });
  return redacted(JSON.stringify({ sessions }), apiToken);
}

function redacted(text: string, apiToken: string): string {
  return text.includes(apiToken) ? text.split(apiToken).join('[token]') : text;
}
