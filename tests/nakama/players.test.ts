import { Client, type MatchmakerMatched, type Notification, type Session, type Socket } from '@heroiclabs/nakama-js';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { until } from '../../dev/stack/until.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { call, CALLBACKS, MATCH, newDatabase, startNode, usePostgres } from './support.ts';

// Node 20 has no WebSocket of its own, and the client library wants one.
globalThis.WebSocket ??= WebSocket as unknown as typeof globalThis.WebSocket;

usePostgres();

const SOURCE = `${Object.values({
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
function store(ctx, logger, nk, payload) { nk.storageWrite(JSON.parse(payload)); }
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
  initializer.registerRpc('store', store);
  initializer.registerRpc('token', token);
  initializer.registerRpc('fail', fail);
  initializer.registerMatchmakerMatched(matched);
  initializer.registerRtBefore('MatchmakerAdd', beforeAdd);
  ${MATCH}
}`;

interface Player {
  client: Client;
  session: Session;
  socket: Socket;
  matched: MatchmakerMatched[];
  notifications: Notification[];
}

forEachRuntime((runtime) => {
  let node: Nakama;
  const players: Player[] = [];
  beforeAll(async () => {
    node = await startNode({ source: SOURCE, runtime, database: await newDatabase() });
  }, 60_000);
  afterAll(() => players.forEach(({ socket }) => socket.disconnect(false)));

  async function connect(vars: Record<string, string> = {}): Promise<Player> {
    const client = new Client(node.serverKey, '127.0.0.1', String(node.port), false);
    const session = await client.authenticateDevice(randomUUID(), true, undefined, vars);
    const socket = client.createSocket(false, false);
    const player: Player = { client, session, socket, matched: [], notifications: [] };
    socket.onmatchmakermatched = (message) => player.matched.push(message);
    socket.onnotification = (notification) => player.notifications.push(notification);
    await socket.connect(session, false);
    players.push(player);
    return player;
  }

  const pair = async (): Promise<[Player, Player]> => [await connect(), await connect()];
  const queue = (player: Player, mode: string, more: Record<string, string> = {}): Promise<unknown> =>
    player.socket.addMatchmaker(`+properties.mode:${mode}`, 2, 2, { mode, ...more }, { skill: 7 });
  const waitForMatch = (player: Player): Promise<MatchmakerMatched> =>
    until(() => player.matched[0], 10_000, 'a match');

  describe('two players who queue together', () => {
    it('are told the same token when the hook returns nothing', async () => {
      const [a, b] = await pair();
      await Promise.all([queue(a, 'plain'), queue(b, 'plain')]);
      const [first, second] = [await waitForMatch(a), await waitForMatch(b)];
      expect(first.token).toBe(second.token);
      expect(first.users.map((user) => user.presence.user_id).sort()).toEqual(
        [a.session.user_id, b.session.user_id].sort(),
      );
      expect(first.self.presence.user_id).toBe(a.session.user_id);
      const line = await node.waitForLog('ENTRIES', 1_000);
      const entries = JSON.parse(line.msg.slice(8)) as {
        presence: object;
        properties: Record<string, unknown>;
        partyId?: string;
      }[];
      expect(Object.keys(entries[0]!.presence).sort()).toEqual(['node', 'sessionId', 'userId', 'username']);
      expect(entries[0]!.properties).toMatchObject({ mode: 'plain', skill: 7 });
      expect(entries[0]!.partyId).toBeUndefined();
    });

    it.each(['throw', 'bad'])('are matched all the same when the hook fails (%s)', async (mode) => {
      const [a, b] = await pair();
      await Promise.all([queue(a, mode), queue(b, mode)]);
      expect((await waitForMatch(a)).token).toBe((await waitForMatch(b)).token);
      await node.waitForLog('Error running Matchmaker Matched hook.', 1_000);
    });

    it('are told the match that the hook returns, and can play in it', async () => {
      const [a, b] = await pair();
      await Promise.all([queue(a, 'match'), queue(b, 'match')]);
      const id = (await waitForMatch(a)).match_id;
      expect((await waitForMatch(b)).match_id).toBe(id);
      await expect(a.socket.joinMatch(id, undefined, { key: 'wrong' })).rejects.toMatchObject({ message: 'wrong key' });
      const heard: string[] = [];
      b.socket.onmatchdata = (data) => heard.push(`${data.op_code} ${new TextDecoder().decode(data.data)}`);
      const match = await b.socket.joinMatch(id, undefined, { key: 'right' });
      expect(match).toMatchObject({ match_id: id, authoritative: true });
      await a.socket.joinMatch(id, undefined, { key: 'right' });
      await a.socket.sendMatchState(id, 4, 'hi');
      await until(() => heard.includes(`5 hi from ${a.session.username!}`), 5_000);
    });

    it('cannot have their entries handed to a match as they are', async () => {
      const [a, b] = await pair();
      await Promise.all([queue(a, 'pass'), queue(b, 'pass')]);
      expect((await node.waitForLog('RAW', 10_000)).msg).toContain('cannot encode params');
    });

    it('are not matched after one took the ticket back, or closed the socket', async () => {
      const [a, b] = await pair();
      const ticket = await a.socket.addMatchmaker('+properties.mode:gone', 2, 2, { mode: 'gone' });
      await a.socket.removeMatchmaker(ticket.ticket);
      await queue(b, 'gone');
      b.socket.disconnect(false);
      const [c, d] = await pair();
      await Promise.all([queue(c, 'gone'), queue(d, 'gone')]);
      const users = (await waitForMatch(c)).users.map((user) => user.presence.user_id).sort();
      expect(users).toEqual([c.session.user_id, d.session.user_id].sort());
    });

    it('go through the hook before the matchmaker, which can change what they ask for', async () => {
      const [a, b] = await pair();
      await Promise.all([queue(a, 'stamp'), queue(b, 'stamp')]);
      const properties = (await waitForMatch(a)).self.string_properties as Record<string, string>;
      expect(properties['stamped']).toBe(a.session.username);
    });

    it('are disconnected when the hook before the matchmaker forbids it', async () => {
      const player = await connect();
      let disconnected = false;
      player.socket.ondisconnect = () => (disconnected = true);
      queue(player, 'stamp', { forbidden: 'yes' }).catch(() => undefined);
      await until(() => disconnected, 5_000);
    });

    it('form a party first, and are one ticket then', async () => {
      const [a, b] = await pair();
      const c = await connect();
      const party = await a.socket.createParty(true, 2);
      await b.socket.joinParty(party.party_id);
      await expect(b.socket.addMatchmakerParty(party.party_id, '*', 3, 3)).rejects.toMatchObject({ code: 3 });
      const query = '+properties.mode:party';
      await a.socket.addMatchmakerParty(party.party_id, query, 3, 3, { mode: 'party' });
      await c.socket.addMatchmaker(query, 3, 3, { mode: 'party' });
      const matched = await waitForMatch(b);
      expect(matched.users).toHaveLength(3);
      const line = await node.waitForLog(
        (entry) => entry.msg.startsWith('ENTRIES') && entry.msg.includes(party.party_id),
        1_000,
      );
      const entries = JSON.parse(line.msg.slice(8)) as { partyId?: string }[];
      expect(entries.filter((entry) => entry.partyId === party.party_id)).toHaveLength(2);
    });
  });

  describe('notifications', () => {
    const note = (player: Player, code: number, persistent: boolean) => ({
      userId: player.session.user_id,
      subject: 'gameye_match',
      content: { port: 7777, code },
      code,
      persistent,
    });

    it('reach connected players at once, and are listed when they are persistent', async () => {
      const player = await connect();
      await call(node, 'notify', JSON.stringify([note(player, 7300, true), note(player, 7301, false)]));
      await until(() => player.notifications.length === 2, 5_000);
      expect(player.notifications[0]).toMatchObject({
        code: 7300,
        content: { port: 7777, code: 7300 },
        persistent: true,
      });
      const list = await player.client.listNotifications(player.session, 10);
      expect(list.notifications!.map((one) => one.code)).toEqual([7300]);
      expect(list.notifications![0]!.content).toEqual({ port: 7777, code: 7300 });
    });

    it('are listed page by page, and the last cursor finds what comes later', async () => {
      const player = await connect();
      for (const code of [1, 2, 3]) await call(node, 'notify', JSON.stringify([note(player, code, true)]));
      const first = await player.client.listNotifications(player.session, 2);
      const second = await player.client.listNotifications(player.session, 2, first.cacheable_cursor);
      expect(second.notifications!.map((one) => one.code)).toEqual([3]);
      const none = await player.client.listNotifications(player.session, 2, second.cacheable_cursor);
      expect(none.notifications ?? []).toEqual([]);
      await call(node, 'notify', JSON.stringify([note(player, 4, true)]));
      const later = await player.client.listNotifications(player.session, 2, none.cacheable_cursor);
      expect(later.notifications!.map((one) => one.code)).toEqual([4]);
      await player.client.deleteNotifications(player.session, [later.notifications![0]!.id!]);
      const all = await player.client.listNotifications(player.session, 10);
      expect(all.notifications!.map((one) => one.code)).toEqual([1, 2, 3]);
    });
  });

  describe('an RPC', () => {
    it('knows the player over HTTP and over the socket', async () => {
      const player = await connect({ team: 'red' });
      const overHttp = (await player.client.rpc(player.session, 'whoami', {})).payload as Record<string, unknown>;
      const common = { userId: player.session.user_id, username: player.session.username, vars: { team: 'red' } };
      expect(overHttp).toEqual({ ...common, sessionId: 'undefined', query: {} });
      const overSocket = JSON.parse((await player.socket.rpc('whoami')).payload!) as Record<string, unknown>;
      expect(overSocket).toEqual({ ...common, sessionId: 'string' });
    });

    it('knows nobody when it is called with the http_key', async () => {
      expect(JSON.parse((await call(node, 'whoami')).payload)).toEqual({ sessionId: 'undefined', query: {} });
    });

    it('accepts the token of a user who does not exist', async () => {
      const id = randomUUID();
      const { payload: token } = await call(node, 'token', id);
      const headers = { authorization: `Bearer ${token}` };
      const response = await fetch(`${node.url}/v2/rpc/whoami`, { method: 'POST', headers });
      const { payload } = (await response.json()) as { payload: string };
      expect(JSON.parse(payload)).toMatchObject({ userId: id, vars: { kind: 'server' } });
    });

    it.each([
      ['3', 400],
      ['5', 404],
      ['7', 403],
      ['8', 429],
      ['9', 400],
      ['10', 409],
      ['14', 503],
      ['16', 401],
      ['99', 500],
    ])('that throws code %s answers with status %i and its message', async (code, status) => {
      expect(await call(node, 'fail', code)).toMatchObject({ status, message: 'not like this' });
    });

    it('is raw both ways with unwrap', async () => {
      const response = await fetch(`${node.url}/v2/rpc/token?http_key=${node.httpKey}&unwrap`, {
        method: 'POST',
        body: randomUUID(),
      });
      expect((await response.text()).split('.')).toHaveLength(3);
    });

    it('refuses a bad key, a bad token and nobody', async () => {
      const status = async (path: string, headers = {}): Promise<number> =>
        (await fetch(`${node.url}/v2/rpc/${path}`, { headers })).status;
      expect(await status('whoami?http_key=wrong')).toBe(401);
      expect(await status('whoami', { authorization: 'Bearer x.y.z' })).toBe(401);
      expect(await status('whoami')).toBe(401);
      expect(await status(`nothing?http_key=${node.httpKey}`)).toBe(404);
    });
  });

  describe('a session', () => {
    it('is refused with the wrong server key, and for an unknown device without create', async () => {
      const wrong = new Client('wrong', '127.0.0.1', String(node.port), false);
      await expect(wrong.authenticateDevice(randomUUID(), true)).rejects.toMatchObject({ status: 401 });
      const client = new Client(node.serverKey, '127.0.0.1', String(node.port), false);
      await expect(client.authenticateDevice(randomUUID(), false)).rejects.toMatchObject({ status: 404 });
    });

    it('is the same user again for the same device, custom id or email', async () => {
      const client = new Client(node.serverKey, '127.0.0.1', String(node.port), false);
      const id = randomUUID();
      for (const authenticate of [
        () => client.authenticateDevice(id, true),
        () => client.authenticateCustom(id, true),
        () => client.authenticateEmail(`${id}@example.com`, 'long enough', true),
      ]) {
        const [first, second] = [await authenticate(), await authenticate()];
        expect(first.created).toBe(true);
        expect(second.user_id).toBe(first.user_id);
      }
      await expect(client.authenticateEmail(`${id}@example.com`, 'something else', true)).rejects.toMatchObject({
        status: 401,
      });
    });

    it('can be refreshed, and ends at logout', async () => {
      const { client, session } = await connect({ team: 'blue' });
      const before = session.user_id;
      await client.sessionRefresh(session);
      expect(session.user_id).toBe(before);
      expect((await client.getAccount(session)).user!.id).toBe(before);
      await client.sessionLogout(session, session.token, session.refresh_token);
      await expect(client.getAccount(session)).rejects.toMatchObject({ status: 401 });
    });
  });

  describe('storage', () => {
    it('shows a player his own readable objects and nothing else', async () => {
      const [a, b] = await pair();
      const object = (player: Player, read: number) => ({
        collection: 'gameye_assignment',
        key: `k${read}`,
        userId: player.session.user_id,
        value: { read },
        permissionRead: read,
        permissionWrite: 0,
      });
      await call(node, 'store', JSON.stringify([object(a, 0), object(a, 1), object(a, 2)]));
      const ids = [0, 1, 2].map((read) => ({
        collection: 'gameye_assignment',
        key: `k${read}`,
        user_id: a.session.user_id!,
      }));
      const seen = async (player: Player): Promise<unknown[]> =>
        (await player.client.readStorageObjects(player.session, { object_ids: ids })).objects.map((one) => one.value);
      expect((await seen(a)).map((value) => (value as { read: number }).read).sort()).toEqual([1, 2]);
      expect(await seen(b)).toEqual([{ read: 2 }]);
      const listed = await a.client.listStorageObjects(a.session, 'gameye_assignment', a.session.user_id!, 10);
      expect(listed.objects).toHaveLength(2);
    });
  });
});
