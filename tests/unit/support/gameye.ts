import type { HttpResponse } from '../../../src/nakama/runtime';
import { goError, type HttpRequest } from './nakama';

/** What goes wrong with one request; `after` means that the API did the work nevertheless. */
export type Fault =
  | 'none'
  | 'nobody-listens'
  | 'request-lost'
  | 'reply-lost'
  | 'reply-late'
  | 'delayed'
  | '500-before'
  | '502-html-after'
  | 'truncated'
  | 'html-200'
  | 'redirect'
  | 'delivered-twice'
  | 'too-many'
  | 'unauthorized'
  | 'not-yet-visible'
  | 'no-image'
  | 'other-id';

export const FAULTS: Fault[] = [
  ...(['none', 'none', 'nobody-listens', 'request-lost', 'reply-lost', 'reply-late', 'delayed'] as const),
  ...(['500-before', '502-html-after', 'truncated', 'html-200', 'redirect', 'delivered-twice', 'too-many'] as const),
  ...(['unauthorized', 'not-yet-visible', 'no-image'] as const),
];

/** An API that ignores our id and starts a session of its own with every POST: no client can be right with that one. */
export const IGNORES_IDS: Fault = 'other-id';

export interface ModelSession {
  id: string;
  region: string;
  labels: { [key: string]: string } | undefined;
  startedAtMs: number;
  endedAtMs?: number;
  stopped?: boolean;
}

/** What happens to one request. Unused parts do not apply to its kind. */
export interface Turn {
  fault: Fault;
  /** Other people's sessions fill the region. */
  full: boolean;
  /** The container ends as soon as it started. */
  dies: boolean;
  /** Taken from a warm pool: our labels are ignored. */
  warm: boolean;
  /** How long a delayed POST is on its way, or an answer takes. */
  ms: number;
}

export const CALM: Turn = { fault: 'none', full: false, dies: false, warm: false, ms: 100 };

/**
 * A Session API that keeps its books: it really runs sessions, refuses an id that ran before (409) and a full region (420), and
 * whatever `turn` answers happens to each request. Time passes only through `clock`.
 */
export class ModelGameye {
  readonly sessions = new Map<string, ModelSession>();
  /** POSTs that are on their way although their sender gave up. */
  private late: { atMs: number; body: RunBody; turn: Turn }[] = [];
  /** Every id that was asked for, with the number of its POSTs. */
  readonly asked = new Map<string, number>();
  /** Each region runs this many sessions of ours. */
  capacity = 1;
  ttlMs = 30 * 60_000;
  /** Some checks of the real API come before others; nobody documents the order. */
  capacityBeforeId = true;

  constructor(
    private readonly clock: { now: () => number; pass: (ms: number) => void },
    private readonly turn: (method: string) => Turn,
  ) {}

  running(): ModelSession[] {
    this.settle();
    return [...this.sessions.values()].filter((session) => session.endedAtMs === undefined);
  }

  /** Everything that is still on its way arrives. */
  settleAll(): void {
    for (const one of this.late) this.post(one.body, one.turn);
    this.late = [];
  }

