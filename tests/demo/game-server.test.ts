import { createSocket } from 'node:dgram';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildGameServer } from '../../dev/demo/build-game-server.ts';
import { playGame, Refused } from '../../dev/demo/game/client.ts';
import { signSeat } from '../../dev/demo/game/seat-token.ts';
import { startChild, type Child } from '../../dev/stack/child.ts';
import { LogBook } from '../../dev/stack/log.ts';
import { projectRoot } from '../../dev/stack/paths.ts';

interface Running {
  port: number;
  child: Child;
  log: LogBook;
}

const secret = 'secret-of-the-session';
const started: Child[] = [];
let file = '';

beforeAll(async () => {
  file = await buildGameServer();
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.kill()));
});

async function startServer(env: Record<string, string>, args: string[] = []): Promise<Running> {
  const port = await freeUdpPort();
  const log = new LogBook();
  const onLine = (line: string): void => void log.add(line);
  const command = { command: process.execPath, args: [file, '--port', String(port), ...args], cwd: projectRoot };
  const child = await startChild({ ...command, env: { GAMEYE_SESSION_ID: 'session-1', ...env }, onLine });
  started.push(child);
  await log.waitFor('listens on udp', 10_000);
  return { port, child, log };
}

function freeUdpPort(): Promise<number> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

function seat(userId: string): string {
  return signSeat(secret, { t: 'seat', sid: 'session-1', uid: userId, exp: Math.floor(Date.now() / 1000) + 60 });
}

const at = (server: Running) => ({ host: '127.0.0.1', port: server.port, moves: 5, moveEveryMs: 1 });

describe('the demo game server', () => {
  it('plays with everybody of the match and ends with code 0 when all have left', async () => {
    const server = await startServer({ NAKAMA_MATCH_USER_IDS: 'ana,ben' });
    const games = await Promise.all(['ana', 'ben'].map((userId) => playGame({ ...at(server), userId })));
    for (const game of games) expect(game).toMatchObject({ confirmedMoves: 5, endedBy: 'leave', reason: 'left' });
    expect(await server.child.exited).toEqual({ code: 0, signal: null });
  });

  it('plays on for as long as a player wants to stay', async () => {
    const server = await startServer({});
    let leave = (): void => {};
    const stayUntil = new Promise<void>((resolve) => (leave = resolve));
    const game = playGame({ ...at(server), userId: 'ana', stayUntil, onWelcome: () => setTimeout(leave, 200) });
    expect((await game).confirmedMoves).toBeGreaterThan(5);
  });

  it('waits for players of the match who have not come yet', async () => {
    const server = await startServer({ NAKAMA_MATCH_USER_IDS: 'ana,ben' });
    await playGame({ ...at(server), userId: 'ana' });
    await playGame({ ...at(server), userId: 'ben' });
    expect(await server.child.exited).toEqual({ code: 0, signal: null });
  });

  it('lets only players with a seat token in when it has a seat secret', async () => {
    const server = await startServer({ SEAT_SECRET: secret });
    await expect(playGame({ ...at(server), userId: 'ana' })).rejects.toThrow(Refused);
    await expect(playGame({ ...at(server), userId: 'ana', token: seat('ben') })).rejects.toThrow(/another player/);
    expect(await playGame({ ...at(server), userId: 'ana', token: seat('ana') })).toMatchObject({ confirmedMoves: 5 });
  });

  it('ends when nobody comes', async () => {
    const server = await startServer({}, ['--no-show', '0.1']);
    expect(await server.child.exited).toEqual({ code: 0, signal: null });
    expect(server.log.lines.join('\n')).toMatch(/nobody came/);
  });

  it('counts a player as gone who sends nothing any more', async () => {
    const server = await startServer({}, ['--silence', '0.2']);
    const silent = createSocket('udp4');
    silent.send('{"type":"hello","user_id":"ana"}', server.port, '127.0.0.1');
    expect(await server.child.exited).toEqual({ code: 0, signal: null });
    expect(server.log.lines.join('\n')).toMatch(/silent ana, 0 playing/);
    silent.close();
  });

  it('tells its players and ends when it is stopped', async () => {
    const server = await startServer({});
    const game = playGame({
      ...at(server),
      userId: 'ana',
      moves: 10_000,
      onWelcome: () => void server.child.stop(5_000),
    });
    expect(await game).toMatchObject({ endedBy: 'server', reason: 'stopped' });
    expect(await server.child.exited).toEqual({ code: 0, signal: null });
  });

  it('is not disturbed by packets that make no sense', async () => {
    const server = await startServer({});
    const socket = createSocket('udp4');
    for (const packet of ['', 'x', '{"type":"move","seq":1,"dx":1,"dy":1}', '{"type":"leave"}', '\0\0']) {
      await new Promise((resolve) => socket.send(packet, server.port, '127.0.0.1', resolve));
    }
    socket.close();
    expect(await playGame({ ...at(server), userId: 'ana' })).toMatchObject({ confirmedMoves: 5 });
  });
});

