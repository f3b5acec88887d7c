/*
 * From a ticket to the address of a game server. For browsers and Node, beside @heroiclabs/nakama-js: copy this file into
 * your client.
 *
 *   const gameye = new GameyeClient({ client, session, socket, ping: measurePings });
 *   const search = gameye.queue({ minCount: 2, maxCount: 4 });
 *   const outcome = await search.result;
 *   if (outcome.kind === 'match') connect(outcome.match.host, outcome.match.port, outcome.match.seat_token);
 *
 * A notification can be lost, late or of an older match, and a socket can break. So a notification is only a hint: what
 * counts is what the RPC `gameye_assignment` answers, which is asked after each hint, and from time to time without one. What
 * it says of a match from before the search is told apart from what is new. Nobody waits longer than the two deadlines.
 */
import type { Client, MatchmakerMatched, Notification, Session, Socket } from '@heroiclabs/nakama-js';

/** What `gameye_match` carries: the connection, and whatever the session's metadata and the studio's module add. */
export interface Match {
  host: string;
  port: number;
  session_id: string;
  ports?: Record<string, number>;
  seat_token?: string;
  exp?: number;
  relay_url?: string;
  relay_token?: string;
  [field: string]: unknown;
}

/**
 * Why there is no match: one of the reasons of `gameye_failed` (`timeout`, `no_capacity`, `quota_exceeded`, `misconfigured`,
 * `unavailable`, `error`), or one of ours: `no_match` (no group was found in time, or there is nothing to come back to),
 * `refused` (Nakama did not take the request; the message says why), `signed_out` (the player has to sign in again).
 */
export type Reason = string;

export type Outcome =
  { kind: 'match'; match: Match } | { kind: 'failed'; reason: Reason; message?: string } | { kind: 'cancelled' };

/** One of the `targets` of `gameye_ping_targets`. */
export interface PingTarget {
  region: string;
  host: string;
  property: string;
}

export interface Ticket {
  /** Default `*`. */
  query?: string;
  minCount: number;
  maxCount: number;
  strings?: Record<string, string>;
  numbers?: Record<string, number>;
  /** The party whose leader asks; its members call `follow` before. */
  partyId?: string;
}

export interface GameyeOptions {
  client: Client;
  session: Session;
  /** With your own handlers set already: they are called as before. */
  socket: Socket;
  /** Measures regions: milliseconds by `property`. `measurePings` of examples/client/ping.ts fits. */
  ping?: (targets: PingTarget[]) => Promise<Record<string, number>>;
  /** Makes the socket live again; default `socket.connect(session, true)`. */
  connect?: () => Promise<unknown>;
  /** How long to look for other players; default five minutes. */
  queueMs?: number;
  /** How long a matched player waits for a server: more than GAMEYE_CREATE_TIMEOUT; default 90 s. */
  answerMs?: number;
}

export interface Search {
  /** Never rejects. */
  readonly result: Promise<Outcome>;
  /** Takes the player out of the queue, of a start that is on its way, and of a match that came meanwhile. */
  cancel(): Promise<void>;
}

type Standing =
  | { state: 'none' }
  | { state: 'starting'; session_id: string }
  | { state: 'failed'; reason: string }
  | ({ state: 'ready' } & Match);

const MATCH_CODE = 7300;
const FAILED_CODE = 7301;

/** Looks without a hint: while nobody is matched, and then from the shortest to the longest. */
const IDLE_MS = 10_000;
const SHORTEST_MS = 1_000;
const LONGEST_MS = 5_000;
/** Between a match and the first statement about it, the records say what they said before: rarely longer. */
const GRACE_MS = 2_000;
/** So long after a match the records mean this match, whatever they say. */
const SETTLED_MS = 15_000;
/** A notification counts without the records when they cannot be read for so long. */
const UNREADABLE_MS = 5_000;
const PINGS_MS = 5_000;
const CONNECT_MS = 10_000;

/** One a socket. */
export class GameyeClient {
  private running: Running | undefined;

