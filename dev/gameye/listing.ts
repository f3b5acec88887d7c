import type { Session, SessionStatus } from './session.ts';
import type { Settings } from './settings.ts';

/** The query of GET /session, after validation. */
export interface ListQuery {
  all: boolean;
  location?: string;
  image?: string;
  tag?: string;
  host?: string;
  fewerPlayersThan?: number;
  morePlayersThan?: number;
  /** On the caller's labels: equal, case matters. */
  labels: Record<string, string>;
}

/** Reads `all=true`, `playerCount[lt]=4`, `filter[map]=dust` and the rest; the parameters have been validated. */
export function parseListQuery(query: Readonly<Record<string, string>>): ListQuery {
  const parsed: ListQuery = { all: query['all'] === 'true', labels: {} };
  for (const key of ['location', 'image', 'tag', 'host'] as const) {
    if (query[key] !== undefined) parsed[key] = query[key];
  }
  if (query['playerCount[lt]'] !== undefined) parsed.fewerPlayersThan = Number(query['playerCount[lt]']);
  if (query['playerCount[gt]'] !== undefined) parsed.morePlayersThan = Number(query['playerCount[gt]']);
  for (const [key, value] of Object.entries(query)) {
    const label = /^filter\[(.+)\]$/.exec(key)?.[1];
    if (label !== undefined) parsed.labels[label] = value;
  }
  return parsed;
}

/** The entries of GET /session. `atMs`: as the list was at that instant (the players are those of now). */
export function list(sessions: Iterable<Session>, settings: Settings, query: ListQuery, atMs?: number): object[] {
  const entries: object[] = [];
  for (const session of sessions) {
    const status = statusOf(session, settings, atMs);
    if (status === undefined || (!query.all && status !== 'running') || !matches(session, query)) continue;
    entries.push({ ...common(session, status), playerCount: session.entry.players.length });
  }
  return entries;
}

/** The body of GET /session/{id}. */
export function describe(session: Session, settings: Settings): object {
  const { players } = session.entry;
  const status = statusOf(session, settings)!;
  return { ...common(session, status), players: { joined: players, joinedCount: players.length } };
}

function common(session: Session, status: SessionStatus) {
  const { id, image, tag, region, host, requestedAtMs, ports } = session.entry;
  const port: Record<string, number> = {};
  for (const { type, container, host: number } of ports) port[`${container}/${type}`] = number;
  return { id, image, tag, location: region, host, created: requestedAtMs, port, status, labels: session.labelsView };
}

/** The status the API shows; undefined for a session that was not asked for yet at that instant. */
export function statusOf(session: Session, settings: Settings, atMs?: number): SessionStatus | undefined {
  const { requestedAtMs, runningAtMs, endedAtMs, region } = session.entry;
  let { status } = session;
  if (atMs !== undefined && (endedAtMs === undefined || endedAtMs > atMs)) {
    if (requestedAtMs > atMs) return undefined;
    status = runningAtMs === undefined || runningAtMs > atMs ? 'created' : 'running';
  }
  return status === 'running' && settings.regions.get(region)!.outage ? 'server_unreachable' : status;
}

function matches({ entry }: Session, query: ListQuery): boolean {
  return (
    (query.location === undefined || entry.region === query.location) &&
    (query.image === undefined || entry.image === query.image) &&
    (query.tag === undefined || entry.tag === query.tag) &&
    (query.host === undefined || entry.host === query.host) &&
    (query.fewerPlayersThan === undefined || entry.players.length < query.fewerPlayersThan) &&
    (query.morePlayersThan === undefined || entry.players.length > query.morePlayersThan) &&
    Object.entries(query.labels).every(([key, value]) => entry.labels[key] === value)
  );
}
