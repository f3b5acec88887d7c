/*
 * A sample game server: `node sample.mjs <port> [host]`. Players talk to it in lines over TCP. The first line is the seat
 * token; it answers `welcome <user id>` or `refused <reason>`. `bye` leaves. Who is cut off may come back. The game is over
 * when the last player who is there says bye.
 */
import { createServer, type Socket } from 'node:net';
import { GameServer, type Answer } from './gameye.ts';

const [port = '7777', host = '0.0.0.0'] = process.argv.slice(2);
const HEARTBEAT_MS = 10_000;
/** Far more than a token has: nobody makes the server keep an endless line. */
const LONGEST_LINE = 2_000;

const server = GameServer.fromEnvironment();
const present = new Map<string, Socket>();
const played = new Set<string>();

/** Lets a player in; answers their user id, or nothing. */
async function admit(token: string, socket: Socket): Promise<string | undefined> {
  const refuse = (why: string): undefined => void socket.end(`refused ${why}\n`);
  const seat = server.verifySeatToken(token);
  if ('refused' in seat) return refuse(seat.refused);
  const { userId } = seat;
  const joined = await report('joined', server.joined([userId]));
  if (joined.outcome === 'done' && joined.refused.includes(userId)) return refuse('no seat');
  present.get(userId)?.destroy();
  present.set(userId, socket);
  played.add(userId);
  socket.write(`welcome ${userId}\n`);
  return userId;
}

async function leave(userId: string, hold: boolean): Promise<void> {
  present.delete(userId);
  void report('left', server.left([userId], hold));
  if (hold || present.size > 0) return;
  void report('closed', server.closed());
  void report('result', server.result({ played: [...played] }));
  await report('end', server.end());
  process.exit(0);
}

function converse(socket: Socket): void {
  let text = '';
  let userId: string | undefined;
  let said = Promise.resolve();
  const hear = async (line: string): Promise<void> => {
    if (socket.writableEnded) return;
    if (userId === undefined) userId = await admit(line, socket);
    else if (line === 'bye' && present.get(userId) === socket) {
      socket.end();
      await leave(userId, false);
    }
  };
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) said = said.then(() => hear(line));
    if (text.length > LONGEST_LINE) socket.destroy();
  });
  socket.on('error', () => {}); // Closed next.
  socket.on('close', () => {
    said = said.then(async () => {
      if (userId !== undefined && present.get(userId) === socket) await leave(userId, true);
    });
  });
}

/** Says how a report went; the game goes on without Nakama. */
async function report<Kind extends Answer>(what: string, answer: Promise<Kind>): Promise<Kind> {
  const settled = await answer;
  const why = settled.outcome === 'done' ? '' : ` (${settled.code}: ${settled.message})`;
  console.log(`${what}: ${settled.outcome}${why}`);
  return settled;
}

createServer(converse).listen(Number(port), host, () => {
  void report('ready', server.ready());
  void report('heartbeat', server.heartbeat());
  setInterval(() => void report('heartbeat', server.heartbeat()), HEARTBEAT_MS);
});
