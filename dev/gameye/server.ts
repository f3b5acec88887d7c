import Fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import { deliver, strikeBefore } from './answer.ts';
import { authorize } from './auth.ts';
import { ApiError, errorResponse, type FieldViolation } from './errors.ts';
import type { Faults } from './faults.ts';
import type { Fleet } from './fleet.ts';
import { registerOperations } from './operations.ts';
import type { RequestLog } from './request-log.ts';
import type { Settings } from './settings.ts';

export interface ServerParts {
  settings: Settings;
  fleet: Fleet;
  faults: Faults;
  log: RequestLog;
  stopping: AbortSignal;
}

/** The Session API as an HTTP server; not listening yet. */
export function buildServer(parts: ServerParts): FastifyInstance {
  const app = Fastify({
    forceCloseConnections: true, // a stop does not wait for connections that somebody keeps open
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 1000 },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: true } },
  });
  app.removeAllContentTypeParsers();
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // Clients set the header on a DELETE without a body, too.
    if (body === '') done(null, undefined);
    else void parseJson(request, body as string, done);
  });
  app.decorateRequest('exchange', null as never);
  void app.register((api, _options, ready) => {
    registerHooks(api, parts);
    registerOperations(api, parts.settings, parts.fleet);
    ready();
  });
  app.setNotFoundHandler(async (request, reply) => {
    openExchange(request, parts);
    const error = new ApiError(404, `The Session API has no ${request.method} ${request.url.split('?')[0]}.`);
    await deliver(request, reply, { status: 404, json: errorResponse(error, request.url) });
    return reply;
  });
  return app;
}

function registerHooks(api: FastifyInstance, parts: ServerParts): void {
  api.addHook('onRequest', async (request) => {
    openExchange(request, parts);
    const { scope } = request.routeOptions.config;
    request.exchange.entry.tokenName = authorize(parts.settings, request.headers.authorization, scope);
  });
  // Here the body is parsed but not yet judged: a fault strikes a wrong request as it does a right one.
  api.addHook('preValidation', async (request, reply) => {
    const { entry } = request.exchange;
    const { sessionId, region } = subject(request, parts.fleet);
    if (sessionId !== undefined) entry.sessionId = sessionId;
    if (region !== undefined) entry.region = region;
    const plan = parts.faults.plan(request.routeOptions.config.operation!, region);
    if (!plan) return;
    entry.fault = plan.name;
    request.exchange.plan = plan;
    if (await strikeBefore(request, reply)) return reply;
  });
  api.setErrorHandler<FastifyError | ApiError>(async (error, request, reply) => {
    const refusal = error instanceof ApiError ? error : asRefusal(error);
    await deliver(request, reply, { status: refusal.status, json: errorResponse(refusal, request.url) });
    return reply;
  });
}

function openExchange(request: FastifyRequest, { log, stopping }: ServerParts): void {
  const { operation = 'unknown' } = request.routeOptions.config ?? {};
  request.exchange = { entry: log.open(operation, request.method, request.url), log, stopping };
}

/** The session and region a request is about, as far as it says; nothing has been validated yet. */
function subject(request: FastifyRequest, fleet: Fleet): { sessionId?: string; region?: string } {
  const record = (value: unknown) =>
    (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const [params, query, body] = [record(request.params), record(request.query), record(request.body)];
  const id = params['id'] ?? body['id'] ?? body['session'] ?? query['session'] ?? query['id'];
  const sessionId = typeof id === 'string' ? id : undefined;
  const named = body['location'] ?? query['location'] ?? params['region'];
  const region = typeof named === 'string' ? named : sessionId && fleet.ledger.get(sessionId)?.region;
  return { ...(sessionId ? { sessionId } : {}), ...(region ? { region } : {}) };
}

/** What fastify says about a request that it could not parse or that the schema refuses. */
function asRefusal(error: FastifyError): ApiError {
  if (error.validation) {
    const where = error.validationContext ?? 'body';
    const violations = error.validation.map(({ instancePath, params, message }): FieldViolation => {
      const path = instancePath
        .split('/')
        .slice(1)
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
      const property = params['missingProperty'] ?? params['additionalProperty'];
      if (typeof property === 'string') path.push(property);
      return { field: path.join('.') || where, description: message ?? 'is not valid' };
    });
    return new ApiError(
      422,
      `${where}: ${violations.map((v) => `${v.field} ${v.description}`).join('; ')}`,
      violations,
    );
  }
  const { statusCode = 500, message } = error;
  if (statusCode < 500) return new ApiError(422, message, [{ field: 'body', description: message }]);
  return new ApiError(500, message);
}
