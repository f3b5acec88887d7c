// Authoritative matches: each has a VM for itself. What happens inside is in vm/match.ts; this is the registry around it.

import { randomUUID } from 'node:crypto';
import type { Config } from './config.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Connection, Connections } from './presences.ts';
import { addField, parseQuery, type Document } from './query.ts';
import type { VmReserve } from './vm-pool.ts';
import type { VmThread } from './vm-thread.ts';
import type { Fields, FromVm, MatchData, MatchHandlers, Presence } from './vm/protocol.ts';

const SIGNAL_WAIT_MS = 10_000;
const SIGNAL_QUEUE = 10;
const JOIN_QUEUE = 128;
const INPUT_QUEUE = 128;

/** What `nk.matchGet` and `nk.matchList` tell. */
export interface MatchInfo {
  matchId: string;
  authoritative: boolean;
  size: number;
  label: string | null;
}

export interface MatchFilter {
  limit: number;
  authoritative: boolean | null;
  label: string | null;
  minSize: number | null;
  maxSize: number | null;
  query: string | null;
}

interface Done {
  ok: boolean;
  data: string;
  accept: boolean;
}

interface RunningMatch {
  id: string;
  vm: VmThread;
  label: string;
  /** The label as match listings see it: it follows after an interval. */
  listedLabel: string | null;
  members: Presence[];
  waiting: Map<number, (done: Done) => void>;
  signals: number;
  joins: number;
  inputs: number;
  cancel: AbortController;
  handler: string;
  tickRate: number;
}

export class Matches {
  private readonly handlers = new Map<string, MatchHandlers>();
  private readonly running = new Map<string, RunningMatch>();
  private nextId = 1;
  private stopping = false;
  private onEmpty: (() => void) | null = null;

  constructor(
    private readonly config: Config,
    private readonly log: Log,
    private readonly metrics: Metrics,
    private readonly connections: Connections,
    private readonly reserve: () => VmReserve,
  ) {}

  register(name: string, handlers: MatchHandlers): void {
    this.handlers.set(name, handlers);
  }

  get size(): number {
    return this.running.size;
  }

  /** Runs matchInit in a VM of its own and returns the match's id. @param params JSON of an object. */
  async create(module: string, params: string): Promise<string> {
    const handlers = this.handlers.get(module);
    if (handlers === undefined) throw new Error('error creating match: not found');
    const vm = await this.reserve().take();
    if (this.stopping) {
      vm.end();
      throw new Error('error creating match: shutdown in progress');
    }
    const matchId = `${randomUUID()}.${this.config.name}`;
    const cancel = new AbortController();
    const match: RunningMatch = {
      id: matchId,
      vm,
      label: '',
      listedLabel: null,
      members: [],
      waiting: new Map(),
      signals: 0,
      joins: 0,
      inputs: 0,
      cancel,
      handler: module,
      tickRate: 0,
    };
    vm.tag = match;
    vm.setCancel(cancel.signal);
    vm.onMatch = (message) => this.receive(match, message);
    const answer = await vm.matchInit({ matchId, handlers, params, maxEmptySec: this.config.matchMaxEmptySec });
    if (answer.t !== 'match-started') {
      vm.end();
      throw new Error(`error creating match: ${(answer as { message?: string }).message ?? ''}`);
    }
    match.label = answer.label;
    match.tickRate = answer.tickRate;
    this.running.set(matchId, match);
    this.metrics.gauge('authoritative_matches', this.running.size);
    this.log.info('Match started', { mid: matchId.split('.')[0] });
    this.listLabel(match);
    return matchId;
  }

  private listLabel(match: RunningMatch): void {
    setTimeout(() => {
      match.listedLabel = match.label;
    }, this.config.matchLabelUpdateIntervalMs).unref();
  }

  private receive(match: RunningMatch, message: FromVm): void {
    if (message.t === 'match-event-done') {
      match.waiting.get(message.id)?.({ ok: message.ok, data: message.data ?? '', accept: message.accept ?? false });
      match.waiting.delete(message.id);
    } else if (message.t === 'match-data-taken') {
      match.inputs -= message.count;
    } else if (message.t === 'match-stopped') {
      this.end(match);
      if (message.disconnect) for (const member of match.members) this.connections.get(member.sessionId)?.close();
      this.log[message.level](message.message, { mid: match.id.split('.')[0], ...message.fields });
    }
  }

