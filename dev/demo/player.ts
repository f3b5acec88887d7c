import { randomUUID } from 'node:crypto';
import { Client, type MatchmakerMatched, type Notification, type Session, type Socket } from '@heroiclabs/nakama-js';
import WebSocket from 'ws';
import { measurePings, type PingTarget } from '../../examples/client/ping.ts';
import { GameyeClient } from '../../kits/client/gameye-client.ts';
import { callRpc, type RpcResult } from '../stack/rpc.ts';
import { until } from '../stack/until.ts';

// The client library is made for browsers; Node has no WebSocket before version 22.
(globalThis as { WebSocket?: unknown }).WebSocket ??= WebSocket;

/** What to queue for; a query and properties as Nakama's matchmaker takes them. */
export interface MatchmakerRequest {
  query?: string;
  minCount: number;
  maxCount: number;
  strings?: Record<string, string>;
  numbers?: Record<string, number>;
}

/** The one answer that every matched player gets: an address, or a reason. */
export type Answer = { atMs: number; via: 'live' | 'listed'; notificationId: string } & (
  | {
      kind: 'match';
      host: string;
      port: number;
      sessionId: string;
      seatToken?: string;
      content: Record<string, unknown>;
    }
  | { kind: 'failed'; reason: string; content: Record<string, unknown> }
);

/** How to reach a Nakama; `startNakama`'s result fits. */
export interface NakamaAddress {
  port: number;
  url: string;
  serverKey: string;
}

export interface AccountOptions {
  /** 10 to 128 characters; the same one signs in to the same account. Default: a new one. */
  deviceId?: string;
  /** Unique in its Nakama; default: Nakama makes one up. */
  username?: string;
  /** Session variables, which players may choose freely. */
  vars?: Record<string, string>;
  /** How the client helper measures the regions; default: it does not. */
  ping?: (targets: PingTarget[]) => Promise<Record<string, number>>;
}

const MATCH_CODE = 7300;
const FAILED_CODE = 7301;
/** Notifications on one page. */
const LISTED = 100;

/** A player with the real client library: an account, a live connection, and what came over it. */
export class Player {
  /** Answers of the fleet manager that came over the socket, oldest first. */
  readonly answers: Answer[] = [];
  /** Everything else that came as notification. */
  readonly otherNotifications: Notification[] = [];
  /** When Nakama's matchmaker said that the group is complete. */
  readonly matchedAtMs: number[] = [];
  /** With whom, and who of them came as a party. */
  readonly matched: MatchmakerMatched[] = [];
  queuedAtMs = 0;
  private socket: Socket | undefined;
  private open = false;
  private helper: GameyeClient | undefined;

  private constructor(
    private nakama: NakamaAddress,
    private client: Client,
    private session: Session,
    private readonly ping: AccountOptions['ping'],
  ) {}

  /** Makes an account (or signs in to the one of the device) and does not connect yet. */
  static async authenticate(nakama: NakamaAddress, account: AccountOptions = {}): Promise<Player> {
    const client = clientOf(nakama);
    const { deviceId = randomUUID(), username, vars, ping } = account;
    return new Player(nakama, client, await client.authenticateDevice(deviceId, true, username, vars), ping);
  }

  /** An account and a live connection. */
  static async connect(nakama: NakamaAddress, account?: AccountOptions): Promise<Player> {
    const player = await Player.authenticate(nakama, account);
    await player.openSocket();
    return player;
  }

  get userId(): string {
    return this.session.user_id as string;
  }

  get username(): string {
    return this.session.username as string;
  }

  /** False once the live connection was lost or closed, whoever did it. */
  get isConnected(): boolean {
    return this.open;
  }

  get token(): string {
    return this.session.token;
  }

  /** What a game uses to get from a ticket to an address; tests of what Nakama sends look at the notifications instead. */
  get gameye(): GameyeClient {
    if (!this.helper) throw new Error(`${this.username} has no live connection; call openSocket() first`);
    return this.helper;
  }

  /** Connects (again); to another node when one is given. */
  async openSocket(nakama: NakamaAddress = this.nakama): Promise<void> {
    if (nakama !== this.nakama) {
      this.nakama = nakama;
      this.client = clientOf(nakama);
    }
    const socket = this.client.createSocket(false, false);
    socket.onnotification = (notification) => this.receive(notification);
    socket.onmatchmakermatched = (match) => {
      this.matchedAtMs.push(Date.now());
      this.matched.push(match);
    };
    socket.ondisconnect = () => {
      if (this.socket === socket) this.open = false;
    };
    socket.onerror = () => {};
    socket.onheartbeattimeout = () => {};
    const { client, session, ping } = this;
    this.helper = new GameyeClient({ client, session, socket, ...(ping && { ping }) });
    await socket.connect(session, true);
    this.socket = socket;
    this.open = true;
  }

