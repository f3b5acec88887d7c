import type { Ports } from '../records';
import { isUnstorable, storable } from '../text';
import { isHost } from './host';
import { isRecord } from './transport';

/** A session as `describe-session` shows it, with its quirks removed. */
export interface SessionView {
  id: string;
  status: string;
  host: string;
  ports: Ports;
  region: string;
  image: string;
  version?: string;
  createdAtMs?: number;
  /** What the starter of the session gave as labels; empty for one from a warm pool. */
  labels: { [key: string]: string };
  /** Undefined when the API did not say. */
  players?: string[];
}

/** A session as `session-list` shows it: without the players' names. Status empty: the API did not say. */
export type ListedSession = Omit<SessionView, 'players'> & { playerCount?: number };

/** One entry of a list as it came: read only when it matters, because of thousands most do not. */
export type ListedEntry = { [field: string]: unknown };

/** Where a started session is reached. */
export interface Started {
  id?: string;
  host: string;
  ports: Ports;
}

/** Reads the 201 of `session-run`, or says what is wrong with it. `id` is optional there. */
export function readStarted(body: unknown): Started | string {
  if (!isRecord(body)) return 'The answer to POST /session is no JSON object.';
  const ports = readPorts(body);
  if (isMissing(body['host'])) return 'The answer to POST /session has no host.';
  if (!isHost(body['host'])) return 'The answer to POST /session has a host that is none.';
  if (ports === undefined) return 'The answer to POST /session has no readable ports.';
  const { id, host } = body;
  if (isMissing(id)) return { host, ports };
  return typeof id === 'string' ? { id, host, ports } : 'The answer to POST /session has an id that is no text.';
}

/** Reads the 200 of `describe-session`, or says what is wrong with it. */
export function readSession(body: unknown): SessionView | string {
  if (!isRecord(body)) return 'The description of the session is no JSON object.';
  const session = readCommon(body);
  if (session.id === '' || session.status === '') return 'The description of the session has no id or status.';
  const players = isRecord(body['players']) ? body['players']['joined'] : undefined;
  if (!Array.isArray(players)) return session;
  return { ...session, players: players.filter((id): id is string => typeof id === 'string' && isPlain(id)) };
}

/** The session that an entry of a list shows. */
export function readListed(entry: ListedEntry): ListedSession {
  const { playerCount } = entry;
  return { ...readCommon(entry), ...(typeof playerCount === 'number' ? { playerCount } : {}) };
}

/** What a description and a list show alike; an empty text is what the API left out. */
function readCommon(body: { [key: string]: unknown }): Omit<SessionView, 'players'> {
  const text = (key: string): string => (typeof body[key] === 'string' ? storable(body[key], LONGEST) : '');
  return {
    id: text('id'),
    status: text('status'),
    host: isHost(body['host']) ? body['host'] : '',
    ports: readPorts(body) ?? {},
    region: text('location'),
    image: text('image'),
    ...(text('tag') === '' ? {} : { version: text('tag') }),
    ...(isTime(body['created']) ? { createdAtMs: body['created'] } : {}),
    labels: readLabels(body['labels']),
  };
}

/** A region that can run an image now, and what answers a ping there. */
export interface Location {
  id: string;
  ips: string[];
}

/** Reads the 200 of `get-available-locations`. Or says what is wrong with it. Only what looks like an address is one. */
export function readLocations(body: unknown): Location[] | string {
  const locations = isRecord(body) ? body['locations'] : undefined;
  if (!Array.isArray(locations)) return 'The list of locations has no locations.';
  const read: Location[] = [];
  for (const location of locations as unknown[]) {
    const { id, ips } = isRecord(location) ? location : {};
    if (typeof id !== 'string' || id === '') return 'The list of locations has one without an id.';
    const given: unknown[] = Array.isArray(ips) ? ips : [];
    read.push({ id, ips: given.filter(isHost) });
  }
  return read;
}

/** Reads the 200 of `tag-exists`, or says what is wrong with it. */
export function readTagExists(body: unknown): boolean | string {
  const exists = isRecord(body) ? body['exists'] : undefined;
  return typeof exists === 'boolean' ? exists : 'The answer does not say whether the tag exists.';
}

/** Ports are an array under `ports` when a session starts, and a map under `port` when it is described. */
function readPorts(body: { [key: string]: unknown }): Ports | undefined {
  const source = body['ports'] ?? body['port'];
  const ports: Ports = {};
  if (Array.isArray(source)) {
    for (const entry of source as unknown[]) {
      if (!isRecord(entry)) return undefined;
      const { type, container, host } = entry;
      if ((type !== 'udp' && type !== 'tcp') || !isPort(container) || !isPort(host)) return undefined;
      ports[`${container}/${type}`] = host;
    }
    return ports;
  }
  if (!isRecord(source)) return undefined;
  const named = Object.entries(source).filter(([name, host]) => host !== null && /^\d{1,5}\/(udp|tcp)$/.test(name));
  if (!named.every((entry): entry is [string, number] => isPort(entry[1]))) return undefined;
  return Object.fromEntries(named);
}

/** Gameye keeps the caller's labels as a JSON text under `tags`, beside `env` (secrets!) and its own. */
function readLabels(labels: unknown): { [key: string]: string } {
  const tags = isRecord(labels) ? labels['tags'] : undefined;
  if (typeof tags !== 'string') return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(tags);
  } catch {
    return {};
  }
  if (!isRecord(parsed)) return {};
  // Not by assignment: Nakama freezes Object.prototype, and then `labels.toString = …` throws.
  return Object.fromEntries(
    Object.entries(parsed)
      .filter((entry): entry is [string, string] => typeof entry[1] === 'string')
      .map(([key, value]) => [storable(key, LONGEST), storable(value, LONGEST)]),
  );
}

/** Longer than any name or label; whatever is cut off tells nothing. */
const LONGEST = 1000;

/** A player's id can be stored as it is, or is nobody's. */
function isPlain(id: string): boolean {
  return id.length <= 128 && !isUnstorable(id);
}

/** A time that a Date can hold: others throw when they are written down. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value < 8.64e15;
}

/** What the API left out, in whatever way it does that. */
function isMissing(value: unknown): value is undefined | null | '' {
  return value === undefined || value === null || value === '';
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** The port that players use: the configured one, or the lowest container port, udp before tcp. Undefined: not exposed. */
export function choosePort(ports: Ports, wanted: string | undefined): number | undefined {
  if (wanted !== undefined) return ports[wanted];
  const lowest = Object.keys(ports).sort((a, b) => parseInt(a, 10) - parseInt(b, 10) || (a > b ? -1 : 1))[0];
  return lowest === undefined ? undefined : ports[lowest];
}

/** The statuses in which a session still runs or will run again (SessionStatus in the official document). */
export function isLive(status: string): boolean {
  return status !== 'exited' && status !== 'dead';
}
