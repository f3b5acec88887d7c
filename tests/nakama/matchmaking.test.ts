import type { MatchmakerMatched } from '@heroiclabs/nakama-js';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { until } from '../../dev/stack/until.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { PLAYER_MODULE, usePlayers, type Player } from './player-fixture.ts';
import { startNode, usePostgres } from './support.ts';

usePostgres();

forEachRuntime((runtime) => {
  let node: Nakama;
  beforeAll(async () => {
    node = await startNode({ source: PLAYER_MODULE, runtime });
  }, 60_000);
  const { connect, pair } = usePlayers(() => node);
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
});
