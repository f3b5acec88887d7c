import { isRecord } from './transport';
import { readListed } from './wire';

/*
 * What a list of sessions looks like before the database reads it. It may be some ten megabytes long, so it is neither parsed
 * here, which takes twelve seconds for a hundred thousand sessions, nor gone through with regular expressions, which takes ten.
 * But Nakama logs the arguments of a statement that fails, and Gameye shows the environment of every container beside its
 * labels, with the secrets of its game server.
 */

/** What is left where an environment has a form that nobody knows, or is somewhere else; and what no JSON has. */
const ODD = ['"env"', 'SEAT_SECRET', 'NAKAMA_SERVER_TOKEN', '\0'];

/** The letters of `env`, written in another way. */
const ESCAPED_NAME = /\\u00(?:65|6[eE]|76)/;

/** Halves of pairs and NUL, which Postgres refuses; no field that is compared has them. */
const UNSTORABLE = /\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})/g;

/** The text of a list as it may be an argument of a statement: without environments, and without the API token should the API repeat it. */
export function withoutSecrets(body: string, apiToken: string): string {
  const text = withoutEnvironments(body);
  const hasEscapes = text.includes('\\u');
  if (ODD.some((one) => text.includes(one)) || (hasEscapes && ESCAPED_NAME.test(text))) {
    return comparedOnly(body, apiToken);
  }
  return redacted(hasEscapes ? text.replace(UNSTORABLE, '\\ufffd') : text, apiToken);
}

/** Cuts out every `"env"` whose value is a text; what follows the first that has another form stays. */
function withoutEnvironments(body: string): string {
  const parts: string[] = [];
  let from = 0;
  for (let at = body.indexOf('"env"'); at >= 0; at = body.indexOf('"env"', from)) {
    const value = startOfText(body, at);
    const end = value && endOfText(body, value);
    if (!end) break;
    parts.push(body.slice(from, at));
    from = end;
  }
  // Bytes that are no text stay in a body that nobody took apart, and Postgres refuses them.
  return from === 0 ? body.slice(0, 1) + body.slice(1) : parts.concat(body.slice(from)).join('"-":""');
}

/** Where the text after a name at this place begins, behind its quote; undefined: another value follows. */
function startOfText(body: string, at: number): number | undefined {
  if (body.slice(at + 5, at + 7) === ':"') return at + 7;
  const between = /^\s*:\s*"/.exec(body.slice(at + 5, at + 100));
  return between ? at + 5 + between[0].length : undefined;
}

/** The place behind the quote that ends the text which begins here; undefined: none does. */
function endOfText(body: string, start: number): number | undefined {
  // The text is a JSON object, so nearly always the first quote behind a brace is that: others have a backslash before them.
  if (body.charAt(start) === '{') {
    const brace = body.indexOf('}"', start);
    return brace < 0 ? undefined : brace + 2;
  }
  for (let quote = body.indexOf('"', start); quote >= 0; quote = body.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (body.charAt(quote - 1 - backslashes) === '\\') backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return undefined;
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
