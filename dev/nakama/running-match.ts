// One authoritative match, seen from outside: its members, and the calls that wait for its VM. What happens inside is in
// vm/match.ts.

import type { Log } from './log.ts';
import type { Connection, Connections } from './presences.ts';
import type { VmThread } from './vm-thread.ts';
import type { Fields, FromVm, MatchData, MatchHandlers, Presence } from './vm/protocol.ts';

const WAIT_MS = 10_000;
const SIGNAL_QUEUE = 10;
const JOIN_QUEUE = 128;
const INPUT_QUEUE = 128;

/** How the match dealt with a signal or a join attempt. */
interface Done {
  ok: boolean;
  data: string;
  accept: boolean;
}

/** The answer to a player who wants to join. */
export interface JoinAnswer {
  accepted: boolean;
  reason: string;
  label: string;
  members: Presence[];
}

export function presenceOf(connection: Connection): Presence {
  const { node, sessionId, userId, username } = connection;
  return { userId, sessionId, username, node };
}

/** The protocol's names for the same thing. */
export function userPresence(presence: Presence): object {
  return { user_id: presence.userId, session_id: presence.sessionId, username: presence.username };
}

export class RunningMatch {
  label = '';
  /** The label as listings see it: it follows after an interval. */
  listedLabel: string | null = null;
  tickRate = 0;
  members: Presence[] = [];
  private readonly waiting = new Map<number, (done: Done | null) => void>();
  private readonly cancel = new AbortController();
  private nextEvent = 1;
  private signals = 0;
  private joins = 0;
  private inputs = 0;

  constructor(
    readonly id: string,
    readonly handler: string,
    private readonly vm: VmThread,
    private readonly connections: Connections,
    private readonly log: Log,
    private readonly onStopped: (match: RunningMatch) => void,
  ) {
    vm.tag = this;
    vm.setCancel(this.cancel.signal);
    vm.onMatch = (message) => this.receive(message);
  }

  /** The match's short id, as log lines carry it. */
  get mid(): string {
    return this.id.slice(0, this.id.indexOf('.'));
  }

  /** Runs matchInit. @throws Error with Nakama's text; the VM is gone then. */
  async init(handlers: MatchHandlers, params: string, maxEmptySec: number): Promise<void> {
    const answer = await this.vm.matchInit({ matchId: this.id, handlers, params, maxEmptySec });
    if (answer.t !== 'match-started') {
      this.vm.end();
      throw new Error(`error creating match: ${(answer as { message?: string }).message ?? ''}`);
    }
    this.label = answer.label;
    this.tickRate = answer.tickRate;
  }

  private receive(message: FromVm): void {
    if (message.t === 'match-event-done') {
      this.waiting.get(message.id)?.({ ok: message.ok, data: message.data ?? '', accept: message.accept ?? false });
    } else if (message.t === 'match-data-taken') {
      this.inputs -= message.count;
    } else if (message.t === 'match-stopped') {
      this.end();
      if (message.disconnect) for (const member of this.members) this.connections.get(member.sessionId)?.close();
      this.log[message.level](message.message, { mid: this.mid, ...message.fields });
    }
  }

  /** Stops it where it is; matchTerminate is not called. */
  stop(): void {
    this.vm.stopMatch();
    this.end();
  }

  terminate(graceSec: number): void {
    this.vm.matchEvent({ op: 'terminate', graceSec });
  }

  private end(): void {
    this.onStopped(this);
    this.cancel.abort();
    for (const resolve of [...this.waiting.values()]) resolve({ ok: false, data: '', accept: false });
    this.vm.end();
  }

  /**
   * Sends a signal and waits up to ten seconds for the answer. A signal that was waited for too long is not taken back:
   * the match still handles it later.
   */
  async signal(data: string, caller: AbortSignal | null): Promise<string> {
    if (this.signals >= SIGNAL_QUEUE) {
      this.log.warn('Match handler signal queue full', { mid: this.mid });
      throw new Error('match busy');
    }
    this.signals += 1;
    const send = (id: number): void => this.vm.matchEvent({ op: 'signal', id, data });
    const done = await this.ask(send, caller, () => {
      this.signals -= 1;
    });
    if (done === null || !done.ok) throw new Error('match busy');
    return done.data;
  }

