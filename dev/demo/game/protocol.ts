/** What a player sends: one JSON object per datagram. */
export type FromPlayer =
  | { type: 'hello'; user_id: string; token?: string }
  | { type: 'move'; seq: number; dx: number; dy: number }
  | { type: 'leave' };

/** What the server sends. */
export type FromServer =
  | { type: 'welcome'; session_id: string; players: string[] }
  | { type: 'refused'; reason: string }
  | { type: 'state'; seq: number; players: Record<string, Position> }
  | { type: 'bye'; reason: string };

/** Where a player stands, and how many of their moves counted. */
export interface Position {
  x: number;
  y: number;
  moves: number;
}

// Far above what a real packet needs, and small enough that nobody keeps us busy with parsing.
const MAX_BYTES = 2_000;

export function encode(message: FromPlayer | FromServer): Buffer {
  return Buffer.from(JSON.stringify(message));
}

/** Reads a datagram from the internet: `undefined` for anything that is not a message of a player. Never throws. */
export function decodeFromPlayer(datagram: Buffer): FromPlayer | undefined {
  const value = parse(datagram);
  if (value === undefined) return undefined;
  if (value['type'] === 'leave') return { type: 'leave' };
  if (value['type'] === 'move') {
    const { seq, dx, dy } = value;
    if (!isWhole(seq) || seq < 1 || !isWhole(dx) || !isWhole(dy)) return undefined;
    return { type: 'move', seq, dx: Math.sign(dx), dy: Math.sign(dy) };
  }
  if (value['type'] === 'hello') {
    const { user_id, token } = value;
    if (typeof user_id !== 'string' || user_id === '' || user_id.length > 128) return undefined;
    return typeof token === 'string' ? { type: 'hello', user_id, token } : { type: 'hello', user_id };
  }
  return undefined;
}

/** Reads a datagram of the server, which a player trusts more than the server trusts a player. */
export function decodeFromServer(datagram: Buffer): FromServer | undefined {
  return parse(datagram, 64_000) as FromServer | undefined;
}

function parse(datagram: Buffer, maxBytes = MAX_BYTES): Record<string, unknown> | undefined {
  if (datagram.length > maxBytes) return undefined;
  try {
    const value: unknown = JSON.parse(datagram.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // Not JSON: somebody else's packet.
  }
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}
