import { createSocket, type Socket } from 'node:dgram';
import { decodeFromServer, encode, type FromPlayer, type FromServer, type Position } from './protocol.ts';

export interface GameOptions {
  host: string;
  port: number;
  userId: string;
  /** The seat token, when the server wants one. */
  token?: string | undefined;
  /** How many moves to make; default 20. */
  moves?: number;
  /** Goes on moving after that until this settles; must not reject. */
  stayUntil?: Promise<unknown>;
  /** Pause between two moves; default 50 ms. */
  moveEveryMs?: number;
  /** For everything, connecting included; default 15 s. */
  deadlineMs?: number;
  /** Ends like a broken connection: without a word to the server. */
  vanishes?: boolean;
  /** Called once the server has let the player in. */
  onWelcome?: (players: string[]) => void;
}

/** What a player saw of a game. Times are Date.now(). */
export interface GameRecord {
  welcomedAtMs: number;
  leftAtMs: number;
  sent: number;
  received: number;
  /** Moves that the server confirmed. */
  confirmedMoves: number;
  /** The last state the server sent. */
  lastState: Record<string, Position>;
  endedBy: 'leave' | 'server' | 'vanished';
  /** What the server's last packet said; empty when the player vanished. */
  reason: string;
}

/** The server does not let this player in; `reason` is the server's. */
export class Refused extends Error {
  constructor(readonly reason: string) {
    super(`the game server refused the player: ${reason}`);
  }
}

// UDP loses packets: whatever has no answer after this long is sent again.
const RESEND_MS = 150;

/** Plays a whole game: hello, some moves, leave. Throws Refused, or an Error when the server stops answering. */
export async function playGame(options: GameOptions): Promise<GameRecord> {
  const line = await Line.open(options.host, options.port, Date.now() + (options.deadlineMs ?? 15_000));
  try {
    const { userId, token, moves = 20, moveEveryMs = 50 } = options;
    const hello: FromPlayer =
      token === undefined ? { type: 'hello', user_id: userId } : { type: 'hello', user_id: userId, token };
    const answer = await line.ask(hello, (m) => m.type === 'welcome' || m.type === 'refused');
    if (answer.type === 'refused') throw new Refused(answer.reason);
    const welcomedAtMs = Date.now();
    if (answer.type === 'welcome') options.onWelcome?.(answer.players);

    let lastState: Record<string, Position> = {};
    let confirmedMoves = 0;
    let mayLeave = options.stayUntil === undefined;
    void options.stayUntil?.then(() => (mayLeave = true));
    for (let seq = 1; (seq <= moves || !mayLeave) && line.bye === undefined; seq++) {
      const move: FromPlayer = { type: 'move', seq, dx: seq % 2, dy: (seq + 1) % 2 };
      const state = await line.ask(move, (m) => m.type === 'bye' || (m.type === 'state' && m.seq === seq));
      if (state.type !== 'state') break;
      lastState = state.players;
      confirmedMoves = seq;
      await line.pause(moveEveryMs);
    }
    const endedBy = line.bye ? 'server' : options.vanishes ? 'vanished' : 'leave';
    const isAnswer = (m: FromServer): boolean => m.type === 'bye' || m.type === 'refused';
    const bye = endedBy === 'vanished' ? undefined : (line.bye ?? (await line.ask({ type: 'leave' }, isAnswer)));
    const reason = bye?.type === 'bye' || bye?.type === 'refused' ? bye.reason : '';
    const { sent, received } = line;
    return { welcomedAtMs, leftAtMs: Date.now(), sent, received, confirmedMoves, lastState, endedBy, reason };
  } finally {
    line.close();
  }
}

/** One conversation with one server: every question is repeated until its answer comes. */
class Line {
  sent = 0;
  received = 0;
  /** Set when the server has ended the game by itself. */
  bye: FromServer | undefined;
  private onMessage: ((message: FromServer) => void) | undefined;

  private constructor(
    private readonly socket: Socket,
    private readonly endAtMs: number,
  ) {}

  static async open(host: string, port: number, endAtMs: number): Promise<Line> {
    const socket = createSocket('udp4');
    const line = new Line(socket, endAtMs);
    // A closed port answers with an ICMP error: the server may still be starting, so the question is repeated.
    socket.on('error', () => {});
    socket.on('message', (datagram) => {
      const message = decodeFromServer(datagram);
      if (!message) return;
      line.received++;
      if (message.type === 'bye') line.bye = message;
      line.onMessage?.(message);
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
      socket.connect(port, host);
    });
    return line;
  }

  ask(question: FromPlayer, isAnswer: (message: FromServer) => boolean): Promise<FromServer> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearInterval(repeat);
        clearTimeout(timer);
        this.onMessage = undefined;
      };
      const send = (): void => {
        this.sent++;
        this.socket.send(encode(question), () => {}); // Refused by the system: repeated like a lost packet.
      };
      const repeat = setInterval(send, RESEND_MS);
      const timer = setTimeout(
        () => {
          stop();
          reject(new Error(`the game server did not answer "${question.type}"`));
        },
        Math.max(0, this.endAtMs - Date.now()),
      );
      this.onMessage = (message) => {
        if (!isAnswer(message)) return;
        stop();
        resolve(message);
      };
      send();
    });
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  close(): void {
    this.socket.close();
  }
}