  /** Null after ten seconds, or when the caller has gone away. @param handled runs when the match has dealt with it. */
  private ask(send: (event: number) => void, caller: AbortSignal | null, handled: () => void): Promise<Done | null> {
    const event = (this.nextEvent += 1);
    return new Promise((resolve) => {
      const goAway = (): void => {
        this.vm.matchEvent({ op: 'cancel', id: event });
        finish(null);
      };
      const timer = setTimeout(() => finish(null), WAIT_MS);
      const finish = (done: Done | null): void => {
        clearTimeout(timer);
        caller?.removeEventListener('abort', goAway);
        resolve(done);
      };
      caller?.addEventListener('abort', goAway, { once: true });
      this.waiting.set(event, (done) => {
        this.waiting.delete(event);
        handled();
        finish(done);
      });
      send(event);
    });
  }

  /** A player asks to join. */
  async join(connection: Connection, metadata: Record<string, string>): Promise<JoinAnswer> {
    const refused = (reason: string): JoinAnswer => ({ accepted: false, reason, label: '', members: [] });
    if (this.has(connection.sessionId)) return { accepted: true, reason: '', label: this.label, members: this.members };
    if (this.joins >= JOIN_QUEUE) return refused('Match is not currently accepting join requests');
    this.joins += 1;
    const presence = presenceOf(connection);
    const { clientIp, clientPort, expiresAt, sessionId, userId, username, vars } = connection;
    const ctx: Fields = { userId, username, vars, userSessionExp: expiresAt, sessionId, clientIp, clientPort };
    const send = (id: number): void => this.vm.matchEvent({ op: 'join-attempt', id, ctx, presence, metadata });
    const done = await this.ask(send, null, () => {
      this.joins -= 1;
    });
    if (done === null || !done.ok || !done.accept) return refused(done?.data ?? '');
    this.members.push(presence);
    this.vm.matchEvent({ op: 'join', presences: [presence] });
    this.tell({ joins: [userPresence(presence)] });
    return { accepted: true, reason: '', label: this.label, members: this.members };
  }

  leave(sessionId: string): void {
    const presence = this.members.find((member) => member.sessionId === sessionId);
    if (presence === undefined) return;
    this.members = this.members.filter((member) => member !== presence);
    this.vm.matchEvent({ op: 'leave', presences: [presence] });
    this.tell({ leaves: [userPresence(presence)] });
  }

  data(message: MatchData): void {
    if (!this.has(message.sender.sessionId)) return;
    if (this.inputs >= INPUT_QUEUE) {
      this.log.warn('Match handler data processing too slow, dropping data message', { mid: this.mid });
      return;
    }
    this.inputs += 1;
    this.vm.matchEvent({ op: 'data', message });
  }

  broadcast(
    opCode: number,
    data: Uint8Array | null,
    targets: string[] | null,
    sender: Fields | null,
    reliable: boolean,
  ): void {
    const message: Fields = { match_id: this.id, op_code: String(opCode) };
    if (sender !== null)
      message.presence = { user_id: sender.userId, session_id: sender.sessionId, username: sender.username };
    if (data !== null && data.length > 0) message.data = Buffer.from(data).toString('base64');
    if (reliable) message.reliable = true;
    this.connections.sendToSessions(targets ?? this.sessions(), { match_data: message });
  }

  private has(sessionId: string): boolean {
    return this.members.some((member) => member.sessionId === sessionId);
  }

  private sessions(): string[] {
    return this.members.map((member) => member.sessionId);
  }

  private tell(event: object): void {
    this.connections.sendToSessions(this.sessions(), { match_presence_event: { match_id: this.id, ...event } });
  }
}
