import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Config } from './config.ts';
import { ApiError, Code } from './failure.ts';
import { basicUser, bearerToken, readBody, sendError, sendJson, type ApiRequest } from './http-tools.ts';
import type { Log } from './log.ts';
import type { Notifications } from './notifications.ts';
import type { RpcApi } from './rpc-api.ts';
import type { Sockets } from './sockets.ts';
import type { Storage } from './storage.ts';
import type { StorageObject } from './storage-types.ts';
import type { Session, Tokens } from './tokens.ts';
import type { Credential, Users } from './users.ts';

type Body = Record<string, unknown>;
type Handler = (request: ApiRequest, response: ServerResponse, rest: string) => Promise<void> | void;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NIL = '00000000-0000-0000-0000-000000000000';
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The part of Nakama's HTTP API that `@heroiclabs/nakama-js` and a module's tests use. */
export class Api {
  private readonly server: Server;
  private readonly routes: [method: string, prefix: string, handler: Handler][];

  constructor(
    private readonly config: Config,
    private readonly log: Log,
    private readonly users: Users,
    private readonly tokens: Tokens,
    private readonly storage: Storage,
    private readonly notifications: Notifications,
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
      ['GET', '/v2/notification', (request, response) => this.listNotifications(request, response)],
      ['DELETE', '/v2/notification', (request, response) => this.deleteNotifications(request, response)],
      ['POST', '/v2/storage', (request, response) => this.readStorage(request, response)],
      ['PUT', '/v2/storage', (request, response) => this.writeStorage(request, response)],
      ['PUT', '/v2/storage/delete', (request, response) => this.deleteStorage(request, response)],
      ['GET', '/v2/storage/', (...args) => this.listStorage(...args)],
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

  private async body(request: ApiRequest): Promise<Body> {
    const content = await readBody(request.raw, this.config.maxRequestSizeBytes);
    if (content === '') return {};
    try {
      return JSON.parse(content) as Body;
    } catch (error) {
      throw new ApiError(Code.InvalidArgument, (error as Error).message);
    }
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
    const body = await this.body(request);
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
    const body = await this.body(request);
    const vars = (body.vars ?? null) as Record<string, string> | null;
    sendJson(response, 200, this.tokens.refresh(text(body.token), vars));
  }

  private async logout(request: ApiRequest, response: ServerResponse): Promise<void> {
    this.session(request);
    const body = await this.body(request);
    this.tokens.revoke(text(body.token));
    this.tokens.revoke(text(body.refresh_token));
    sendJson(response, 200, {});
  }

  private async account(request: ApiRequest, response: ServerResponse): Promise<void> {
    sendJson(response, 200, await this.users.apiAccount(this.session(request).userId));
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

  private async readStorage(request: ApiRequest, response: ServerResponse): Promise<void> {
    const { userId } = this.session(request);
    const ids = ((await this.body(request)).object_ids ?? []) as Body[];
    const wanted = ids.map((id) => {
      const owner = text(id.user_id);
      if (text(id.collection) === '' || text(id.key) === '')
        throw new ApiError(Code.InvalidArgument, 'Invalid collection or key value supplied. They must be set.');
      if (owner !== '' && !UUID.test(owner))
        throw new ApiError(Code.InvalidArgument, 'Invalid user ID - make sure user ID is a valid UUID.');
      return { collection: text(id.collection), key: text(id.key), userId: owner === '' ? NIL : owner };
    });
    const objects = await this.storage.read(userId, wanted);
    sendJson(response, 200, objects.length === 0 ? {} : { objects: objects.map(apiObject) });
  }

  private async listStorage(request: ApiRequest, response: ServerResponse, rest: string): Promise<void> {
    const { userId } = this.session(request);
    const [collection = '', pathOwner] = rest.split('/');
    const limit = Number(request.query.get('limit') ?? 1);
    if (!(limit >= 1 && limit <= 100))
      throw new ApiError(Code.InvalidArgument, 'Invalid limit - limit must be between 1 and 100.');
    const owner = pathOwner ?? request.query.get('user_id') ?? request.query.get('userId') ?? '';
    if (owner !== '' && !UUID.test(owner))
      throw new ApiError(Code.InvalidArgument, 'Invalid user ID - make sure user ID is a valid UUID.');
    const cursor = request.query.get('cursor') ?? '';
    const page = await this.storage.list(userId, owner === '' ? null : owner, collection, limit, cursor);
    const objects = page.objects.length === 0 ? {} : { objects: page.objects.map(apiObject) };
    sendJson(response, 200, { ...objects, ...(page.cursor === '' ? {} : { cursor: page.cursor }) });
  }

  private async writeStorage(request: ApiRequest, response: ServerResponse): Promise<void> {
    const { userId } = this.session(request);
    const objects = ((await this.body(request)).objects ?? []) as Body[];
    const permission = (value: unknown): number => (value === undefined || value === null ? 1 : Number(value));
    const ops = objects.map((object) => ({
      collection: text(object.collection),
      key: text(object.key),
      userId,
      value: text(object.value),
      version: text(object.version),
      read: permission(object.permission_read),
      write: permission(object.permission_write),
    }));
    for (const op of ops) {
      if (op.collection === '' || op.key === '')
        throw new ApiError(Code.InvalidArgument, 'Invalid collection or key value supplied. They must be set.');
      if (!/^\s*\{/.test(op.value)) throw new ApiError(Code.InvalidArgument, 'Value must be a JSON object.');
    }
    const acks = await this.storage.write(userId, ops).catch((error: Error) => {
      throw new ApiError(Code.InvalidArgument, error.message);
    });
    sendJson(response, 200, { acks: acks.map(({ userId: user_id, ...ack }) => ({ ...ack, user_id })) });
  }

  private async deleteStorage(request: ApiRequest, response: ServerResponse): Promise<void> {
    const { userId } = this.session(request);
    const ids = ((await this.body(request)).object_ids ?? []) as Body[];
    const ops = ids.map((id) => ({
      collection: text(id.collection),
      key: text(id.key),
      userId,
      version: text(id.version),
    }));
    await this.storage.delete(userId, ops).catch((error: Error) => {
      throw new ApiError(Code.InvalidArgument, error.message);
    });
    sendJson(response, 200, {});
  }
}

function apiObject(object: StorageObject): object {
  const time = (seconds: number): string => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
  return {
    collection: object.collection,
    key: object.key,
    user_id: object.userId,
    value: object.value,
    version: object.version,
    ...(object.permissionRead === 0 ? {} : { permission_read: object.permissionRead }),
    ...(object.permissionWrite === 0 ? {} : { permission_write: object.permissionWrite }),
    create_time: time(object.createTime),
    update_time: time(object.updateTime),
  };
}
