import type { FastifyReply, FastifyRequest } from 'fastify';
import { setTimeout as wait } from 'node:timers/promises';
import { ApiError, errorResponse } from './errors.ts';
import type { FaultAction, FaultPlan } from './faults.ts';
import type { RequestLog, RequestLogEntry } from './request-log.ts';

/** What an operation answers; a refusal is thrown as ApiError instead. */
export type Answer =
  | { status: number; json?: unknown }
  | { status: number; type: string; bytes: Buffer }
  /** Takes over the connection: for an answer that has no end yet. */
  | { status: number; stream: (reply: FastifyReply) => void };

/** One request on its way: its line in the log, who asked, and what the faults do to it. */
export interface Exchange {
  entry: RequestLogEntry;
  log: RequestLog;
  /** Aborted when the simulator stops: nobody waits on. */
  stopping: AbortSignal;
  plan?: FaultPlan;
}

declare module 'fastify' {
  interface FastifyRequest {
    exchange: Exchange;
  }
}

const HTML = (status: number): string =>
  `<html>\r\n<head><title>${status}</title></head>\r\n<body>\r\n<center><h1>${status}</h1></center>\r\n` +
  `<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`;

/** The faults that strike before the request is processed. True when they have answered it. */
export async function strikeBefore(request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
  const { plan, stopping } = request.exchange;
  if (!plan) return false;
  if (plan.delayBeforeMs > 0) await wait(plan.delayBeforeMs, undefined, { signal: stopping }).catch(() => undefined);
  const fault = plan.answer;
  if (fault?.kind === 'drop' && fault.when === 'before') drop(request, reply);
  else if (fault?.kind === 'status' && fault.when !== 'after') refuse(request, reply, fault);
  else if (fault?.kind === 'echo') echo(request, reply, fault.status ?? 422);
  else if (fault?.kind === 'redirect') {
    void reply.header('location', (fault.to ?? '') + request.url);
    write(request, reply, html(fault.status ?? 301));
  } else return false;
  return true;
}

/** Sends an answer, or what the faults make of it. */
export async function deliver(request: FastifyRequest, reply: FastifyReply, answer: Answer): Promise<void> {
  const { plan, stopping } = request.exchange;
  if (plan && plan.delayAfterMs > 0)
    await wait(plan.delayAfterMs, undefined, { signal: stopping }).catch(() => undefined);
  const fault = plan?.answer;
  if (!fault) write(request, reply, answer);
  else if (fault.kind === 'drop') drop(request, reply);
  else if (fault.kind === 'truncate') truncate(request, reply, answer);
  else if (fault.kind === 'html') write(request, reply, html(answer.status));
  else if (fault.kind === 'status') refuse(request, reply, fault);
  else if (fault.kind === 'alter') write(request, reply, altered(answer, fault.fields));
  else if (fault.kind === 'body') write(request, reply, { status: fault.status ?? answer.status, json: fault.body });
}

function echo(request: FastifyRequest, reply: FastifyReply, status: number): void {
  const error = new ApiError(status, `A fault of the simulator. The request was ${JSON.stringify(request.body)}`);
  write(request, reply, { status, json: errorResponse(error, request.url) });
}

function altered(answer: Answer, fields: Record<string, unknown>): Answer {
  if (!('json' in answer) || typeof answer.json !== 'object' || answer.json === null) return answer;
  const { json } = answer;
  const sessions = 'sessions' in json && Array.isArray(json.sessions) ? (json.sessions as object[]) : undefined;
  const changed = sessions ? { sessions: sessions.map((one) => ({ ...one, ...fields })) } : { ...json, ...fields };
  return { ...answer, json: changed };
}

function refuse(request: FastifyRequest, reply: FastifyReply, fault: FaultAction & { kind: 'status' }): void {
  if (fault.retryAfter !== undefined) void reply.header('retry-after', fault.retryAfter);
  const error = new ApiError(fault.status, 'A fault of the simulator.');
  const json = { status: fault.status, json: errorResponse(error, request.url) };
  write(request, reply, fault.html ? html(fault.status) : json);
}

function html(status: number): Answer {
  return { status, type: 'text/html', bytes: Buffer.from(HTML(status)) };
}

function write(request: FastifyRequest, reply: FastifyReply, answer: Answer): void {
  close(request, answer.status);
  if ('stream' in answer) return answer.stream(reply);
  void reply.code(answer.status);
  const { type, bytes } = body(answer);
  if (bytes.length === 0 && type === '') void reply.send();
  else void reply.header('content-type', type).send(bytes);
}

function drop(request: FastifyRequest, reply: FastifyReply): void {
  close(request, 'dropped');
  void reply.hijack();
  request.raw.socket.destroy();
}

/** The headers promise the whole body, half of it comes. */
function truncate(request: FastifyRequest, reply: FastifyReply, answer: Answer): void {
  const { type, bytes } = body(answer);
  if (bytes.length < 2) return drop(request, reply);
  close(request, answer.status);
  void reply.hijack();
  reply.raw.writeHead(answer.status, { 'content-type': type, 'content-length': bytes.length });
  reply.raw.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => request.raw.socket.destroy());
}

function body(answer: Answer): { type: string; bytes: Buffer } {
  if ('bytes' in answer) return answer;
  if ('stream' in answer || answer.json === undefined) return { type: '', bytes: Buffer.alloc(0) };
  return { type: 'application/json', bytes: Buffer.from(JSON.stringify(answer.json)) };
}

function close(request: FastifyRequest, status: number | 'dropped'): void {
  const { entry, log } = request.exchange;
  if (request.raw.socket.destroyed) entry.callerGone = true;
  log.close(entry, status);
}