  constructor(private readonly options: GameyeOptions) {
    const { socket } = options;
    const { onnotification, onmatchmakermatched, ondisconnect } = socket;
    socket.onnotification = (notification) => {
      onnotification?.call(socket, notification);
      this.running?.hear(notification);
    };
    socket.onmatchmakermatched = (matched) => {
      onmatchmakermatched?.call(socket, matched);
      this.running?.matched(matched);
    };
    socket.ondisconnect = (event) => {
      ondisconnect?.call(socket, event);
      this.running?.disconnected();
    };
  }

  /** Queues for a match. A start of an earlier search is given up; a seat in a running session only for the new match. */
  queue(ticket: Ticket): Search {
    const { socket } = this.options;
    const { query = '*', minCount, maxCount, strings, partyId } = ticket;
    let numbers: Record<string, number> | undefined;
    return this.begin('queue', {
      ask: async () => {
        numbers ??= { ...(await this.measure()), ...ticket.numbers };
        const added = partyId
          ? await socket.addMatchmakerParty(partyId, query, minCount, maxCount, strings, numbers)
          : await socket.addMatchmaker(query, minCount, maxCount, strings, numbers);
        return added.ticket;
      },
      remove: (id) => (partyId ? socket.removeMatchmakerParty(partyId, id) : socket.removeMatchmaker(id)),
    });
  }

  /** Asks for a session of one's own, or a seat in a running one, with `gameye_solo_match`. */
  solo(): Search {
    const { client, session } = this.options;
    return this.begin('solo', { ask: () => client.rpc(session, 'gameye_solo_match', {}).then(() => undefined) });
  }

  /** Waits for a match that somebody else asks for, such as the party's leader. Call it before they do. */
  follow(): Search {
    return this.begin('follow', {});
  }

  /** After a restart or on another device: waits for what is on its way, or answers where the player has a seat. */
  comeBack(): Search {
    return this.begin('comeBack', {});
  }

  /** Gives the seat back. */
  async leave(): Promise<void> {
    await this.options.client.rpc(this.options.session, 'gameye_leave', {});
  }

  private begin(kind: Kind, asking: Asking): Search {
    if (this.running) throw new Error('A search is on its way already: wait for its result, or cancel it.');
    const running = new Running(this.options, kind, asking);
    this.running = running;
    void running.result.then(() => (this.running = undefined));
    return running;
  }

  /** Without measurements a ticket is still a ticket, so whatever goes wrong here costs nobody their match. */
  private async measure(): Promise<Record<string, number>> {
    const { client, session, ping } = this.options;
    if (!ping) return {};
    const endAtMs = Date.now() + PINGS_MS;
    const targets = async (): Promise<PingTarget[]> => {
      try {
        const { payload } = await client.rpc(session, 'gameye_ping_targets', {});
        return (payload as { targets?: PingTarget[] } | undefined)?.targets ?? [];
      } catch (error) {
        // Just after Nakama's start the targets may not be known yet.
        if ((await refusalOf(error)) !== undefined || Date.now() >= endAtMs) return [];
        await delay(SHORTEST_MS / 2);
        return targets();
      }
    };
    return within(
      targets().then((found) => (found.length > 0 ? ping(found) : {})),
      PINGS_MS,
    ).catch(() => ({}));
  }
}

type Kind = 'queue' | 'solo' | 'follow' | 'comeBack';

/** How the match is asked for; both may be missing when somebody else does. */
interface Asking {
  /** Answers the ticket, when there is one. */
  ask?: () => Promise<string | undefined>;
  remove?: (ticket: string) => Promise<unknown>;
}

/** Ends a search from within. */
class Ended extends Error {
  constructor(readonly outcome: Outcome) {
    super('the search has ended');
  }
}

