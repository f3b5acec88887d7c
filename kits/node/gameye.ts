/*
 * The game server kit for Node 20 and newer: this one file, no packages. What it is about: kits/README.md.
 *
 *   const server = GameServer.fromEnvironment();
 *   await server.ready();
 *
 *   // A player has sent their seat token.
 *   const seat = server.verifySeatToken(token);
 *   if ('refused' in seat) return refuse(seat.refused);
 *   const joined = await server.joined([seat.userId]);
 *   if (joined.outcome === 'done' && joined.refused.includes(seat.userId)) return refuse('no seat');
 *
 *   // A player has left. `hold`: they lost the connection, and may come back.
 *   await server.left([userId], hold);
 *
 *   // The game is over.
 *   await server.result({ played: [...played] });
 *   await server.end();
 *
 * A call never rejects: it answers `done`, `refused` (a repetition does not help) or `unavailable` (Nakama did not answer
 * for half a minute). Calls go out one after the other, in the order they were made.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

/** What a call came to. */
export type Answer<Value extends object = object> =
  ({ outcome: 'done' } & Value) | { outcome: 'refused' | 'unavailable'; code: number; message: string };

export type SeatRefusal = 'malformed' | 'forged' | 'other-session' | 'expired';

export interface Request {
  method: 'POST';
  url: string;
  headers: Record<string, string>;
  body: string;
}

export interface Options {
  sessionId: string;
  seatSecret: string;
  /** Without an address or a token nothing is reported, and every call is done. */
  nakamaUrl: string;
  serverToken: string;
  /** Sends a request; rejects when no answer comes. Must not follow redirections: the token would go along. */
  send?: (request: Request) => Promise<{ status: number; body: string }>;
  sleep?: (ms: number) => Promise<unknown>;
  /** Milliseconds since 1970. */
  now?: () => number;
}

type Fields = Record<string, unknown>;
type Reading = Answer<{ fields: Fields }>;

const REQUEST_TIMEOUT_MS = 10_000;
const LONGEST_TOKEN = 1024;
/** The pauses after the first, second, … try; after one more try it gives up. */
const WAITS_MS = [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000];
/** Others changed the same records, or there is another result for this round: the first passes, the second does not. */
const CONFLICT = 10;
const CONFLICT_TRIES = 3;
const UNAVAILABLE = 14;

export class GameServer {
  private readonly options: Required<Options>;
  private last: Promise<unknown> = Promise.resolve();

  constructor(options: Options) {
    this.options = { send: sendByFetch, sleep: pause, now: Date.now, ...options };
  }

  /** With what Gameye and Nakama give every container. */
  static fromEnvironment(env: Record<string, string | undefined> = process.env): GameServer {
    return new GameServer({
      sessionId: env['GAMEYE_SESSION_ID'] ?? '',
      seatSecret: env['SEAT_SECRET'] ?? '',
      nakamaUrl: env['NAKAMA_URL'] ?? '',
      serverToken: env['NAKAMA_SERVER_TOKEN'] ?? '',
    });
  }

  /** Whose seat this is, or why nobody is let in with it. Takes whatever a stranger sent. */
  verifySeatToken(token: string): { userId: string } | { refused: SeatRefusal } {
    return this.verify(token, 'seat');
  }

  /** The same of somebody who only watches. Report them with `joined` and `left` like a player. */
  verifySpectatorToken(token: string): { userId: string } | { refused: SeatRefusal } {
    return this.verify(token, 'watch');
  }

  private verify(token: string, kind: 'seat' | 'watch'): { userId: string } | { refused: SeatRefusal } {
    const { seatSecret, sessionId, now } = this.options;
    if (typeof token !== 'string' || token.length > LONGEST_TOKEN) return { refused: 'malformed' };
    const [, body = '', signature = ''] = /^v1\.([\w-]+)\.([\w-]+)$/.exec(token) ?? [];
    if (body === '' || body.length % 4 === 1) return { refused: 'malformed' };
    if (seatSecret === '' || !isSignedWith(seatSecret, `v1.${body}`, signature)) return { refused: 'forged' };
    const { t, sid, uid, exp } = objectIn(Buffer.from(body, 'base64url').toString()) ?? {};
    if (t !== kind || !isName(sid) || !isName(uid) || !isMoment(exp)) return { refused: 'malformed' };
    if (sid !== sessionId) return { refused: 'other-session' };
    return exp * 1000 <= now() ? { refused: 'expired' } : { userId: uid };
  }

  /** The server can take players. */
  ready(): Promise<Answer> {
    return this.report('gameye_server_ready', {}, () => ({}));
  }

