import type { FastifyInstance, FastifyReply } from 'fastify';
import { readFile } from 'node:fs/promises';
import type { FaultRule, Faults } from './faults.ts';
import type { Fleet } from './fleet.ts';
import type { Ending } from './ledger.ts';
import type { RequestLog } from './request-log.ts';
import { SettingsError, type Settings, type SettingsChange } from './settings.ts';

export interface ControlParts {
  settings: Settings;
  fleet: Fleet;
  faults: Faults;
  log: RequestLog;
  configure: (change: SettingsChange) => void;
}

/** What the page shows: GET /_sim/state. */
export interface SimulatorState {
  atMs: number;
  settings: Pick<Settings, 'startMs' | 'ttlScale' | 'killGraceMs' | 'visibleWhileStarting'> & { quota: number | null };
  regions: { name: string; capacity: number; occupied: number; starting: number; running: number; outage: boolean }[];
  pools: { image: string; region: string; size: number; ready: number }[];
  ledger: { total: number; live: number; neverRan: number; ended: Record<Ending, number> };
  faults: ReturnType<Faults['list']>;
  /** The newest 200 that have not ended. */
  sessions: {
    id: string;
    region: string;
    image: string;
    status: string;
    players: number;
    warm: boolean;
    requestedAtMs: number;
  }[];
  requests: { total: number; latest: ReturnType<RequestLog['latest']> };
}

const SHOWN = { sessions: 200, requests: 60 };

/**
 * `/_sim`: the simulator's own API and page, without a token. It can change settings and faults, but not what an image
 * runs: a command only ever comes from whoever started the simulator.
 */
export function registerControl(app: FastifyInstance, parts: ControlParts): void {
  const { fleet, faults, log } = parts;
  void app.register(
    (sim, _options, ready) => {
      sim.setErrorHandler<Error & { statusCode?: number }>((error, _request, reply) => {
        const isInvalid = error instanceof SettingsError || error instanceof TypeError;
        void reply.code(isInvalid ? 422 : (error.statusCode ?? 500)).send({ message: error.message });
      });
      const file = (name: string, type: string) => async (_request: unknown, reply: FastifyReply) =>
        reply.type(type).send(await readFile(new URL(name, import.meta.url)));
      sim.get('/', file('page.html', 'text/html; charset=utf-8'));
      sim.get('/page.js', file('page.js', 'text/javascript; charset=utf-8'));
      sim.get('/state', () => stateOf(parts));
      sim.get('/ledger', () => ({ entries: fleet.ledger.entries }));
      sim.get('/requests', () => ({ requests: log.all() }));
      sim.get('/faults', () => ({ faults: faults.list() }));
      sim.post('/faults', async (request, reply) =>
        reply.code(201).send({ id: faults.add(request.body as FaultRule) }),
      );
      sim.delete('/faults', async (_request, reply) => {
        faults.clear();
        return reply.code(204).send();
      });
      sim.delete<{ Params: { id: string } }>('/faults/:id', async (request, reply) => {
        if (faults.remove(request.params.id)) return reply.code(204).send();
        return reply.code(404).send({ message: `There is no fault "${request.params.id}"; see GET /_sim/faults.` });
      });
      sim.patch('/settings', (request) => {
        const change = request.body;
        if (typeof change !== 'object' || change === null) throw new TypeError('Send a JSON object with settings.');
        parts.configure(change as SettingsChange);
        return stateOf(parts).settings;
      });
      sim.post<{ Params: { id: string } }>('/sessions/:id/kill', async (request, reply) => {
        if (fleet.kill(request.params.id)) return reply.code(204).send();
        return reply.code(404).send({ message: `Session "${request.params.id}" does not run.` });
      });
      ready();
    },
    { prefix: '/_sim' },
  );
}

function stateOf({ settings, fleet, faults, log }: ControlParts): SimulatorState {
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
    sessions: live
      .slice(-SHOWN.sessions)
      .reverse()
      .map(({ entry: { id, region, image, players, warm, requestedAtMs }, status }) => {
        return { id, region, image, status, players: players.length, warm, requestedAtMs };
      }),
    requests: { total: log.total, latest: log.latest(SHOWN.requests).reverse() },
  };
}
