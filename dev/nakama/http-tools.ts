import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError, Code, httpStatus } from './failure.ts';
import { canonicalHeader } from './http-request.ts';

/** A request with its URL taken apart. */
export interface ApiRequest {
  raw: IncomingMessage;
  method: string;
  path: string;
  query: URLSearchParams;
  /** Aborted when the client goes away before it has its answer. */
  gone: AbortSignal;
}

/** Reads the whole body. @throws ApiError when it is larger than `limit` bytes. */
export async function readBody(request: IncomingMessage, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > limit) throw new ApiError(Code.InvalidArgument, 'http: request body too large');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The body as a JSON object; an empty one is {}. @throws ApiError */
export async function jsonBody(request: ApiRequest, limit: number): Promise<Record<string, unknown>> {
  const content = await readBody(request.raw, limit);
  if (content === '') return {};
  try {
    return JSON.parse(content) as Record<string, unknown>;
  } catch (error) {
    throw new ApiError(Code.InvalidArgument, (error as Error).message);
  }
}

export function sendJson(response: ServerResponse, status: number, body: object): void {
  sendText(response, status, 'application/json', JSON.stringify(body));
}

export function sendText(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type, 'grpc-metadata-content-type': 'application/grpc' });
  response.end(text);
}

/** The body that the gateway sends for an error. */
export function sendError(response: ServerResponse, error: unknown): void {
  const known = error instanceof ApiError;
  const code = known ? error.code : Code.Internal;
  sendJson(response, httpStatus(code), { code, message: known ? error.message : 'Internal Server Error' });
}

// Go keeps the host apart from the headers, and the server's compression takes Accept-Encoding away.
const HIDDEN = ['Host', 'Grpc-Timeout', 'Accept-Encoding'];

/** Headers as a module's ctx shows them: canonical names, lists of values. */
export function contextHeaders(request: IncomingMessage): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = canonicalHeader(request.rawHeaders[i]!);
    if (!HIDDEN.includes(name)) (headers[name] ??= []).push(request.rawHeaders[i + 1]!);
  }
  return headers;
}

/** The user part of Basic credentials, or null. */
export function basicUser(request: IncomingMessage): string | null {
  const match = /^Basic (.+)$/i.exec(request.headers.authorization ?? '');
  return match === null ? null : (Buffer.from(match[1]!, 'base64').toString().split(':')[0] ?? '');
}

export function bearerToken(request: IncomingMessage): string | null {
  return /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? null;
}
