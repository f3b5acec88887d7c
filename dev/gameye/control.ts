import type { FastifyInstance, FastifyReply } from 'fastify';
import { readFile } from 'node:fs/promises';
import { ApiError } from './errors.ts';
import type { FaultRule } from './faults.ts';
import { SettingsError, type SettingsChange } from './settings.ts';
import { stateOf, type StateParts } from './state.ts';

export interface ControlParts extends StateParts {
  configure: (change: SettingsChange) => void;
}

/** The page: its address below /_sim, its file here, and what it is. */
const PAGE = [
  ['/', 'page.html', 'text/html'],
  ['/page.css', 'page.css', 'text/css'],
  ['/page.js', 'page.js', 'text/javascript'],
  ['/page-faults.js', 'page-faults.js', 'text/javascript'],
  ['/page-view.js', 'page-view.js', 'text/javascript'],
] as const;

/** Nothing from elsewhere, and no script that somebody wrote into an id. */
const POLICY = "default-src 'self'; img-src data:; frame-ancestors 'none'";

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
        const status = error instanceof ApiError ? error.status : isInvalid ? 422 : (error.statusCode ?? 500);
        void reply.code(status).send({ message: error.message });
      });
      // Another site's page, open in the same browser, must not end sessions here.
      sim.addHook('onRequest', async ({ headers: { origin, host } }, reply) => {
        if (origin === undefined || /^https?:\/\/(.*)$/.exec(origin)?.[1] === host) return;
        return reply.code(403).send({ message: `A page of ${origin} may not use this.` });
      });
      for (const [path, file, type] of PAGE) {
        sim.get(path, async (_request, reply: FastifyReply) => {
          const text = await readFile(new URL(file, import.meta.url));
          return reply.type(`${type}; charset=utf-8`).header('content-security-policy', POLICY).send(text);
        });
      }
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
      sim.post<{ Params: { id: string } }>('/sessions/:id/stop', async (request, reply) => {
        fleet.stop(request.params.id);
        return reply.code(204).send();
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
