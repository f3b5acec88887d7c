// The registry of authoritative matches: each has a VM for itself.

import { randomUUID } from 'node:crypto';
import type { Config } from './config.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Connection, Connections } from './presences.ts';
import { addField, parseQuery, type Document } from './query.ts';
import { RunningMatch, type JoinAnswer } from './running-match.ts';
import type { VmReserve } from './vm-reserve.ts';
import type { MatchData, MatchHandlers } from './vm/protocol.ts';

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

export class Matches {
  private readonly handlers = new Map<string, MatchHandlers>();
  private readonly running = new Map<string, RunningMatch>();
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
    const match = new RunningMatch(matchId, module, vm, this.connections, this.log, (ended) => this.remove(ended));
    await match.init(handlers, params, this.config.matchMaxEmptySec);
    this.running.set(matchId, match);
    this.count();
    this.log.info('Match started', { mid: match.mid });
    this.listLabel(match);
    return matchId;
  }

  private remove(match: RunningMatch): void {
    if (!this.running.delete(match.id)) return;
    this.count();
    if (this.running.size === 0) this.onEmpty?.();
  }

  private count(): void {
    this.metrics.gauge('authoritative_matches', this.running.size);
  }

  private listLabel(match: RunningMatch): void {
    setTimeout(() => {
      match.listedLabel = match.label;
    }, this.config.matchLabelUpdateIntervalMs).unref();
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

  setLabel(match: RunningMatch, label: string): void {
    if (Buffer.byteLength(label) > 2048) throw new Error('match label too long, must be 0-2048 bytes');
    match.label = label;
    this.listLabel(match);
  }

  /** @throws Error "match not found", or "match busy" when it did not answer within ten seconds. */
  async signal(id: string, data: string, caller: AbortSignal | null): Promise<string> {
    const match = this.find(id);
    if (match === null) throw new Error('match not found');
    return match.signal(data, caller);
  }

  /** A player asks to join; null when there is no such match on this node. */
  async join(id: string, connection: Connection, metadata: Record<string, string>): Promise<JoinAnswer | null> {
    return (await this.running.get(id)?.join(connection, metadata)) ?? null;
  }

  leave(id: string, sessionId: string): void {
    this.running.get(id)?.leave(sessionId);
  }

  /** A socket has closed. */
  leaveAll(sessionId: string): void {
    for (const match of [...this.running.values()]) match.leave(sessionId);
  }

  data(id: string, message: MatchData): void {
    this.running.get(id)?.data(message);
  }

  /**
   * Ends all matches. With grace, each gets matchTerminate and goes on until it ends itself; resolves when none is left.
   * Without grace they are stopped where they are, and matchTerminate is not called.
   */
  async stop(graceSec: number): Promise<void> {
    this.stopping = true;
    if (graceSec === 0) {
      for (const match of [...this.running.values()]) match.stop();
      return;
    }
    if (this.running.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.onEmpty = resolve;
    });
    for (const match of this.running.values()) match.terminate(graceSec);
    await empty;
  }
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
