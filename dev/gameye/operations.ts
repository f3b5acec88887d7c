import type { FastifyInstance, FastifyRequest } from 'fastify';
import { deliver, type Answer } from './answer.ts';
import { packArtifact } from './artifacts.ts';
import { ApiError } from './errors.ts';
import type { Operation } from './faults.ts';
import type { Fleet } from './fleet.ts';
import { describe, list, parseListQuery } from './listing.ts';
import { join, leave } from './players.ts';
import * as schemas from './schemas.ts';
import type { RunRequest } from './session.ts';
import { canRun, type SCOPES, type Settings } from './settings.ts';
import { parseTtl } from './ttl.ts';

type Text = Record<string, string>;

interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  url: string;
  operation: Operation;
  /** None: any known token will do, as the document has it for join and leave. */
  scope?: (typeof SCOPES)[number];
  body?: object;
  query?: object;
  handle: (request: FastifyRequest) => Answer | Promise<Answer>;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: Operation;
    scope?: string;
  }
}

/** The ten operations of the official document. */
export function registerOperations(api: FastifyInstance, settings: Settings, fleet: Fleet): void {
  for (const { method, url, operation, scope, body, query, handle } of routes(settings, fleet)) {
    api.route({
      method,
      url,
      schema: { querystring: query ?? schemas.noQuery, ...(body ? { body } : {}) },
      config: { operation, ...(scope ? { scope } : {}) },
      handler: async (request, reply) => {
        await deliver(request, reply, await handle(request));
        return reply;
      },
    });
  }
}

function routes(settings: Settings, fleet: Fleet): Route[] {
  const param = (request: FastifyRequest, name: string): string => (request.params as Text)[name]!;
  const query = (request: FastifyRequest, name: string): string | undefined => (request.query as Text)[name];

  const run = async (request: FastifyRequest): Promise<Answer> => {
    const body = request.body as RunRequest;
    if (body.ttl !== undefined && parseTtl(body.ttl) === undefined) {
      const description = `must be like "30m", "1h" or "2h30m", not "${body.ttl}"`;
      throw new ApiError(422, `ttl ${description}.`, [{ field: 'ttl', description }]);
    }
    const { entry, plan } = request.exchange;
    const caller = { tokenName: entry.tokenName!, requestOrdinal: entry.ordinal, slowStartMs: plan?.slowStartMs ?? 0 };
    const session = await fleet.run(body, caller);
    const { id, host, ports } = session.entry;
    entry.sessionId = id;
    return { status: 201, json: { id, host, ports } };
  };

  const sessionList = (request: FastifyRequest): Answer => {
    const parsed = parseListQuery(request.query as Text);
    const staleMs = request.exchange.plan?.staleMs;
    const atMs = staleMs === undefined ? undefined : Date.now() - staleMs;
    // Without `all`, only those that have not ended can be in it – unless the list is that of a moment ago.
    const sessions = [...(parsed.all || atMs !== undefined ? fleet.all : fleet.live)];
    const visible = settings.visibleWhileStarting ? sessions : sessions.filter((session) => fleet.isVisible(session));
    return { status: 200, json: { sessions: list(visible, settings, parsed, atMs) } };
  };

  const locations = (request: FastifyRequest): Answer => {
    const image = settings.images.get(param(request, 'image'));
    if (!image) throw new ApiError(404, `There is no image "${param(request, 'image')}".`);
    const offered = [...settings.regions].filter(([name, { outage }]) => !outage && canRun(image, name));
    return { status: 200, json: { locations: offered.map(([id, { ips }]) => ({ id, ips })) } };
  };

  const tagExists = (request: FastifyRequest): Answer => {
    const image = settings.images.get(param(request, 'image'));
    const region = param(request, 'region');
    if (!image) throw new ApiError(404, `There is no image "${param(request, 'image')}".`);
    if (!settings.regions.has(region)) throw new ApiError(404, `There is no region "${region}".`);
    const exists = canRun(image, region) && image.tags.includes(param(request, 'version'));
    return { status: 200, json: { exists } };
  };

  const artifacts = async (request: FastifyRequest): Promise<Answer> => {
    const session = fleet.find(query(request, 'session')!);
    if (!session.isOver) throw new ApiError(404, 'Artifacts can be fetched once the session has been terminated.');
    const folder = session.container?.workFolder;
    const bytes = folder && (await packArtifact(folder, query(request, 'path')!));
    if (!bytes) throw new ApiError(404, `There is nothing at "${query(request, 'path')}".`);
    return { status: 200, type: 'application/x-tar', bytes };
  };

  const logs = (request: FastifyRequest): Answer => {
    const output = fleet.find(query(request, 'id')!).container?.output;
    if (!output || query(request, 'follow') !== 'true') {
      return { status: 200, type: 'text/plain', bytes: output?.text() ?? Buffer.alloc(0) };
    }
    const stream: Extract<Answer, { stream: unknown }>['stream'] = (reply) => {
      void reply.hijack();
      reply.raw.writeHead(200, { 'content-type': 'text/plain' });
      reply.raw.flushHeaders();
      const stop = output.follow(
        (chunk) => reply.raw.write(chunk),
        () => reply.raw.end(),
      );
      reply.raw.once('close', stop);
    };
    return { status: 200, stream };
  };

  return [
    {
      method: 'POST',
      url: '/session',
      operation: 'session-run',
      scope: 'session:start',
      body: schemas.sessionRun,
      handle: run,
    },
    {
      method: 'GET',
      url: '/session',
      operation: 'session-list',
      scope: 'session:read',
      query: schemas.listQuery,
      handle: sessionList,
    },
    {
      method: 'GET',
      url: '/session/:id',
      operation: 'describe-session',
      scope: 'session:read',
      handle: (request) => ({ status: 200, json: describe(fleet.find(param(request, 'id')), settings) }),
    },
    {
      method: 'DELETE',
      url: '/session/:id',
      operation: 'session-stop',
      scope: 'session:stop',
      handle: (request) => {
        fleet.stop(param(request, 'id'));
        return { status: 204 };
      },
    },
    {
      method: 'PUT',
      url: '/session/player/join',
      operation: 'join-session',
      body: schemas.joinSession,
      handle: (request) => {
        const { session, players } = request.body as { session: string; players: string[] };
        return { status: 200, json: join(fleet, session, players) };
      },
    },
    {
      method: 'DELETE',
      url: '/session/player/leave',
      operation: 'leave-session',
      body: schemas.leaveSession,
      handle: (request) => {
        const { session, players } = request.body as { session?: string; players: string[] };
        return { status: 200, json: leave(fleet, session, players) };
      },
    },
    {
      method: 'GET',
      url: '/artifacts',
      operation: 'artifacts',
      scope: 'artifact:read',
      query: schemas.artifactsQuery,
      handle: artifacts,
    },
    {
      method: 'GET',
      url: '/available-location/:image',
      operation: 'get-available-locations',
      scope: 'regions:read',
      handle: locations,
    },
    {
      method: 'GET',
      url: '/tag/:region/:image/:version',
      operation: 'tag-exists',
      scope: 'regions:read',
      handle: tagExists,
    },
    {
      method: 'GET',
      url: '/logs',
      operation: 'stream-logs',
      scope: 'logs:read',
      query: schemas.logsQuery,
      handle: logs,
    },
  ];
}
