import { expect, it } from 'vitest';
import { query } from '../../dev/stack/database.ts';
import type { Stack } from '../../dev/stack/stack.ts';
import { until } from '../../dev/stack/until.ts';
import { answersOf, closeAll, connectPlayers, matchTogether, sharedAddress, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { ask } from './support/operators.ts';
import { allocationsSettled, containerEnv, quietStack, QUIET_IMAGE, requestsOf, tableOf } from './support/world.ts';

const WARM = 5;
const MATCHES = 20;
const MODES = { duel: { max_players: 2, warm: WARM } };

interface Status {
  warm: { mode: string; region: string; wanted: number; ready: number; starting: number }[];
}

forEachRuntime((runtime) => {
  const quiet = quietStack(['home'], { GAMEYE_MODES: JSON.stringify(MODES), GAMEYE_API_IMAGE_VERSION: '1.0' });
  const stack = useStack(runtime, {
    ...quiet,
    simulator: {
      ...quiet.simulator,
      images: { [QUIET_IMAGE]: { command: [], ports: ['7777/udp'], tags: ['1.0', '2.0'] } },
    },
    leavesSessions: 'warm sessions are there until nobody wants them any more',
  });

  const warmIds = async ({ database }: Stack): Promise<string[]> => {
    const table = tableOf(stack(), 'gameye_instance');
    const sql = `SELECT id FROM ${table} WHERE warm IS NOT NULL AND status = 'running' AND player_count = 0`;
    return (await query<{ id: string }>(database, sql)).map(({ id }) => id);
  };
  const filled = () =>
    until(async () => (await warmIds(stack())).length === WARM, 30_000, 'the buffer to be filled', 100);
  const running = () => stack().simulator.ledger.entries.filter(({ endedAtMs }) => endedAtMs === undefined);
  const queued = async (): Promise<Player[]> => {
    const players = await connectPlayers(stack().nakama, 2);
    await matchTogether(players, { strings: { mode: 'duel' } });
    return players;
  };

  it('a match gets a warm session instead of a new one, and another warm session is started', async () => {
    await filled();
    await allocationsSettled(stack());
    const before = await warmIds(stack());
    const posts = requestsOf(stack(), 'session-run').length;
    expect([posts, running().length]).toEqual([WARM, WARM]);
    const players = await queued();
    const { sessionId } = sharedAddress(await answersOf(players));
    expect(before).toContain(sessionId);
    expect(await containerEnv(stack(), sessionId)).not.toHaveProperty('NAKAMA_MATCH_USER_IDS');
    expect(await ask(stack().nakama, 'fleet_get', { id: sessionId })).toMatchObject({ player_count: 2, open_seats: 0 });
    await filled();
    const { warm } = await ask<Status>(stack().nakama, 'gameye_status');
    expect(warm).toEqual([{ mode: 'duel', region: 'home', wanted: WARM, ready: WARM, starting: 0 }]);
    expect(requestsOf(stack(), 'session-run')).toHaveLength(posts + 1);
    closeAll(players);
  });

  it(
    'each of many matches at once gets a session of its own, and the warm sessions are used first',
    { timeout: 90_000 },
    async () => {
      await filled();
      const before = await warmIds(stack());
      const groups = await Promise.all(Array.from({ length: MATCHES }, queued));
      const told = await Promise.all(groups.map(async (players) => sharedAddress(await answersOf(players, 40_000))));
      const ids = told.map(({ sessionId }) => sessionId);
      expect(new Set(ids).size).toBe(MATCHES);
      expect(before.filter((id) => ids.includes(id))).toHaveLength(WARM);
      await filled();
      groups.forEach(closeAll);
    },
  );

  it('two nodes keep no more warm sessions than one would', { timeout: 60_000 }, async () => {
    await stack().startNode();
    await filled();
    await allocationsSettled(stack(), undefined, 20_000);
    const all = running().length;
    const players = await queued();
    await answersOf(players);
    await filled();
    await allocationsSettled(stack(), undefined, 20_000);
    expect([(await warmIds(stack())).length, running().length]).toEqual([WARM, all + 1]);
    closeAll(players);
  });

  it('another version replaces all warm sessions', { timeout: 60_000 }, async () => {
    await filled();
    const before = await warmIds(stack());
    await ask(stack().nakama, 'gameye_set_version', { mode: 'duel', version: '2.0', force: true });
    const replaced = async () => {
      const now = await warmIds(stack());
      return now.length === WARM && now.every((id) => !before.includes(id));
    };
    await until(replaced, 30_000, 'sessions of the other version', 100);
  });
});