describe('what the game server reports to Nakama', () => {
  it('is who came, how many they are, and who left, with its credential', async () => {
    const nakama = await fakeNakama(() => 200);
    const server = await startServer({ NAKAMA_URL: nakama.url, NAKAMA_SERVER_TOKEN: 'credential' });
    await playGame({ ...at(server), userId: 'ana' });
    await server.child.exited;
    await nakama.stop();
    expect(nakama.calls[0]).toEqual({
      path: '/v2/rpc/gameye_server_join',
      auth: 'Bearer credential',
      payload: { user_ids: ['ana'] },
    });
    expect(nakama.calls.map((call) => call.path)).toContain('/v2/rpc/gameye_server_leave');
    expect(nakama.calls.at(-1)).toMatchObject({
      path: '/v2/rpc/update_instance_info',
      payload: { id: 'session-1', player_count: 0 },
    });
  });

  it('is said again when Nakama fails for a moment', async () => {
    let failures = 2;
    const nakama = await fakeNakama(() => (failures-- > 0 ? 503 : 200));
    const server = await startServer({ NAKAMA_URL: nakama.url, NAKAMA_SERVER_TOKEN: 'credential' });
    await playGame({ ...at(server), userId: 'ana' });
    await server.child.exited;
    await nakama.stop();
    expect(nakama.calls.slice(0, 3).map((call) => call.path)).toEqual(Array(3).fill('/v2/rpc/gameye_server_join'));
    expect(server.log.lines.join('\n')).not.toMatch(/REPORT FAILED/);
  });

  it('is given up without harm to the game when Nakama forbids it', async () => {
    const nakama = await fakeNakama(() => 401);
    const server = await startServer({ NAKAMA_URL: nakama.url, NAKAMA_SERVER_TOKEN: 'wrong' });
    expect(await playGame({ ...at(server), userId: 'ana' })).toMatchObject({ confirmedMoves: 5 });
    expect(await server.child.exited).toEqual({ code: 0, signal: null });
    await nakama.stop();
    expect(nakama.calls.filter((call) => call.path.endsWith('gameye_server_join'))).toHaveLength(1);
    expect(server.log.lines.join('\n')).toMatch(/REPORT FAILED gameye_server_join: 401/);
  });
});

interface Call {
  path: string;
  auth: string | undefined;
  payload: unknown;
}

async function fakeNakama(status: () => number): Promise<{ url: string; calls: Call[]; stop: () => Promise<void> }> {
  const calls: Call[] = [];
  const server: Server = createServer((request: IncomingMessage, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const payload: unknown = JSON.parse(JSON.parse(body) as string);
      calls.push({ path: request.url as string, auth: request.headers.authorization, payload });
      response.writeHead(status(), { 'content-type': 'application/json' }).end('{"payload":"{}"}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    stop: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}
