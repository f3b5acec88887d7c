import { ownerId } from '../../../src/database/control';
import { compareSessions, type Strays } from '../../../src/database/reconcile';
import type { Config } from '../../../src/config';
import type { HttpResponse } from '../../../src/nakama/runtime';
import { MOST_TASKS, planFrom, type Plan } from '../../../src/supervision/plan';
import { configWith } from './config';
import { answer } from './gameye';
import { OWNER, type FakeNakama, type HttpRequest } from './nakama';
import { FLEET } from './records';

export const NOW = 1_700_000_000_000;
export const MINUTE = 60_000;
export const config = configWith();

/** What of a record matters to the reconciler. Times in milliseconds since 1970. */
export interface RecordLike {
  fleet?: string;
  status?: string;
  host?: string;
  ports?: { [port: string]: number };
  /** How many are in it; one unless it is said. */
  players?: number;
  visited?: boolean;
  createdAt?: number;
  emptySince?: number;
  /** Until when it may wait for its first player. */
  awaitedUntil?: number;
  expiresAt?: number;
  missed?: number;
}

/** Stores an instance: one player is in it, and it is ten minutes old. */
export function store(fake: FakeNakama, id: string, more: RecordLike = {}): void {
  const { fleet = FLEET, status = 'running', host = '1.2.3.4', ports = { '7777/udp': 20001 }, players = 1 } = more;
  const {
    visited = players > 0,
    createdAt = fake.clock() - 10 * MINUTE,
    emptySince,
    awaitedUntil,
    expiresAt,
    missed = 0,
  } = more;
  const at = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());
  fake.query(
    `INSERT INTO gameye_instance (id, allocation_id, fleet, status, region, image, ip_address, port, ports, max_players, joined,
       player_count, open_seats, visited, missed, create_time, empty_since, expires_at, awaited_until)
     VALUES ($1, $1, $2, $3, 'eu', 'my-game', $4, $5, $6, 4, $7, $7, 4 - $7, $8, $9, $10, $11, $12, $13)`,
    [
      ...[id, fleet, status, host, Object.values(ports)[0] ?? 0, JSON.stringify(ports), players, visited, missed],
      ...[at(createdAt), at(emptySince), at(expiresAt), at(awaitedUntil)],
    ],
  );
}

export type Entry = { [field: string]: unknown };

/** A session of ours as a list shows it: running, and nobody is in it. */
export function listed(id: string, more: Entry = {}): Entry {
  const tags = JSON.stringify({ nakama_fleet: FLEET, nakama_owner: OWNER });
  return {
    id,
    status: 'running',
    host: '1.2.3.4',
    port: { '7777/udp': 20001 },
    location: 'eu',
    image: 'my-game',
    created: NOW,
    labels: { tags },
    playerCount: 0,
    ...more,
  };
}

/** Labels of a session. */
export function labels(tags: object): Entry {
  return { labels: { tags: JSON.stringify(tags) } };
}

/** What a comparison of the stored records with this list leads to; undefined: the list could not be had. */
export function plan(
  fake: FakeNakama,
  list: unknown[] | undefined,
  more: { strays?: Strays; known?: boolean; config?: Config; body?: string } = {},
): Plan {
  const { strays = {}, known = false, body = list && JSON.stringify({ sessions: list }) } = more;
  const { fleet, emptyGraceMs } = more.config ?? config;
  const found = compareSessions(fake.nk, {
    fleet,
    owner: ownerId(fake.nk),
    listing: body,
    strays,
    grace_ms: emptyGraceMs,
    horizon_ms: 2 * MINUTE,
    most: MOST_TASKS,
  });
  return planFrom(found, strays, known, fake.clock());
}

/** A session of the model. */
export interface ModelSession {
  status: string;
  players: string[];
  tags: { [label: string]: string };
}

/** A Session API that runs these sessions, and does to a request what a test says instead of answering it. */
export class ModelSessions {
  readonly running = new Map<string, ModelSession>();
  lie: ((request: HttpRequest) => HttpResponse | undefined) | undefined;

  run(id: string, more: Partial<ModelSession> = {}): void {
    const tags = { nakama_fleet: FLEET, nakama_owner: OWNER };
    this.running.set(id, { status: 'running', players: [], tags, ...more });
  }

  /** As the list and the description show it. */
  entry(id: string): Entry {
    const { status, players, tags } = this.running.get(id)!;
    const shown = listed(id, { status, playerCount: players.length, ...labels(tags) });
    return { ...shown, players: { joined: players, joinedCount: players.length } };
  }

  entries(): Entry[] {
    return [...this.running.keys()].map((id) => this.entry(id));
  }

  handle(request: HttpRequest): HttpResponse {
    const lie = this.lie?.(request);
    if (lie) return lie;
    if (isListing(request)) return answer(200, { sessions: this.entries() });
    const id = request.url.split('/session/')[1] ?? '';
    if (!this.running.has(id)) return answer(404, { message: 'no such session' });
    if (request.method !== 'delete') return answer(200, this.entry(id));
    this.running.delete(id);
    return { code: 204, headers: {}, body: '' };
  }
}

export function isListing({ method, url }: HttpRequest): boolean {
  return method === 'get' && url.includes('/session?');
}
