import { expect, it } from 'vitest';
import { closeAll, connectPlayers, type Player } from '../helpers/players.ts';
import { useStack } from '../helpers/stack.ts';
import { endSessions, quietStack } from '../integration/support/world.ts';
import { doc } from './readme.ts';

const stack = useStack({ kind: 'embedded' }, quietStack(['home'], { GAMEYE_MAX_SPECTATORS: '1' }));

it("the page about rooms shows a client's code that works", async () => {
  const shown = doc('rooms.md').blocks.filter(({ language }) => language === 'ts');
  expect(shown).toHaveLength(2);
  const players = await connectPlayers(stack().nakama, 3);
  const [host, friend, fan] = players as [Player, Player, Player];
  // What the page's code takes for granted: nakama-js' client, two sessions, and the game's own functions.
  const seen: Record<string, unknown[]> = {};
  const note =
    (name: string) =>
    (...said: unknown[]): void =>
      void (seen[name] = said);
  const given: Record<string, unknown> = {
    client: { rpc: (player: Player, id: string, payload: object) => player.rpc(id, payload) },
    ...{ session: host, friendSession: friend },
    ...{ showCode: note('code'), connect: note('address'), showPlayers: note('players') },
    oneSecond: () => host.waitForAnswer(10_000).then(() => true),
  };
  const run = async (text: string, more: Record<string, unknown> = {}): Promise<void> => {
    const all = { ...given, ...more };
    await (
      new Function(...Object.keys(all), `return (async () => {${text}})();`) as (...values: unknown[]) => Promise<void>
    )(...Object.values(all));
  };
  const [play = '', watch = ''] = shown.map(({ text }) => text);
  await run(play);
  expect(seen).toMatchObject({
    code: [expect.stringMatching(/^.{4}-.{4}$/)],
    address: ['127.0.0.1', expect.any(Number), expect.stringMatching(/^v1\./)],
    players: [expect.arrayContaining([expect.objectContaining({ user_id: host.userId })])],
  });
  const { id, state } = (await host.rpc('gameye_room', {})).payload as { id: string; state: string };
  expect(state).toBe('closed');

  await fan.befriend(host);
  await host.befriend(fan);
  await run(watch, { session: fan, friend: { id: host.userId } });
  const [, , token] = seen['address'] as string[];
  const payload = Buffer.from(token?.split('.')[1] ?? '', 'base64url').toString();
  expect(JSON.parse(payload)).toMatchObject({ t: 'watch', sid: id, uid: fan.userId });
  await endSessions(stack(), [id]);
  closeAll(players);
});
