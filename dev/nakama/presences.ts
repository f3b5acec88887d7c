import type { Presence } from './vm/protocol.ts';

/** A connected player, as matches, parties and the matchmaker know it. */
export interface Connection extends Presence {
  expiresAt: number;
  vars: Record<string, string>;
  clientIp: string;
  clientPort: string;
  lang: string;
  send(envelope: object): void;
  close(): void;
}

/** All sockets of this node. */
export class Connections {
  private readonly bySession = new Map<string, Connection>();
  private readonly byUser = new Map<string, Set<Connection>>();

  add(connection: Connection): void {
    this.bySession.set(connection.sessionId, connection);
    const own = this.byUser.get(connection.userId) ?? new Set();
    own.add(connection);
    this.byUser.set(connection.userId, own);
  }

  remove(connection: Connection): void {
    this.bySession.delete(connection.sessionId);
    const own = this.byUser.get(connection.userId);
    own?.delete(connection);
    if (own?.size === 0) this.byUser.delete(connection.userId);
  }

  get(sessionId: string): Connection | undefined {
    return this.bySession.get(sessionId);
  }

  isOnline(userId: string): boolean {
    return this.byUser.has(userId);
  }

  sendToUser(userId: string, envelope: object): void {
    for (const connection of this.byUser.get(userId) ?? []) connection.send(envelope);
  }

  sendToSessions(sessionIds: string[], envelope: object): void {
    for (const id of sessionIds) this.bySession.get(id)?.send(envelope);
  }

  get size(): number {
    return this.bySession.size;
  }

  closeAll(): void {
    for (const connection of [...this.bySession.values()]) connection.close();
  }
}