  /** Players are in. Send those away whom it answers as refused: there is no seat for them. */
  joined(userIds: string[]): Promise<Answer<{ playerCount: number; refused: string[] }>> {
    return this.report('gameye_server_join', { user_ids: userIds }, ({ player_count, refused }) => ({
      playerCount: numberIn(player_count),
      refused: Array.isArray(refused) ? refused.filter((id): id is string => typeof id === 'string') : [],
    }));
  }

  /** Players have left. `hold`: they lost the connection, and their seats are held for a while. */
  left(userIds: string[], hold = false): Promise<Answer<{ playerCount: number }>> {
    const body = { user_ids: userIds, ...(hold ? { hold } : {}) };
    return this.report('gameye_server_leave', body, ({ player_count }) => ({ playerCount: numberIn(player_count) }));
  }

  /** The server is alive. Every other call says so as well. */
  heartbeat(): Promise<Answer> {
    return this.report('gameye_server_heartbeat', {}, () => ({}));
  }

  /** What came of the session, or of one of its rounds: any JSON object. `stored` is false when it was known before. */
  result(document: object, round = ''): Promise<Answer<{ id: string; stored: boolean }>> {
    const body = { result: document, ...(round === '' ? {} : { round }) };
    return this.report('gameye_server_result', body, ({ id, stored }) => ({
      id: typeof id === 'string' ? id : '',
      stored: stored === true,
    }));
  }

  /** Others may be seated here. */
  open(): Promise<Answer<{ open: boolean }>> {
    return this.backfill(true);
  }

  /** Nobody else is seated here. */
  closed(): Promise<Answer<{ open: boolean }>> {
    return this.backfill(false);
  }

  /** The game is over: the session is stopped, this process with it. */
  end(): Promise<Answer> {
    return this.report('delete_instance_info', {}, () => ({}));
  }

  private backfill(wanted: boolean): Promise<Answer<{ open: boolean }>> {
    return this.report('gameye_server_backfill', { open: wanted }, ({ open }) => ({ open: open === true }));
  }

  private report<Value extends object>(rpc: string, body: object, read: (fields: Fields) => Value) {
    const { nakamaUrl, serverToken } = this.options;
    const request: Request = {
      method: 'POST',
      url: `${nakamaUrl.replace(/\/+$/, '')}/v2/rpc/${rpc}?unwrap=`,
      headers: { Authorization: `Bearer ${serverToken}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    };
    const answer = this.last.then(async (): Promise<Answer<Value>> => {
      const reading = await this.sendUntilSettled(request);
      return reading.outcome === 'done' ? { outcome: 'done', ...read(reading.fields) } : reading;
    });
    this.last = answer;
    return answer;
  }

  private async sendUntilSettled(request: Request): Promise<Reading> {
    const { nakamaUrl, serverToken, send, sleep } = this.options;
    if (nakamaUrl === '' || serverToken === '') return { outcome: 'done', fields: {} };
    for (let tries = 1; ; tries++) {
      const reading = await send(request).then(judge, noAnswer);
      const waitMs = waitAfter(tries, reading);
      if (waitMs === undefined) return reading;
      await sleep(waitMs);
    }
  }
}

/** How long to wait before the same is sent again, after so many tries; undefined: it is not. */
function waitAfter(tries: number, reading: Reading): number | undefined {
  if (reading.outcome === 'done') return undefined;
  const passes = reading.outcome === 'unavailable' || (reading.code === CONFLICT && tries < CONFLICT_TRIES);
  return passes ? WAITS_MS[tries - 1] : undefined;
}

/** What an answer means. One that is no JSON object is a proxy's: Nakama has not answered. */
function judge({ status, body }: { status: number; body: string }): Reading {
  const fields = objectIn(body);
  if (!fields) return noAnswer(new Error(`Status ${status}, and nothing that Nakama says.`));
  if (status >= 200 && status < 300) return { outcome: 'done', fields };
  const code = numberIn(fields['code']) || (status >= 500 ? UNAVAILABLE : 3);
  const message = typeof fields['message'] === 'string' ? fields['message'] : `Status ${status}.`;
  return { outcome: code === UNAVAILABLE || status >= 500 ? 'unavailable' : 'refused', code, message };
}

function noAnswer(error: unknown): Reading {
  return { outcome: 'unavailable', code: UNAVAILABLE, message: String((error as Error | undefined)?.message ?? error) };
}

async function sendByFetch({ url, method, headers, body }: Request): Promise<{ status: number; body: string }> {
  const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const response = await fetch(url, { method, headers, body, signal, redirect: 'manual' });
  return { status: response.status, body: await response.text() };
}

function isSignedWith(secret: string, text: string, signature: string): boolean {
  const right = Buffer.from(createHmac('sha256', secret).update(text).digest('base64url'));
  const given = Buffer.from(signature);
  return given.length === right.length && timingSafeEqual(given, right);
}

function objectIn(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && [...value].every((letter) => letter >= ' ');
}

function isMoment(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function numberIn(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
