import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { query } from '../../dev/stack/database.ts';
import type { Nakama } from '../../dev/stack/nakama.ts';
import type { Stack } from '../../dev/stack/stack.ts';
import { answersOf, closeAll, connectPlayers, matchTogether, sharedAddress } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneReason, toldOneSession } from '../integration/support/matches.ts';
import { allocationRows, endSessions, instanceRows, quietStack, tableOf } from '../integration/support/world.ts';
import { Freezer } from './support/freezer.ts';
import { Gate } from './support/gate.ts';

vi.setConfig({ testTimeout: 120_000 });

const STORED = 1500;

/** Puts as many instances into the database as an earlier life of the fleet may have left there. */
async function storeInstances(stack: Stack, count: number): Promise<void> {
  await query(
    stack.database,
    `INSERT INTO ${tableOf(stack, 'gameye_instance')} (id, fleet, status, region, image, ip_address, port, ports, max_players,
       joined, player_count, open_seats, visited)
     SELECT 'old-' || n, 'default', 'running', 'attic', 'quiet', '127.0.0.1', 1, '{}', 2, 1, 1, 1, true
     FROM generate_series(1, ${count}) AS n`,
  );
}

forEachRuntime('long', (runtime) => {
  const quiet = (regions: string[]) =>
    quietStack(regions, { GAMEYE_RECONCILE_INTERVAL: '1h', GAMEYE_SEAT_TIMEOUT: '10m' });

  describe('a node that starts while the Session API is down', () => {
    const stack = useStack(runtime, quiet(['home']));
    let gate: Gate;
    beforeAll(async () => {
      gate = await Gate.build(stack().simulator.url);
    });
    afterAll(() => gate.shut());

    it('tells the players of a match an address once the API is up, or in time that there is none', async () => {
      const nodeWith = (name: string, timeout: string): Promise<Nakama> =>
        stack().startNode({ name, env: { GAMEYE_API_URL: gate.url, GAMEYE_CREATE_TIMEOUT: timeout } });
      const [patient, hasty] = [await nodeWith('patient', '90s'), await nodeWith('hasty', '5s')];
      const waiting = await queueMatch({ ...stack(), nakama: patient });
      const unlucky = await queueMatch({ ...stack(), nakama: hasty });
      const since = Date.now();
      expect(await toldOneReason(stack(), unlucky, 30_000)).toBe('unavailable');
      expect(Date.now() - since).toBeLessThan(16_000 + 5_000);
      const [row] = await allocationRows(stack(), waiting);
      expect(row?.value).toMatchObject({ state: 'starting', last_failure: { kind: 'unavailable' } });
      await gate.open();
      const { sessionId } = await toldOneSession(stack(), waiting, 60_000);
      await endSessions(stack(), [sessionId]);
      closeAll([...waiting, ...unlucky]);
    });
  });

  describe('a database that stands still for seconds', () => {
    const stack = useStack(runtime, quiet(['home']));

    it('holds up no matchmaking, and every match is answered once when it goes on', async () => {
      const { nakama } = stack();
      const players = await connectPlayers(nakama, 6);
      const groups = [players.slice(0, 2), players.slice(2, 4), players.slice(4, 6)];
      const frozen = await Freezer.open(stack(), 'slow database');
      await frozen.allocations();
      try {
        // One after the other: the second is matched although the first one's allocation cannot be stored.
        for (const group of groups) {
          await matchTogether(group);
          await Promise.all(group.map((player) => player.waitUntilMatched(10_000)));
        }
        await frozen.untilSomebodyWaits();
        await pause(3000);
        expect(stack().simulator.ledger.entries).toEqual([]);
        expect(players.flatMap((player) => player.answers)).toEqual([]);
      } finally {
        await frozen.thaw();
      }
      const told: string[] = [];
      for (const group of groups) told.push((await toldOneSession(stack(), group, 60_000)).sessionId);
      expect(new Set(told).size).toBe(groups.length);
      expect(
        stack()
          .simulator.ledger.entries.map(({ id }) => id)
          .sort(),
      ).toEqual([...told].sort());
      await endSessions(stack(), told);
      closeAll(players);
    });
  });

  describe('a node that has just started', () => {
    const stack = useStack(runtime, quiet(['home']));

    it('lists the sessions of before its start at once, and gives matches new ones', async () => {
      await storeInstances(stack(), STORED);
      const node = await stack().startNode({ name: 'young' });
      const list = async (): Promise<number> => {
        const answer = await node.rpc('fleet_list', { query: '+value.region:attic', limit: 1000 });
        expect(answer).toMatchObject({ status: 200 });
        const { instances, cursor } = answer.payload as { instances: unknown[]; cursor: string };
        if (cursor === '') return instances.length;
        const next = await node.rpc('fleet_list', { query: '+value.region:attic', limit: 1000, cursor });
        expect(next).toMatchObject({ status: 200 });
        return instances.length + (next.payload as { instances: unknown[] }).instances.length;
      };
      const players = await queueMatch({ ...stack(), nakama: node });
      expect(await list()).toBe(STORED);
      const { sessionId } = sharedAddress(await answersOf(players));
      expect(await instanceRows(stack(), ['old-1', `old-${STORED}`])).toHaveLength(2);
      await toldOneSession(stack(), players);
      await endSessions(stack(), [sessionId]);
      closeAll(players);
    });
  });
});
