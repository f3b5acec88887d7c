import type { Position } from './protocol.ts';

interface Seat extends Position {
  /** `ip:port` the player's packets come from. */
  address: string;
  lastSeq: number;
  seenAtMs: number;
}

/**
 * Who plays, and where they stand: the whole game, without a socket or a clock. Times are milliseconds, given by the
 * caller.
 */
export class Room {
  private readonly seats = new Map<string, Seat>();
  private readonly missing: Set<string>;
  private everJoined = false;
  /** Moves of those who have left, by user id. */
  private readonly made = new Map<string, number>();

  /** `expected`: the players the match was made of. The room is not over before they came. */
  constructor(expected: string[]) {
    this.missing = new Set(expected);
  }

  get players(): string[] {
    return [...this.seats.keys()];
  }

  /** A player is in, or came back from another address. Answers whether they are new. */
  enter(userId: string, address: string, nowMs: number): boolean {
    const known = this.seats.get(userId);
    this.everJoined = true;
    this.missing.delete(userId);
    if (known) {
      Object.assign(known, { address, seenAtMs: nowMs });
      return false;
    }
    this.seats.set(userId, { address, x: 0, y: 0, moves: 0, lastSeq: 0, seenAtMs: nowMs });
    return true;
  }

  playerAt(address: string): string | undefined {
    for (const [userId, seat] of this.seats) if (seat.address === address) return userId;
    return undefined;
  }

  addressOf(userId: string): string | undefined {
    return this.seats.get(userId)?.address;
  }

  /** Moves a player one step. A packet that was sent again (its answer was lost) moves nobody twice. */
  move(userId: string, seq: number, dx: number, dy: number, nowMs: number): void {
    const seat = this.seats.get(userId);
    if (!seat) return;
    seat.seenAtMs = nowMs;
    if (seq <= seat.lastSeq) return;
    Object.assign(seat, { lastSeq: seq, x: seat.x + dx, y: seat.y + dy, moves: seat.moves + 1 });
  }

  leave(userId: string): boolean {
    this.made.set(userId, this.movesOf(userId));
    return this.seats.delete(userId);
  }

  private movesOf(userId: string): number {
    return (this.made.get(userId) ?? 0) + (this.seats.get(userId)?.moves ?? 0);
  }

  /** How many moves each player has made, also those who have left. */
  scores(): Record<string, number> {
    return Object.fromEntries([...this.made.keys(), ...this.players].map((userId) => [userId, this.movesOf(userId)]));
  }

  /** Players that sent nothing since `sinceMs`. */
  silentSince(sinceMs: number): string[] {
    return this.players.filter((userId) => (this.seats.get(userId) as Seat).seenAtMs < sinceMs);
  }

  state(): Record<string, Position> {
    const positions = this.players.map((userId) => {
      const { x, y, moves } = this.seats.get(userId) as Seat;
      return [userId, { x, y, moves }] as const;
    });
    return Object.fromEntries(positions);
  }

  /** Everybody who was expected came, somebody played, and all have left. */
  isOver(): boolean {
    return this.everJoined && this.seats.size === 0 && this.missing.size === 0;
  }

  /** Nobody is here: before the first player came, or after the last one left. */
  isDeserted(): boolean {
    return this.seats.size === 0;
  }
}