class Running implements Search {
  readonly result: Promise<Outcome>;
  /** Where the player stood before the search: that is no answer to it. */
  private before: Standing | undefined;
  private ticket: string | undefined;
  private readonly matchedTickets: string[] = [];
  /** Since when the search is no longer about finding other players. */
  private matchedAtMs: number | undefined;
  /** The records said `starting`, so all that they say later is about this search. */
  private begun = false;
  private toldMatch: Match | undefined;
  private toldFailure: { reason: string; atMs: number } | undefined;
  private mustAsk: boolean;
  private hasAsked = false;
  /** Before this moment an answer about a match that was made just before the socket broke may still come. */
  private askAtMs = 0;
  private isConnected = true;
  private isCancelled = false;
  private unreadableSinceMs: number | undefined;
  private failures = 0;
  private looks = 0;
  private readonly startedAtMs = Date.now();
  private isAwake = false;
  private wake: (() => void) | undefined;

  constructor(
    private readonly options: GameyeOptions,
    private readonly kind: Kind,
    private readonly asking: Asking,
  ) {
    this.mustAsk = asking.ask !== undefined;
    this.result = this.run();
  }

  async cancel(): Promise<void> {
    this.isCancelled = true;
    this.rouse();
    await this.result;
  }

  hear({ code, content }: Notification): void {
    // Before the match is made, it is about an earlier one.
    const mayBeOurs = this.matchedAtMs !== undefined || this.kind !== 'queue';
    const told = (content ?? {}) as Record<string, unknown>;
    if (code === MATCH_CODE && mayBeOurs && isMatch(told)) this.toldMatch = told;
    if (code === FAILED_CODE && mayBeOurs) {
      this.toldFailure = { reason: String(told['reason'] ?? 'error'), atMs: Date.now() };
    }
    if (code === MATCH_CODE || code === FAILED_CODE) this.rouse();
  }

  matched({ ticket }: MatchmakerMatched): void {
    this.matchedTickets.push(ticket);
    this.noteMatch();
  }

  disconnected(): void {
    this.isConnected = false;
    // Nakama forgets the tickets of who disconnects. A follower's is somebody else's.
    if (this.ticket !== undefined && this.matchedAtMs === undefined) this.askAgain();
    this.rouse();
  }

  private async run(): Promise<Outcome> {
    try {
      await this.standBefore();
      return await this.wait();
    } catch (ended) {
      if (ended instanceof Ended) return ended.outcome;
      return failed('error', ended instanceof Error ? ended.message : String(ended));
    }
  }

  private async standBefore(): Promise<void> {
    while (this.kind !== 'comeBack' && !this.isCancelled) {
      const now = await this.look();
      this.begun = now?.state === 'starting' && this.kind !== 'queue';
      if (this.begun) this.mustAsk = false;
      if (now && (now.state !== 'starting' || this.begun)) {
        this.before = now;
        return;
      }
      // Two matches on their way for one player could not be told apart.
      if (now) await this.rpc('gameye_cancel').catch(() => undefined);
      if (Date.now() >= this.deadline()) throw new Ended(failed('unavailable'));
      await this.sleep(now ? GRACE_MS / 4 : this.pause());
    }
  }

  private async wait(): Promise<Outcome> {
    for (;;) {
      if (this.isCancelled) return this.giveUp({ kind: 'cancelled' });
      if (Date.now() >= this.deadline()) return this.giveUp(this.tooLate());
      // The first ticket needs no look: that was before it.
      const isFirst = this.mustAsk && this.askAtMs === 0;
      const now = isFirst ? undefined : await this.look();
      const outcome = now ? this.verdict(now) : this.unconfirmed();
      if (outcome) return outcome;
      if (!this.isConnected) await this.connect();
      const mayAsk = this.mustAsk && !this.begun && this.isConnected && Date.now() >= this.askAtMs;
      if (mayAsk && !this.isCancelled && (now || isFirst)) await this.ask();
      await this.sleep(this.pause());
    }
  }