  handle(request: HttpRequest): HttpResponse {
    this.settle();
    const turn = this.turn(request.method);
    if (request.method === 'post') {
      const { id } = request.body as RunBody;
      this.asked.set(id, (this.asked.get(id) ?? 0) + 1);
    }
    const timeOut = (): never => {
      this.clock.pass(request.timeoutMs);
      throw goError(`HTTP request error: Post "${request.url}": context deadline exceeded`);
    };
    const took = Math.min(turn.ms, request.timeoutMs);
    switch (turn.fault) {
      case 'none':
        break;
      case 'nobody-listens':
        throw goError(`HTTP request error: Post "${request.url}": dial tcp 127.0.0.1:9: connect: connection refused`);
      case 'request-lost':
        return timeOut();
      case 'delayed':
        // Only a POST can do harm when it arrives late: a late DELETE is a DELETE.
        if (request.method === 'post') {
          const body = request.body as RunBody;
          this.late.push({ atMs: this.clock.now() + request.timeoutMs + ((turn.ms * 2) % 29_000), body, turn });
        }
        return timeOut();
      case 'reply-late':
        this.process(request, turn);
        return timeOut();
      case 'reply-lost':
        this.process(request, turn);
        this.clock.pass(took);
        throw goError(`HTTP request error: Post "${request.url}": EOF`);
      case '500-before':
        this.clock.pass(took);
        return answer(500, { message: 'internal', identifier: 'x-1' });
      case '502-html-after':
        this.process(request, turn);
        this.clock.pass(took);
        return { code: 502, headers: {}, body: '<html>Bad Gateway</html>' };
      case 'truncated': {
        const reply = this.process(request, turn);
        this.clock.pass(took);
        return { ...reply, body: reply.body.slice(0, Math.floor(reply.body.length / 2)) };
      }
      case 'html-200':
        this.clock.pass(took);
        return { code: 200, headers: {}, body: '<html>Sign in</html>' };
      case 'redirect':
        return { code: 304, headers: {}, body: '' };
      case 'delivered-twice':
        // A proxy repeated the request; only the second answer comes through.
        return this.process(request, turn).code === 201 ? answer(409, {}) : this.process(request, turn);
      case 'too-many':
        return { ...answer(429, { message: 'slow down' }), headers: { 'Retry-After': [String(1 + (turn.ms % 600))] } };
      case 'no-image':
        if (request.method === 'post') return answer(404, { message: 'no such image here' });
        break;
      case 'unauthorized':
        return answer(401, { message: 'no' });
      case 'other-id': {
        if (request.method !== 'post') break;
        this.clock.pass(took);
        const id = `other-${this.sessions.size}`;
        return this.post({ ...(request.body as RunBody), id }, { ...turn, full: false });
      }
      case 'not-yet-visible':
        // What a description cannot see a start or a stop finds all the same.
        if (request.method === 'get') return answer(404, { message: 'no such session' });
        break;
    }
    this.clock.pass(took);
    return this.process(request, turn);
  }

  private process(request: HttpRequest, turn: Turn): HttpResponse {
    this.settle();
    const path = request.url.replace(/^https?:\/\/[^/]+/, '');
    if (path.startsWith('/session/player')) return answer(200, {});
    const id = decodeURIComponent(path.slice('/session/'.length));
    const session = this.sessions.get(id);
    switch (request.method) {
      case 'post':
        return this.post(request.body as RunBody, turn);
      case 'get':
        return session ? answer(200, describe(session)) : answer(404, { message: 'no such session' });
      case 'delete':
        if (!session) return answer(404, { message: 'no such session' });
        if (session.endedAtMs !== undefined) return answer(409, { message: 'already ended' });
        session.endedAtMs = this.clock.now();
        session.stopped = true;
        return { code: 204, headers: {}, body: '' };
    }
    return answer(405, {});
  }

  private post(body: RunBody, turn: Turn): HttpResponse {
    const used = this.sessions.has(body.id);
    const mine = [...this.sessions.values()].filter((one) => one.region === body.location && !one.endedAtMs).length;
    const full = turn.full || mine >= this.capacity;
    if (full && (this.capacityBeforeId || !used)) return answer(420, { message: 'no capacity' });
    if (used) return answer(409, { message: 'the id was used' });
    const session: ModelSession = {
      id: body.id,
      region: body.location,
      labels: turn.warm ? undefined : body.labels,
      startedAtMs: this.clock.now(),
      ...(turn.dies ? { endedAtMs: this.clock.now() } : {}),
    };
    this.sessions.set(body.id, session);
    return answer(201, { id: body.id, host: '10.0.0.1', ports: [{ type: 'udp', container: 7777, host: 23456 }] });
  }

  /** Late POSTs whose time has come arrive; sessions older than their ttl end. */
  private settle(): void {
    const now = this.clock.now();
    const due = this.late.filter((one) => one.atMs <= now);
    this.late = this.late.filter((one) => one.atMs > now);
    for (const one of due) this.post(one.body, one.turn);
    for (const session of this.sessions.values()) {
      if (now - session.startedAtMs > this.ttlMs) session.endedAtMs ??= session.startedAtMs + this.ttlMs;
    }
  }
}

interface RunBody {
  id: string;
  location: string;
  labels: { [key: string]: string };
}

function describe(session: ModelSession): object {
  return {
    id: session.id,
    status: session.endedAtMs === undefined ? 'running' : 'exited',
    host: '10.0.0.1',
    port: { '7777/udp': 23456 },
    location: session.region,
    image: 'my-game',
    created: session.startedAtMs,
    labels: session.labels ? { tags: JSON.stringify(session.labels), env: '{"SECRET":"x"}' } : {},
  };
}

/** A JSON answer. */
export function answer(code: number, body: object): HttpResponse {
  return { code, headers: { 'Content-Type': ['application/json'] }, body: JSON.stringify(body) };
}
