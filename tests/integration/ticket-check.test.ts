import { Client, Session } from '@heroiclabs/nakama-js';
import { describe, expect, it } from 'vitest';
import type { NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { until } from '../../dev/stack/until.ts';
import type { MatchmakerRequest } from '../../dev/demo/player.ts';
import {
  answersOf,
  closeAll,
  connectPlayers,
  matchTogether,
  sharedAddress,
  uniqueGroup,
  type Player,
} from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { toldOneReason, toldOneSession } from './support/matches.ts';
import { endSessions, QUIET_IMAGE, quietStack } from './support/world.ts';

const OLD = 'gameye_version_mismatch: this version is not served, but 1.0 is.';
const ELSEWHERE = 'gameye_region_mismatch: no such region is served. There are: home, away.';

/** How the client library rejects a ticket. */
const refusedWith = (message: string) => ({ code: 7, message });

const onRuntime = (runtime: NakamaRuntime): void => {
  const base = quietStack(['home', 'away'], { GAMEYE_API_IMAGE_VERSION: '1.0' });
  const images = { [QUIET_IMAGE]: { command: [], ports: ['7777/udp'], tags: ['2.0', '1.0'] } };
  const stack = useStack(runtime, { ...base, simulator: { ...base.simulator, images } });

  const ticket = (player: Player, strings: Record<string, string>) =>
    player.matchmake({ query: '+properties.nobody:else', minCount: 2, maxCount: 2, strings });

  it.each([
    ['version', { gameye_version: '0.9' }, OLD],
    ['region', { gameye_region: 'mars' }, ELSEWHERE],
  ])(
    'refuses a ticket with a %s that is not served, and the player can queue with another',
    async (_, strings, message) => {
      const [player] = (await connectPlayers(stack().nakama, 1)) as [Player];
      await expect(ticket(player, strings)).rejects.toMatchObject(refusedWith(message));
      expect(await ticket(player, { gameye_version: '1.0', gameye_region: 'away' })).toMatch(/^[0-9a-f-]{36}$/);
      expect(player.isConnected).toBe(true);
      closeAll([player]);
    },
  );

  it('refuses a party’s ticket with a version that is not served', async () => {
    const { nakama } = stack();
    const [leader] = (await connectPlayers(nakama, 1)) as [Player];
    const client = new Client(nakama.serverKey, '127.0.0.1', String(nakama.port), false);
    const socket = client.createSocket(false, false);
    await socket.connect(Session.restore(leader.token, ''), false);
    const party = await socket.createParty(true, 2);
    const queue = (gameye_version: string) =>
      socket.addMatchmakerParty(party.party_id, '+properties.nobody:else', 2, 2, { gameye_version });
    await expect(queue('0.9')).rejects.toMatchObject(refusedWith(OLD));
    expect(await queue('1.0')).toMatchObject({ ticket: expect.any(String) as string });
    socket.disconnect(false);
    closeAll([leader]);
  });

  it('gives a match the version and the region that its tickets demand', async () => {
    const { simulator, nakama } = stack();
    const players = await connectPlayers(nakama, 2);
    await matchTogether(players, {
      query: '+properties.gameye_version:1.0 +properties.gameye_region:away',
      strings: { gameye_version: '1.0', gameye_region: 'away' },
      numbers: { ping_home: 5, ping_away: 50 },
    });
    const { sessionId } = await toldOneSession(stack(), players);
    expect(simulator.ledger.get(sessionId)).toMatchObject({ region: 'away', tag: '1.0' });
    await endSessions(stack(), [sessionId]);
    closeAll(players);
  });

  /** One match of tickets with these properties, each of a player of their own. */
  async function match(...tickets: Pick<MatchmakerRequest, 'strings' | 'numbers'>[]): Promise<Player[]> {
    const players = await connectPlayers(stack().nakama, tickets.length);
    const group = uniqueGroup();
    const size = { minCount: players.length, maxCount: players.length };
    const queue = (player: Player, { strings, numbers = {} }: Pick<MatchmakerRequest, 'strings' | 'numbers'> = {}) =>
      player.matchmake({ query: `+properties.group:${group}`, ...size, strings: { ...strings, group }, numbers });
    await Promise.all(players.map((player, i) => queue(player, tickets[i])));
    return players;
  }
  const only = (gameye_region: string) => ({ strings: { gameye_region } });

  it.each([
    ['demands another region than the first', [only('home'), only('away')], 'home'],
    ['demands another region than two others, who demand nothing', [{}, only('away'), {}], 'home'],
    ['demands another region than two others', [only('away'), only('home'), only('away')], 'away'],
  ])('gives a session to all of a match but the player whose ticket %s', async (_, tickets, region) => {
    const { simulator } = stack();
    const players = await match(...tickets);
    const lone = players[1] as Player;
    const others = players.filter((player) => player !== lone);
    const told = sharedAddress(await answersOf(others));
    expect(await toldOneReason(stack(), [lone])).toBe('misconfigured');
    expect(await lone.listAnswers()).toEqual([]);
    const session = simulator.ledger.get(told.sessionId);
    expect(session).toMatchObject({ region });
    // Gameye hears of the players after they were told.
    await until(() => session?.players.length === others.length, 10_000, 'all players of the session', 50);
    expect([...(session?.players ?? [])].sort()).toEqual(others.map(({ userId }) => userId).sort());
    expect((await lone.rpc('gameye_assignment')).payload).not.toMatchObject({ state: 'ready' });
    await endSessions(stack(), [told.sessionId]);
    closeAll(players);
  });

  it('lets the only measurement of a group decide no region', async () => {
    const { simulator } = stack();
    const players = await match({}, { numbers: { ping_away: 1 } }, {});
    const { sessionId } = await toldOneSession(stack(), players);
    expect(simulator.ledger.get(sessionId)?.region).toBe('home');
    await endSessions(stack(), [sessionId]);
    closeAll(players);
  });

  it('checks tickets against the version that an operator sets', async () => {
    const { nakama } = stack();
    const [player] = (await connectPlayers(nakama, 1)) as [Player];
    expect(await nakama.rpc('gameye_set_version', { version: '2.0' })).toMatchObject({ status: 200 });
    await expect(ticket(player, { gameye_version: '1.0' })).rejects.toMatchObject(
      refusedWith('gameye_version_mismatch: this version is not served, but 2.0 is.'),
    );
    expect(await ticket(player, { gameye_version: '2.0' })).toMatch(/^[0-9a-f-]{36}$/);
    closeAll([player]);
  });
};

describe.concurrent('the matchmaking of this module', () =>
  forEachRuntime((runtime) => describe.sequential('', () => onRuntime(runtime))),
);