  /** What the records say, when it is about this search. */
  private verdict(now: Standing): Outcome | undefined {
    if (now.state === 'starting') {
      this.begun = true;
      this.matchedAtMs ??= Date.now();
      return undefined;
    }
    const isSettled = this.matchedAtMs !== undefined && Date.now() - this.matchedAtMs >= SETTLED_MS;
    const isAbout = this.begun || isSettled;
    switch (now.state) {
      case 'ready':
        if (isAbout || !isSame(now, this.before) || this.toldMatch?.session_id === now.session_id) return matchOf(now);
        break;
      case 'failed':
        if (isAbout || !isSame(now, this.before)) return failed(now.reason);
        break;
      case 'none':
        if (isAbout) return failed(this.toldFailure?.reason ?? 'error');
        if (this.kind === 'comeBack') return failed('no_match');
    }
    // A player who is refused alone, such as by a limit, is told so and has no record.
    const { toldFailure } = this;
    return toldFailure && Date.now() - toldFailure.atMs >= GRACE_MS ? failed(toldFailure.reason) : undefined;
  }

  /** The notification alone, when the records cannot be read: the server is there and the seat is not held for ever. */
  private unconfirmed(): Outcome | undefined {
    const { toldMatch, before, unreadableSinceMs } = this;
    if (!toldMatch || unreadableSinceMs === undefined || Date.now() - unreadableSinceMs < UNREADABLE_MS) return;
    const isOld = before?.state === 'ready' && before.session_id === toldMatch.session_id;
    return isOld ? undefined : { kind: 'match', match: toldMatch };
  }

  private async ask(): Promise<void> {
    this.mustAsk = false;
    this.hasAsked = true;
    try {
      this.ticket = await this.asking.ask?.();
      this.noteMatch();
    } catch (error) {
      const refusal = await refusalOf(error);
      if (refusal !== undefined) throw new Ended(failed('refused', refusal));
      this.askAgain();
      // A ticket whose answer was lost would be matched beside the next one; with its connection it is gone.
      if (this.kind === 'queue' && this.isConnected) this.options.socket.disconnect(true);
      if (this.kind === 'queue') this.isConnected = false;
    }
  }

  private askAgain(): void {
    this.ticket = undefined;
    this.mustAsk = true;
    this.askAtMs = Date.now() + GRACE_MS;
  }

  /** The word that the group is complete can come before the answer that names the ticket. */
  private noteMatch(): void {
    const isAsked = this.kind === 'solo' && !this.mustAsk;
    const isOurs =
      this.kind === 'queue' ? this.matchedTickets.includes(this.ticket ?? '') : this.matchedTickets.length > 0;
    if (!(isAsked || isOurs) || this.matchedAtMs !== undefined) return;
    this.matchedAtMs = Date.now();
    this.looks = 0;
    this.rouse();
  }

  /** Takes the player out of everything that this search led to, and answers what became of it. */
  private async giveUp(otherwise: Outcome): Promise<Outcome> {
    const isFollowing = this.kind === 'follow' && this.before !== undefined;
    if (!this.begun && !this.hasAsked && !isFollowing) return otherwise;
    const isRemoved = this.ticket === undefined || (await this.removeTicket(this.ticket));
    // A match may be made, and not stored yet: then there is nothing to cancel until a moment later.
    const tries = this.matchedAtMs === undefined && isRemoved ? 1 : 4;
    for (let i = 0; i < tries; i++) {
      if (i > 0) await delay(SHORTEST_MS);
      const answer = await this.rpc('gameye_cancel').catch((error: unknown) => error);
      if ((answer as { cancelled?: boolean } | undefined)?.cancelled) return otherwise;
      const now = statusOf(answer) === 400 ? await this.look().catch(() => undefined) : undefined;
      const outcome = now && this.verdict(now);
      if (outcome?.kind !== 'match') continue;
      if (otherwise.kind !== 'cancelled') return outcome;
      await this.rpc('gameye_leave').catch(() => undefined);
      return otherwise;
    }
    return otherwise;
  }

  /** False when Nakama does not know it any more: then it was matched, or the connection broke. */
  private async removeTicket(ticket: string): Promise<boolean> {
    if (this.matchedAtMs !== undefined || !this.asking.remove) return false;
    return within(this.asking.remove(ticket), CONNECT_MS).then(
      () => true,
      () => false,
    );
  }