  /** Drops a match that is over. Whoever still waits for it is told that it is busy. */
  private end(match: RunningMatch): void {
    if (!this.running.delete(match.id)) return;
    this.metrics.gauge('authoritative_matches', this.running.size);
    match.cancel.abort();
    for (const done of match.waiting.values()) done({ ok: false, data: '', accept: false });
    match.waiting.clear();
    match.vm.end();
    if (this.running.size === 0) this.onEmpty?.();
  }

  private find(id: string): RunningMatch | null {
    if (!/^[0-9a-f-]{36}\./i.test(id)) throw new Error('match id invalid');
    return this.running.get(id) ?? null;
  }

  get(id: string): MatchInfo | null {
    const match = this.find(id);
    if (match === null) return null;
    return { matchId: id, authoritative: true, size: match.members.length, label: match.label };
  }

  list(filter: MatchFilter): MatchInfo[] {
    if (filter.authoritative === false) return [];
    const accepts = filter.query === null || filter.query === '' ? null : parseQuery(filter.query);
    const found: MatchInfo[] = [];
    for (const match of this.running.values()) {
      if (match.listedLabel === null || (filter.label !== null && match.listedLabel !== filter.label)) continue;
      const size = match.members.length;
      if (size < (filter.minSize ?? 0) || size > (filter.maxSize ?? Infinity)) continue;
      if (accepts !== null && accepts(matchDocument(match)) === null) continue;
      found.push({ matchId: match.id, authoritative: true, size, label: match.listedLabel });
    }
    return found.slice(0, filter.limit);
  }

  setLabel(match: unknown, label: string): void {
    if (Buffer.byteLength(label) > 2048) throw new Error('match label too long, must be 0-2048 bytes');
    (match as RunningMatch).label = label;
    this.listLabel(match as RunningMatch);
  }

  /**
   * Sends a signal and waits up to ten seconds for the answer. A signal that was waited for too long is not taken back:
   * the match still handles it later.
   */
  async signal(id: string, data: string, caller: AbortSignal | null): Promise<string> {
    const match = this.find(id);
    if (match === null) throw new Error('match not found');
    if (match.signals >= SIGNAL_QUEUE) {
      this.log.warn('Match handler signal queue full', { mid: id.split('.')[0] });
      throw new Error('match busy');
    }
    match.signals += 1;
    const done = await this.ask(
      match,
      (event) => match.vm.matchEvent({ op: 'signal', id: event, data }),
      caller,
      () => {
        match.signals -= 1;
      },
    );
    if (done === null || !done.ok) throw new Error('match busy');
    return done.data;
  }

