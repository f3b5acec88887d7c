import WebSocket from 'ws';
import type { Nakama } from '../stack/nakama.ts';
import type { Account } from './accounts.ts';

/** What a player was told, and when it came. */
export interface Told {
  code: number;
  sessionId: string;
  atMs: number;
}

const MATCH_CODE = 7300;
const CONNECTED_AT_ONCE = 50;

/**
 * A player that does only what a measurement needs: a bare connection that queues and notes the first answer. The library
 * of the game clients would keep this process busier than the server.
 */
export class BenchPlayer {
  told: Told | undefined;

  private constructor(
    readonly userId: string,
    private readonly socket: WebSocket,
  ) {
    socket.on('message', (data: Buffer) => this.receive(data));
    socket.on('error', () => {}); // Who is cut off gets no answer, which the result says.
  }

  static async connect(nakama: Nakama, accounts: Account[]): Promise<BenchPlayer[]> {
    const players: BenchPlayer[] = [];
    for (let from = 0; from < accounts.length; from += CONNECTED_AT_ONCE) {
      const some = accounts.slice(from, from + CONNECTED_AT_ONCE);
      players.push(...(await Promise.all(some.map((account) => BenchPlayer.open(nakama, account)))));
    }
    return players;
  }

  private static open(nakama: Nakama, { userId, token }: Account): Promise<BenchPlayer> {
    const url = `ws://127.0.0.1:${nakama.port}/ws?lang=en&status=false&format=json&token=${encodeURIComponent(token)}`;
    const socket = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true });
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(new BenchPlayer(userId, socket)));
      socket.once('error', reject);
    });
  }

  /** Queues for a match of the group with this name. */
  queue(group: string, size: number): void {
    const ticket = {
      min_count: size,
      max_count: size,
      query: `+properties.group:${group}`,
      string_properties: { group },
    };
    this.socket.send(JSON.stringify({ matchmaker_add: ticket }));
  }

  close(): void {
    this.socket.terminate();
  }

  private receive(data: Buffer): void {
    const atMs = Date.now();
    if (this.told || !data.includes('"notifications"')) return;
    const { notifications } = JSON.parse(data.toString()) as {
      notifications?: { notifications: { code: number; content: string }[] };
    };
    const [first] = notifications?.notifications ?? [];
    if (!first) return;
    const content = JSON.parse(first.content) as { session_id?: string };
    const sessionId = first.code === MATCH_CODE ? (content.session_id ?? '') : '';
    this.told = { code: first.code, sessionId, atMs };
  }
}