  private deadline(): number {
    const { queueMs = 300_000, answerMs = 90_000 } = this.options;
    if (this.matchedAtMs !== undefined) return this.matchedAtMs + answerMs;
    return this.startedAtMs + (this.kind === 'comeBack' ? answerMs : queueMs);
  }

  private tooLate(): Outcome {
    if (this.unreadableSinceMs !== undefined) return failed('unavailable');
    return failed(this.matchedAtMs === undefined ? 'no_match' : 'timeout');
  }

  /** Where the player stands; undefined when that cannot be read now. */
  private async look(): Promise<Standing | undefined> {
    this.looks++;
    try {
      const standing = (await this.rpc('gameye_assignment')) as Standing;
      this.failures = 0;
      this.unreadableSinceMs = undefined;
      return standing;
    } catch (error) {
      const status = statusOf(error);
      if (status === 401) throw new Ended(failed('signed_out'));
      if (status === 404 || status === 403) throw new Ended(failed('misconfigured', await refusalOf(error)));
      this.failures++;
      this.unreadableSinceMs ??= Date.now();
      return undefined;
    }
  }

  private async rpc(id: string): Promise<unknown> {
    return (await this.options.client.rpc(this.options.session, id, {})).payload;
  }

  private async connect(): Promise<void> {
    const { socket, session, connect = () => socket.connect(session, true) } = this.options;
    try {
      await within(connect(), CONNECT_MS);
      this.isConnected = true;
    } catch {
      this.failures++;
    }
  }

  /** Until the next look. Not in step with others who wait for the same. */
  private pause(): number {
    const isWaiting = this.matchedAtMs !== undefined || this.mustAsk || !this.isConnected;
    const doubling = Math.min(SHORTEST_MS * 2 ** Math.min(this.failures, 10), IDLE_MS);
    const growing = Math.min(SHORTEST_MS * 1.5 ** Math.max(0, this.looks - 2), LONGEST_MS);
    const ms = this.failures > 0 ? doubling : isWaiting ? growing : IDLE_MS;
    return ms * (0.8 + 0.4 * Math.random());
  }

  private rouse(): void {
    this.isAwake = true;
    this.wake?.();
  }

  private async sleep(ms: number): Promise<void> {
    const left = Math.max(0, Math.min(ms, this.deadline() - Date.now()));
    if (!this.isAwake) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
    this.isAwake = false;
  }
}

function failed(reason: Reason, message?: string): Outcome {
  return message === undefined ? { kind: 'failed', reason } : { kind: 'failed', reason, message };
}

function matchOf({ state: _state, ...match }: { state: 'ready' } & Match): Outcome {
  return { kind: 'match', match: match as Match };
}

function isMatch(content: Record<string, unknown>): content is Match {
  return typeof content['host'] === 'string' && typeof content['session_id'] === 'string';
}

function isSame(now: Standing, before: Standing | undefined): boolean {
  if (now.state === 'ready') return before?.state === 'ready' && now.session_id === before.session_id;
  if (now.state === 'failed') return before?.state === 'failed' && now.reason === before.reason;
  return now.state === before?.state;
}

/** The client library throws the HTTP response of a refused RPC. */
function statusOf(error: unknown): number | undefined {
  const status = (error as { status?: unknown } | null | undefined)?.status;
  return typeof status === 'number' ? status : undefined;
}

/** The sentence of a final refusal, by HTTP or over the socket; undefined when the same request may succeed later. */
async function refusalOf(error: unknown): Promise<string | undefined> {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  // An error of the browser has a number as well.
  if (typeof code === 'number' && !(error instanceof Error)) return String(message);
  const status = statusOf(error);
  if (status === undefined || status >= 500 || status === 409) return undefined;
  const body = await (error as Response).json().catch(() => undefined);
  return String((body as { message?: unknown } | undefined)?.message ?? `HTTP ${status}`);
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}

function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
