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
const NOT_FOUND = 5;

const server = GameServer.fromEnvironment();
const present = new Map<string, Socket>();
const played = new Set<string>();
let isOver = false;

/** Lets a player in; answers their user id, or nothing. */
async function admit(token: string, socket: Socket): Promise<string | undefined> {
  const refuse = (why: string): undefined => void socket.end(`refused ${why}\n`);
  const seat = server.verifySeatToken(token);
  if ('refused' in seat) return refuse(seat.refused);
  const joined = await server.joined([seat.userId]);
  log('joined', joined);
  if (joined.outcome === 'done' && joined.refused.includes(seat.userId)) return refuse('no seat');
  present.get(seat.userId)?.destroy();
  present.set(seat.userId, socket);
  played.add(seat.userId);
  socket.write(`welcome ${seat.userId}\n`);
  return seat.userId;
}

async function leave(userId: string, hold: boolean): Promise<void> {
  present.delete(userId);
  log('left', await server.left([userId], hold));
  if (hold || present.size > 0 || isOver) return;
  isOver = true;
  log('closed', await server.closed());
  log('result', await server.result({ played: [...played] }));
  log('end', await server.end());
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

async function heartbeat(): Promise<void> {
  const answer = await server.heartbeat();
  log('heartbeat', answer);
  // Nakama does not know the session any more: nobody will come.
  if (answer.outcome === 'refused' && answer.code === NOT_FOUND) process.exit(0);
}

/** The game goes on without Nakama. */
function log(what: string, answer: Answer): void {
  console.log(`${what}: ${answer.outcome === 'done' ? 'done' : `code ${answer.code}, ${answer.message}`}`);
}

// Gameye stops the session like that. When we have asked for it, the answer is still on its way.
process.on('SIGTERM', () => {
  if (!isOver) process.exit(0);
});
createServer(converse).listen(Number(port), host, async () => {
  log('ready', await server.ready());
  await heartbeat();
  setInterval(() => void heartbeat(), HEARTBEAT_MS);
});