  /** Null after ten seconds, or when the caller has gone away. @param handled runs when the match has dealt with it. */
  private ask(
    match: RunningMatch,
    send: (event: number) => void,
    caller: AbortSignal | null,
    handled: () => void,
  ): Promise<Done | null> {
    const event = (this.nextId += 1);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(null), SIGNAL_WAIT_MS);
      match.waiting.set(event, (done) => {
        handled();
        clearTimeout(timer);
        resolve(done);
      });
      caller?.addEventListener('abort', () => {
        match.vm.matchEvent({ op: 'cancel', id: event });
        clearTimeout(timer);
        resolve(null);
      });
      send(event);
    });
  }

  /** A player asks to join. Null when there is no such match on this node. */
  async join(
    id: string,
    connection: Connection,
    metadata: Record<string, string>,
  ): Promise<{ accepted: boolean; reason: string; label: string; members: Presence[] } | null> {
    const match = this.running.get(id);
    if (match === undefined) return null;
    const refused = (reason: string) => ({ accepted: false, reason, label: '', members: [] });
    if (match.members.some((member) => member.sessionId === connection.sessionId))
      return { accepted: true, reason: '', label: match.label, members: match.members };
    if (match.joins >= JOIN_QUEUE) return refused('Match is not currently accepting join requests');
    match.joins += 1;
    const presence = presenceOf(connection);
    const ctx: Fields = {
      userId: connection.userId,
      username: connection.username,
      vars: connection.vars,
      userSessionExp: connection.expiresAt,
      sessionId: connection.sessionId,
      clientIp: connection.clientIp,
      clientPort: connection.clientPort,
    };
    const send = (event: number): void =>
      match.vm.matchEvent({ op: 'join-attempt', id: event, ctx, presence, metadata });
    const done = await this.ask(match, send, null, () => {
      match.joins -= 1;
    });
    if (done === null || !done.ok || !done.accept) return refused(done?.data ?? '');
    match.members.push(presence);
    match.vm.matchEvent({ op: 'join', presences: [presence] });
    this.tell(match, { joins: [userPresence(presence)] });
    return { accepted: true, reason: '', label: match.label, members: match.members };
  }

  leave(id: string, sessionId: string): void {
    const match = this.running.get(id);
    const presence = match?.members.find((member) => member.sessionId === sessionId);
    if (match === undefined || presence === undefined) return;
    match.members = match.members.filter((member) => member !== presence);
    match.vm.matchEvent({ op: 'leave', presences: [presence] });
    this.tell(match, { leaves: [userPresence(presence)] });
  }

  /** A socket has closed. */
  leaveAll(sessionId: string): void {
    for (const match of [...this.running.values()]) this.leave(match.id, sessionId);
  }

  data(id: string, message: MatchData): void {
    const match = this.running.get(id);
    if (match === undefined || !match.members.some((member) => member.sessionId === message.sender.sessionId)) return;
    if (match.inputs >= INPUT_QUEUE) {
      this.log.warn('Match handler data processing too slow, dropping data message', { mid: id.split('.')[0] });
      return;
    }
    match.inputs += 1;
    match.vm.matchEvent({ op: 'data', message });
  }

  broadcast(
    tag: unknown,
    opCode: number,
    data: Uint8Array | null,
    targets: string[] | null,
    sender: Fields | null,
    reliable: boolean,
  ): void {
    const match = tag as RunningMatch;
    const message: Record<string, unknown> = { match_id: match.id, op_code: String(opCode) };
    if (sender !== null)
      message.presence = { user_id: sender.userId, session_id: sender.sessionId, username: sender.username };
    if (data !== null && data.length > 0) message.data = Buffer.from(data).toString('base64');
    if (reliable) message.reliable = true;
    this.connections.sendToSessions(targets ?? match.members.map((member) => member.sessionId), {
      match_data: message,
    });
  }

  kick(tag: unknown, sessionIds: string[]): void {
    for (const id of sessionIds) this.leave((tag as RunningMatch).id, id);
  }

  private tell(match: RunningMatch, event: object): void {
    const sessions = match.members.map((member) => member.sessionId);
    this.connections.sendToSessions(sessions, { match_presence_event: { match_id: match.id, ...event } });
  }

  /**
   * Ends all matches. With grace, each gets matchTerminate and goes on until it ends itself; resolves when none is left.
   * Without grace they are stopped where they are, and matchTerminate is not called.
   */
  async stop(graceSec: number): Promise<void> {
    this.stopping = true;
    if (graceSec === 0) {
      for (const match of [...this.running.values()]) {
        match.vm.stopMatch();
        this.end(match);
      }
      return;
    }
    if (this.running.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.onEmpty = resolve;
    });
    for (const match of this.running.values()) match.vm.matchEvent({ op: 'terminate', graceSec });
    await empty;
  }
}

export function presenceOf(connection: Connection): Presence {
  const { node, sessionId, userId, username } = connection;
  return { userId, sessionId, username, node };
}

/** The protocol's name for the same thing. */
export function userPresence(presence: Presence): object {
  return { user_id: presence.userId, session_id: presence.sessionId, username: presence.username };
}

function matchDocument(match: RunningMatch): Document {
  const document: Document = new Map([
    ['handler_name', [match.handler]],
    ['label_string', [match.listedLabel ?? '']],
    ['tick_rate', [match.tickRate]],
  ]);
  try {
    addField(document, 'label', JSON.parse(match.listedLabel ?? ''));
  } catch {
    // A label that is not JSON can be compared as a whole only.
  }
  return document;
}
