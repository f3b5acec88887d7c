import { Client, type MatchmakerMatched, type Notification, type Session, type Socket } from '@heroiclabs/nakama-js';
import { randomUUID } from 'node:crypto';
import { afterAll } from 'vitest';
import { WebSocket } from 'ws';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { CALLBACKS, MATCH } from './support.ts';

// Node 20 has no WebSocket of its own, and the client library wants one.
globalThis.WebSocket ??= WebSocket as unknown as typeof globalThis.WebSocket;

/** A module for tests with players: RPCs, a matchmaker hook with a mode per test, a hook before the matchmaker, match "m". */
export const PLAYER_MODULE = `${Object.values({
  ...CALLBACKS,
  matchJoinAttempt: `function matchJoinAttempt(ctx, logger, nk, d, tick, state, presence, metadata) {
    return { state: state, accept: metadata.key === 'right', rejectMessage: 'wrong key' }; }`,
  matchLoop: `function matchLoop(ctx, logger, nk, d, tick, state, messages) {
    messages.forEach(function (m) { d.broadcastMessage(m.opCode + 1, nk.binaryToString(m.data) + ' from ' + m.sender.username); });
    return { state: state }; }`,
}).join('\n')}
function create(ctx, logger, nk) { return nk.matchCreate('m', {}); }
function whoami(ctx) { return JSON.stringify({ userId: ctx.userId, username: ctx.username, vars: ctx.vars, sessionId: typeof ctx.sessionId, query: ctx.queryParams }); }
function notify(ctx, logger, nk, payload) { nk.notificationsSend(JSON.parse(payload)); }
function token(ctx, logger, nk, payload) { return nk.authenticateTokenGenerate(payload, 'server', Math.floor(Date.now() / 1000) + 60, { kind: 'server' }).token; }
function fail(ctx, logger, nk, payload) { throw { message: 'not like this', code: Number(payload) }; }
function matched(ctx, logger, nk, entries) {
  logger.info('ENTRIES ' + JSON.stringify(entries));
  var mode = entries[0].properties.mode;
  if (mode === 'throw') { throw new Error('hook failed'); }
  if (mode === 'bad') { return 5; }
  if (mode === 'pass') { try { nk.matchCreate('m', { entries: entries }); } catch (e) { logger.info('RAW ' + e.message); } }
  if (mode === 'match') { return nk.matchCreate('m', {}); }
}
function beforeAdd(ctx, logger, nk, envelope) {
  if (envelope.matchmakerAdd.stringProperties.forbidden) { return null; }
  envelope.matchmakerAdd.stringProperties.stamped = ctx.username;
  return envelope;
}
function InitModule(ctx, logger, nk, initializer) {
  initializer.registerRpc('create', create);
  initializer.registerRpc('whoami', whoami);
  initializer.registerRpc('notify', notify);
  initializer.registerRpc('token', token);
  initializer.registerRpc('fail', fail);
  initializer.registerMatchmakerMatched(matched);
  initializer.registerRtBefore('MatchmakerAdd', beforeAdd);
  ${MATCH}
}`;

/** A user with a live socket, and what it heard. */
export interface Player {
  client: Client;
  session: Session;
  socket: Socket;
  matched: MatchmakerMatched[];
  notifications: Notification[];
}

/** Connects players to a node; they are disconnected when the tests that share this are over. */
export function usePlayers(node: () => Nakama): {
  connect(vars?: Record<string, string>): Promise<Player>;
  pair(): Promise<[Player, Player]>;
} {
  const players: Player[] = [];
  afterAll(() => players.forEach(({ socket }) => socket.disconnect(false)));
  const connect = async (vars: Record<string, string> = {}): Promise<Player> => {
    const client = new Client(node().serverKey, '127.0.0.1', String(node().port), false);
    const session = await client.authenticateDevice(randomUUID(), true, undefined, vars);
    const socket = client.createSocket(false, false);
    const player: Player = { client, session, socket, matched: [], notifications: [] };
    socket.onmatchmakermatched = (message) => player.matched.push(message);
    socket.onnotification = (notification) => player.notifications.push(notification);
    await socket.connect(session, false);
    players.push(player);
    return player;
  };
  return { connect, pair: async () => [await connect(), await connect()] };
}
