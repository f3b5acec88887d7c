import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Connection, Connections } from './presences.ts';
import type { Realtime } from './realtime.ts';
import type { Tokens } from './tokens.ts';

const PING_MS = 15_000;

/** The WebSocket endpoint: `/ws?token=<session token>&lang=…`, JSON messages. */
export class Sockets {
  private readonly server: WebSocketServer;

  constructor(
    private readonly node: string,
    private readonly tokens: Tokens,
    private readonly connections: Connections,
    private readonly realtime: Realtime,
    maxPayload: number,
  ) {
    this.server = new WebSocketServer({ noServer: true, maxPayload });
  }

  /** Answers an upgrade request; without a valid token it is refused. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const refuse = (status: string): void => {
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    };
    if (url.pathname !== '/ws') return refuse('404 Not Found');
    if (url.searchParams.get('format') === 'protobuf') return refuse('501 Not Implemented');
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const session = this.tokens.session(url.searchParams.get('token') ?? bearer ?? '');
    if (session === null) return refuse('401 Unauthorized');
    this.server.handleUpgrade(request, socket, head, (ws) => {
      this.accept(ws, {
        userId: session.userId,
        username: session.username,
        vars: session.vars,
        expiresAt: session.expiresAt,
        sessionId: randomUUID(),
        node: this.node,
        lang: url.searchParams.get('lang') ?? 'en',
        clientIp: request.socket.remoteAddress ?? '',
        clientPort: String(request.socket.remotePort ?? ''),
        send: (envelope) => ws.send(JSON.stringify(envelope)),
        close: () => ws.close(1000),
      });
    });
  }

  private accept(ws: WebSocket, connection: Connection): void {
    this.connections.add(connection);
    const beat = setInterval(() => ws.ping(), PING_MS);
    // One after the other, as the real server's read loop does.
    let turn = Promise.resolve();
    ws.on('message', (data: Buffer) => {
      let envelope: Record<string, unknown>;
      try {
        envelope = JSON.parse(data.toString('utf8')) as Record<string, unknown>;
      } catch {
        ws.close(1000);
        return;
      }
      turn = turn.then(() => this.realtime.handle(connection, envelope)).catch(() => undefined);
    });
    ws.on('error', () => ws.terminate());
    ws.on('close', () => {
      clearInterval(beat);
      this.connections.remove(connection);
      this.realtime.closed(connection);
    });
  }

  close(): void {
    for (const ws of this.server.clients) ws.terminate();
    this.server.close();
  }
}
