import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Config } from './config.ts';
import { ApiError, Code, httpStatus } from './failure.ts';
import { basicUser, bearerToken, contextHeaders, readBody, sendJson, sendText, type ApiRequest } from './http-tools.ts';
import type { CallOrigin, Runtime } from './runtime.ts';
import type { Tokens } from './tokens.ts';

const BAD_JSON = (what: string): string => `json: cannot unmarshal ${what} into Go value of type string`;

/** `/v2/rpc/{id}`: with the server's http_key, or with a session token. */
export class RpcApi {
  constructor(
    private readonly config: Config,
    private readonly runtime: Runtime,
    private readonly tokens: Tokens,
  ) {}

  async handle(id: string, request: ApiRequest, response: ServerResponse): Promise<void> {
    const refuse = (code: number, message: string): void =>
      sendJson(response, httpStatus(code), { error: message, message, code });
    let origin: CallOrigin;
    try {
      origin = this.authenticate(request);
    } catch (error) {
      return refuse(Code.Unauthenticated, (error as Error).message);
    }
    if (id === '') return refuse(Code.InvalidArgument, 'RPC ID must be set');
    if (!this.runtime.has('rpc', id.toLowerCase())) return refuse(Code.NotFound, 'RPC function not found');
    const unwrap = request.query.has('unwrap');
    let payload = '';
    if (request.method === 'POST') {
      try {
        payload = await readBody(request.raw, this.config.maxRequestSizeBytes);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        return sendJson(response, 400, { code: error.code, message: error.message });
      }
      if (!unwrap && payload !== '') {
        const text = jsonString(payload);
        if (text === null) return refuse(Code.InvalidArgument, BAD_JSON('object'));
        payload = text;
      }
    }
    const startedAt = Date.now();
    const result = await this.runtime.rpc(id, origin, payload, request.gone);
    if (request.gone.aborted) return;
    if (Date.now() - startedAt > this.config.writeTimeoutMs) {
      // Go's server does not write to a connection whose time is over: the answer is lost.
      request.raw.socket.destroy();
      return;
    }
    if (result === null) return refuse(Code.NotFound, 'RPC function not found');
    if (!('payload' in result)) {
      const { code, error, message } = result;
      return sendJson(response, httpStatus(code), { code, error, message });
    }
    if (!unwrap) return sendJson(response, 200, { payload: result.payload });
    sendText(response, 200, request.raw.headers['content-type'] ?? 'text/plain', result.payload);
  }

  private authenticate(request: ApiRequest): CallOrigin {
    const { query, raw } = request;
    const key = query.get('http_key') ?? basicUser(raw);
    const token = bearerToken(raw);
    let caller: CallOrigin = {};
    if (key !== null && key !== '') {
      if (key !== this.config.httpKey) throw new Error('HTTP key invalid');
    } else if (raw.headers.authorization !== undefined) {
      const session = token === null ? null : this.tokens.session(token);
      if (session === null) throw new Error('Auth token invalid');
      const { expiresAt, userId, username, vars } = session;
      caller = { userId, username, vars, userSessionExp: expiresAt };
    } else {
      throw new Error('Auth token or HTTP key required');
    }
    const queryParams: Record<string, string[]> = {};
    for (const name of new Set(query.keys())) if (name !== 'http_key') queryParams[name] = query.getAll(name);
    return {
      ...caller,
      headers: contextHeaders(raw),
      queryParams,
      clientIp: raw.socket.remoteAddress ?? '',
      clientPort: String(raw.socket.remotePort ?? ''),
      traceId: randomUUID(),
    };
  }
}

function jsonString(text: string): string | null {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'string' ? value : value === null ? '' : null;
  } catch {
    return null;
  }
}
