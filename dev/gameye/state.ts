import { OPERATIONS, type Faults } from './faults.ts';
import type { Fleet } from './fleet.ts';
import type { Ending, Port } from './ledger.ts';
import { statusOf } from './listing.ts';
import type { RequestLog } from './request-log.ts';
import type { Settings } from './settings.ts';

export interface StateParts {
  settings: Settings;
  fleet: Fleet;
  faults: Faults;
  log: RequestLog;
}

/** What the page shows: GET /_sim/state. Holds no token and no value of a container's environment. */
export interface SimulatorState {
  atMs: number;
  settings: Pick<Settings, 'startMs' | 'ttlScale' | 'killGraceMs' | 'visibleWhileStarting'> & { quota: number | null };
  regions: { name: string; capacity: number; occupied: number; starting: number; running: number; outage: boolean }[];
  pools: { image: string; region: string; size: number; ready: number }[];
  ledger: { total: number; live: number; neverRan: number; ended: Record<Ending, number> };
  faults: ReturnType<Faults['list']>;
  /** The operations that a fault may be limited to. */
  operations: readonly string[];
  /** The newest 200 that have not ended. */
  sessions: {
    id: string;
    region: string;
    image: string;
    tag: string;
    /** Of the game, as the label `nakama_mode` says; empty without one. */
    mode: string;
    status: string;
    host: string;
    ports: readonly Port[];
    /** How many are in it, who (the first 50), and how many it was started for. */
    players: number;
    playerIds: string[];
    expected: number;
    warm: boolean;
    requestedAtMs: number;
  }[];
  requests: { total: number; latest: ReturnType<RequestLog['latest']> };
}

const SHOWN = { sessions: 200, requests: 100, players: 50 };

export function stateOf({ settings, fleet, faults, log }: StateParts): SimulatorState {
  const { startMs, ttlScale, killGraceMs, visibleWhileStarting, quota } = settings;
  const live = [...fleet.live];
  const entries = fleet.ledger.entries;
  const ended = { exit: 0, stop: 0, ttl: 0, killed: 0, shutdown: 0 };
  for (const entry of entries) if (entry.ended) ended[entry.ended]++;
  return {
    atMs: Date.now(),
    settings: { startMs, ttlScale, killGraceMs, visibleWhileStarting, quota: quota === Infinity ? null : quota },
    regions: [...settings.regions].map(([name, { capacity, outage }]) => {
      const here = live.filter((session) => session.entry.region === name);
      const starting = here.filter((session) => session.status === 'created').length;
      return { name, capacity, outage, occupied: fleet.occupancy(name), starting, running: here.length - starting };
    }),
    pools: [...settings.images].flatMap(([image, { warmPool }]) =>
      Object.entries(warmPool).map(([region, size]) => ({ image, region, size, ready: fleet.ready(image, region) })),
    ),
    ledger: {
      total: entries.length,
      live: live.length,
      neverRan: entries.filter((entry) => entry.endedAtMs !== undefined && entry.runningAtMs === undefined).length,
      ended,
    },
    faults: faults.list(),
    operations: OPERATIONS,
    sessions: live
      .slice(-SHOWN.sessions)
      .reverse()
      .map((session) => {
        const { entry } = session;
        const { id, region, image, tag, host, ports, players, matchUserIds, warm, requestedAtMs } = entry;
        const seats = { players: players.length, playerIds: players.slice(0, SHOWN.players) };
        return {
          id,
          region,
          image,
          tag,
          mode: entry.labels['nakama_mode'] ?? '',
          status: statusOf(session, settings) ?? session.status,
          host,
          ports,
          ...seats,
          expected: matchUserIds.length,
          warm,
          requestedAtMs,
        };
      }),
    requests: { total: log.total, latest: log.latest(SHOWN.requests).reverse() },
  };
}
