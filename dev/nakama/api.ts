import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Config } from './config.ts';
import { ApiError, Code } from './failure.ts';
import { basicUser, bearerToken, jsonBody, sendError, sendJson, type ApiRequest } from './http-tools.ts';
import type { Leaderboards } from './leaderboards.ts';
import type { Log } from './log.ts';
import type { Notifications } from './notifications.ts';
import type { RpcApi } from './rpc-api.ts';
import type { Sockets } from './sockets.ts';
import type { Session, Tokens } from './tokens.ts';
import type { Friends } from './friends.ts';
import type { Credential, Users } from './users.ts';

type Handler = (request: ApiRequest, response: ServerResponse, rest: string) => Promise<void> | void;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The part of Nakama's HTTP API that `@heroiclabs/nakama-js` and a module's tests use. */
export class Api {
  private readonly server: Server;
  private readonly routes: [method: string, prefix: string, handler: Handler][];

  constructor(
    private readonly config: Config,
    private readonly log: Log,
    private readonly users: Users,
    private readonly friends: Friends,
    private readonly tokens: Tokens,
    private readonly notifications: Notifications,
    private readonly leaderboards: Leaderboards,
    rpc: RpcApi,
    sockets: Sockets,
  ) {
    this.routes = [
      ['GET', '/v2/rpc/', (request, response, id) => rpc.handle(id, request, response)],
      ['POST', '/v2/rpc/', (request, response, id) => rpc.handle(id, request, response)],
      ['POST', '/v2/account/authenticate/', (...args) => this.authenticate(...args)],
      ['POST', '/v2/account/session/refresh', (request, response) => this.refresh(request, response)],
      ['POST', '/v2/session/logout', (request, response) => this.logout(request, response)],
      ['GET', '/v2/account', (request, response) => this.account(request, response)],
      ['POST', '/v2/friend', (request, response) => this.addFriends(request, response)],
      ['GET', '/v2/leaderboard/', (...args) => this.listRecords(...args)],
      ['GET', '/v2/notification', (request, response) => this.listNotifications(request, response)],
      ['DELETE', '/v2/notification', (request, response) => this.deleteNotifications(request, response)],
      ['GET', '/healthcheck', (_request, response) => sendJson(response, 200, {})],
    ];
    this.server = createServer((request, response) => void this.handle(request, response));
    this.server.on('upgrade', (request, socket, head) => sockets.upgrade(request, socket, head));
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.config.port, this.config.address, resolve);
    });
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async handle(raw: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(raw.url ?? '/', 'http://localhost');
    const gone = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    const method = raw.method ?? 'GET';
    const path = decodeURIComponent(url.pathname);
    // Browsers ask before they call.
    response.setHeader('access-control-allow-origin', '*');
    if (method === 'OPTIONS') {
      response.writeHead(204, { 'access-control-allow-headers': '*', 'access-control-allow-methods': '*' }).end();
      return;
    }
    if (path === '/') {
      response.writeHead(200).end();
      return;
    }
    const request: ApiRequest = { raw, method, path, query: url.searchParams, gone: gone.signal };
    const route = this.routes.find(
      ([own, prefix]) => own === method && (prefix.endsWith('/') ? path.startsWith(prefix) : path === prefix),
    );
    try {
      if (route === undefined)
        throw new ApiError(Code.Unimplemented, `the embedded runtime does not implement ${method} ${path}`);
      await route[2](request, response, path.slice(route[1].length));
    } catch (error) {
      if (!(error instanceof ApiError))
        this.log.error('API request failed', { path, error: (error as Error).stack ?? '' });
      if (!response.headersSent) sendError(response, error);
    }
  }

  private async addFriends(request: ApiRequest, response: ServerResponse): Promise<void> {
    await this.friends.add(this.session(request).userId, request.query.getAll('ids'));
    sendJson(response, 200, {});
  }

  private session(request: ApiRequest): Session {
    const token = bearerToken(request.raw);
    if (token === null) throw new ApiError(Code.Unauthenticated, 'Auth token required');
    const session = this.tokens.session(token);
    if (session === null) throw new ApiError(Code.Unauthenticated, 'Auth token invalid');
    return session;
  }

  private needServerKey(request: ApiRequest): void {
    const key = basicUser(request.raw);
    if (key === null) throw new ApiError(Code.Unauthenticated, 'Server key required');
    if (key !== this.config.serverKey) throw new ApiError(Code.Unauthenticated, 'Server key invalid');
  }

  private async authenticate(request: ApiRequest, response: ServerResponse, kind: string): Promise<void> {
    this.needServerKey(request);
    const body = await jsonBody(request, this.config.maxRequestSizeBytes);
    let credential: Credential;
    if (kind === 'device' || kind === 'custom') credential = { kind, id: text(body.id) };
    else if (kind === 'email')
      credential = { kind, email: text(body.email).toLowerCase(), password: text(body.password) };
    else throw new ApiError(Code.Unimplemented, `the embedded runtime does not implement authentication by ${kind}`);
    const create = request.query.get('create') !== 'false';
    const user = await this.users.authenticate(credential, request.query.get('username') ?? '', create);
    const vars = (body.vars ?? null) as Record<string, string> | null;
    const session = this.tokens.issueSession(user.userId, user.username, vars);
    sendJson(response, 200, { ...(user.created ? { created: true } : {}), ...session });
  }

  private async refresh(request: ApiRequest, response: ServerResponse): Promise<void> {
    this.needServerKey(request);
    const body = await jsonBody(request, this.config.maxRequestSizeBytes);
    const vars = (body.vars ?? null) as Record<string, string> | null;
    sendJson(response, 200, this.tokens.refresh(text(body.token), vars));
  }

  private async logout(request: ApiRequest, response: ServerResponse): Promise<void> {
    this.session(request);
    const body = await jsonBody(request, this.config.maxRequestSizeBytes);
    this.tokens.revoke(text(body.token));
    this.tokens.revoke(text(body.refresh_token));
    sendJson(response, 200, {});
  }

  private async account(request: ApiRequest, response: ServerResponse): Promise<void> {
    sendJson(response, 200, await this.users.apiAccount(this.session(request).userId));
  }

  private async listRecords(request: ApiRequest, response: ServerResponse, id: string): Promise<void> {
    this.session(request);
    const limit = Number(request.query.get('limit') ?? 1);
    if (!(limit >= 1 && limit <= 1000))
      throw new ApiError(Code.InvalidArgument, 'Invalid limit - limit must be between 1 and 1000.');
    if (request.query.has('owner_ids') || request.query.has('cursor'))
      throw new ApiError(Code.Unimplemented, 'the embedded runtime lists leaderboards without owners and cursors');
    sendJson(response, 200, await this.leaderboards.list(id, limit));
  }

  private async listNotifications(request: ApiRequest, response: ServerResponse): Promise<void> {
    const { userId } = this.session(request);
    const limit = Number(request.query.get('limit') ?? 1);
    if (!(limit >= 1 && limit <= 100))
      throw new ApiError(Code.InvalidArgument, 'Invalid limit - limit must be between 1 and 100.');
    const cursor = request.query.get('cacheable_cursor') ?? request.query.get('cacheableCursor') ?? '';
    sendJson(response, 200, await this.notifications.list(userId, limit, cursor));
  }

  private async deleteNotifications(request: ApiRequest, response: ServerResponse): Promise<void> {
    const { userId } = this.session(request);
    const ids = request.query.getAll('ids').filter((id) => UUID.test(id));
    await this.notifications.delete(userId, ids);
    sendJson(response, 200, {});
  }
}
