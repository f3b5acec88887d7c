import { createSocket, type RemoteInfo } from 'node:dgram';
import { parseArgs } from 'node:util';
import { decodeFromPlayer, encode, type FromServer } from './game/protocol.ts';
import { Reporter } from './game/reports.ts';
import { Room } from './game/room.ts';
import { refuseSeat } from './game/seat-token.ts';

/**
 * A small real game server: players walk on a grid over UDP. It does what a game on Gameye has to do: lets only players
 * with a seat in, tells Nakama who came and left, ends when everybody has left or nobody came.
 *
 * Only what Node has built in: it is bundled to one file and starts as fast as Node does.
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    host: { type: 'string', default: '127.0.0.1' },
    /** Seconds without any player before it gives up. */
    'no-show': { type: 'string', default: '60' },
    /** Seconds without a packet before a player counts as gone. */
    silence: { type: 'string', default: '10' },
    /** Reports `gameye_server_ready` once it listens. */
    ready: { type: 'boolean', default: false },
  },
});
const port = Number(values.port);
if (!Number.isInteger(port) || port < 1 || port > 65_535) {
  console.error('usage: game-server --port <1-65535> [--host ip] [--no-show seconds] [--silence seconds] [--ready]');
  process.exit(2);
}

const sessionId = process.env['GAMEYE_SESSION_ID'] ?? 'local';
const secret = process.env['SEAT_SECRET'];
const expected = (process.env['NAKAMA_MATCH_USER_IDS'] ?? '').split(',').filter((id) => id !== '');
const noShowMs = Number(values['no-show']) * 1000;
const silenceMs = Number(values.silence) * 1000;

const room = new Room(expected);
const reporter = createReporter();
const socket = createSocket('udp4');
let lastPlayerAtMs = Date.now();
let ending = false;

function log(line: string): void {
  console.log(`${new Date().toISOString()} ${line}`);
}

function createReporter(): Reporter | undefined {
  const url = process.env['NAKAMA_URL'];
  const token = process.env['NAKAMA_SERVER_TOKEN'];
  return url && token ? new Reporter({ url, token, sessionId, log }) : undefined;
}

function send(message: FromServer, address: string): void {
  const at = address.lastIndexOf(':');
  socket.send(encode(message), Number(address.slice(at + 1)), address.slice(0, at), () => {
    // A lost packet is UDP's business: the player asks again.
  });
}

function onDatagram(datagram: Buffer, from: RemoteInfo): void {
  const message = decodeFromPlayer(datagram);
  if (!message || ending) return;
  const address = `${from.address}:${from.port}`;
  const nowMs = Date.now();
  if (message.type === 'hello') return onHello(message.user_id, message.token, address, nowMs);
  const userId = room.playerAt(address);
  if (userId === undefined) return send({ type: 'refused', reason: 'say hello first' }, address);
  if (message.type === 'leave') return onLeave(userId, 'left');
  room.move(userId, message.seq, message.dx, message.dy, nowMs);
  send({ type: 'state', seq: message.seq, players: room.state() }, address);
}

function onHello(userId: string, token: string | undefined, address: string, nowMs: number): void {
  const why = secret ? refuseSeat(token, { secret, sessionId, userId, nowMs }) : undefined;
  if (why !== undefined) {
    log(`refused ${address}: ${why}`);
    return send({ type: 'refused', reason: why }, address);
  }
  if (room.enter(userId, address, nowMs)) {
    log(`joined ${userId} from ${address}, ${room.players.length} playing`);
    reporter?.joined(userId, room.players.length);
  }
  lastPlayerAtMs = nowMs;
  send({ type: 'welcome', session_id: sessionId, players: room.players }, address);
}

function onLeave(userId: string, how: string): void {
  const address = room.addressOf(userId) as string;
  room.leave(userId);
  log(`${how} ${userId}, ${room.players.length} playing`);
  reporter?.left(userId, room.players.length, how === 'silent');
  send({ type: 'bye', reason: how }, address);
  lastPlayerAtMs = Date.now();
  if (room.isOver()) void end('everybody left');
}

async function end(reason: string): Promise<void> {
  if (ending) return;
  ending = true;
  log(`ending: ${reason}`);
  const scores = room.scores();
  if (Object.keys(scores).length > 0) reporter?.result(scores);
  for (const userId of room.players) send({ type: 'bye', reason }, room.addressOf(userId) as string);
  await reporter?.flush(2_000);
  process.exit(0);
}

function look(): void {
  const nowMs = Date.now();
  for (const userId of room.silentSince(nowMs - silenceMs)) onLeave(userId, 'silent');
  if (room.isDeserted() && nowMs - lastPlayerAtMs > noShowMs) void end('nobody came');
}

process.on('SIGTERM', () => void end('stopped'));
process.on('SIGINT', () => void end('stopped'));
socket.on('message', onDatagram);
socket.on('error', (error) => {
  console.error(`cannot use UDP port ${port}: ${error.message}`);
  process.exit(1);
});
socket.bind(port, values.host, () => {
  log(`session ${sessionId} listens on udp ${values.host}:${port}`);
  if (expected.length > 0) log(`expects ${expected.join(',')}`);
  if (values.ready) reporter?.ready();
});
setInterval(look, Math.max(20, Math.min(500, noShowMs / 4, silenceMs / 4)));