  /** Drops the live connection; notifications then wait in Nakama's database. */
  closeSocket(): void {
    this.socket?.disconnect(false);
    this.socket = undefined;
    this.helper = undefined;
    this.open = false;
  }

  /** Queues for a match, and answers the ticket. */
  async matchmake(request: MatchmakerRequest): Promise<string> {
    this.queuedAtMs = Date.now();
    const { query = '*', minCount, maxCount, strings, numbers } = request;
    return (await this.connected().addMatchmaker(query, minCount, maxCount, strings, numbers)).ticket;
  }

  /** Makes a party of this player that others may join, and answers its id. */
  async createParty(size: number): Promise<string> {
    return (await this.connected().createParty(true, size)).party_id;
  }

  async joinParty(partyId: string): Promise<void> {
    await this.connected().joinParty(partyId);
  }

  async cancelMatchmaking(ticket: string): Promise<void> {
    await this.connected().removeMatchmaker(ticket);
  }

  /** Resolves when the group is complete. Nakama forgets the ticket of a player who disconnects before. */
  waitUntilMatched(deadlineMs: number): Promise<number> {
    return until(() => this.matchedAtMs.at(-1), deadlineMs, `a match for ${this.username}`);
  }

  /** The answer number `index` (0 = the first) as soon as it comes over the socket. */
  waitForAnswer(deadlineMs: number, index = 0): Promise<Answer> {
    return until(
      () => this.answers[index],
      deadlineMs,
      `an answer to ${this.username} (gameye_match or gameye_failed)`,
    );
  }

  /** The stored answers, newest last: what a player finds who was not connected when it came. */
  async listAnswers(): Promise<Answer[]> {
    const all: Notification[] = [];
    let cursor: string | undefined;
    for (;;) {
      const page = await this.client.listNotifications(this.session, LISTED, cursor);
      const notifications = page.notifications ?? [];
      all.push(...notifications);
      if (notifications.length < LISTED || !page.cacheable_cursor) break;
      cursor = page.cacheable_cursor;
    }
    return all.flatMap((notification) => answerOf(notification, 'listed') ?? []);
  }

  /** Calls a player RPC with this player's own token. */
  rpc(id: string, payload?: unknown): Promise<RpcResult> {
    return callRpc(this.nakama.url, id, payload, { token: this.token });
  }

  /** How far the regions are from here, as a ticket's numeric properties; none when the server has no targets. */
  async measurePings(): Promise<Record<string, number>> {
    const { status, payload } = await this.rpc('gameye_ping_targets');
    return status === 200 ? measurePings((payload as { targets: PingTarget[] }).targets) : {};
  }

  /** Asks for somebody's friendship, or accepts it; both have to. */
  async befriend(other: Player): Promise<void> {
    await this.client.addFriends(this.session, [other.userId]);
  }

  /** The best of a leaderboard, as everybody may see them. */
  async leaderboard(id: string): Promise<{ userId: string; username: string; score: number }[]> {
    const { records = [] } = await this.client.listLeaderboardRecords(this.session, id, undefined, LISTED);
    return records.map(({ owner_id = '', username = '', score = 0 }) => ({ userId: owner_id, username, score }));
  }

  private connected(): Socket {
    if (!this.socket) throw new Error(`${this.username} has no live connection; call openSocket() first`);
    return this.socket;
  }

  private receive(notification: Notification): void {
    const answer = answerOf(notification, 'live');
    if (answer) this.answers.push(answer);
    else this.otherNotifications.push(notification);
  }
}

function clientOf(nakama: NakamaAddress): Client {
  return new Client(nakama.serverKey, '127.0.0.1', String(nakama.port), false, 30_000);
}

function answerOf(notification: Notification, via: 'live' | 'listed'): Answer | undefined {
  const content = (notification.content ?? {}) as Record<string, unknown>;
  // What comes live comes now; a stored one has the second of its sending.
  const sentAtMs = via === 'listed' ? Date.parse(notification.create_time ?? '') : NaN;
  const atMs = Number.isNaN(sentAtMs) ? Date.now() : sentAtMs;
  const base = { atMs, via, notificationId: notification.id ?? '', content };
  if (notification.code === FAILED_CODE) return { ...base, kind: 'failed', reason: String(content['reason']) };
  if (notification.code !== MATCH_CODE) return undefined;
  const match = {
    ...base,
    kind: 'match' as const,
    host: String(content['host']),
    port: Number(content['port']),
    sessionId: String(content['session_id']),
  };
  const token = content['seat_token'];
  return typeof token === 'string' ? { ...match, seatToken: token } : match;
}
