import { Client } from '@heroiclabs/nakama-js';
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { until } from '../../dev/stack/until.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { PLAYER_MODULE, usePlayers, type Player } from './player-fixture.ts';
import { call, startNode, usePostgres } from './support.ts';

usePostgres();

forEachRuntime((runtime) => {
  let node: Nakama;
  beforeAll(async () => {
    node = await startNode({ source: PLAYER_MODULE, runtime });
  }, 60_000);
  const { connect } = usePlayers(() => node);

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

  describe('a player’s session at Nakama', () => {
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

  it('a client that asks for storage is refused by the embedded runtime, and by no other', async () => {
    const { client, session } = await connect();
    const reading = client.readStorageObjects(session, {
      object_ids: [{ collection: 'c', key: 'k', user_id: session.user_id! }],
    });
    if (runtime.kind === 'embedded') await expect(reading).rejects.toMatchObject({ status: 501 });
    else expect((await reading).objects).toEqual([]);
  });
});
