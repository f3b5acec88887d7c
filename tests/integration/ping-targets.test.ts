import { describe, expect, it } from 'vitest';
import type { NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers, matchTogether, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { toldOneSession } from './support/matches.ts';
import { endSessions, quietStack, requestsOf } from './support/world.ts';

const onRuntime = (runtime: NakamaRuntime): void => {
  describe.sequential('with a token that may read regions', () => {
    const env = { GAMEYE_API_REGION: 'home,away,dark', GAMEYE_PING_PREFIX: 'rtt.' };
    const base = quietStack(['away', 'home', 'dark', 'foreign'], env);
    const regions = { ...base.simulator!.regions, away: { ips: ['127.0.0.2', '127.0.0.3'] }, dark: { outage: true } };
    const stack = useStack(runtime, { ...base, simulator: { ...base.simulator, regions } });
    const asked = () => requestsOf(stack(), 'get-available-locations').length;

    it('asks to try again while the Session API fails, without asking it for every player', async () => {
      const { simulator, nakama } = stack();
      const players = await connectPlayers(nakama, 3);
      const fault = { operation: 'get-available-locations', on: 'always' } as const;
      const id = simulator.faults.add({ ...fault, action: { kind: 'status', status: 503 } });
      for (const player of players) {
        expect(await player.rpc('gameye_ping_targets')).toMatchObject({ status: 503, code: 14 });
      }
      expect(asked()).toBe(1);
      expect(await players[0]!.measurePings()).toEqual({});
      simulator.faults.remove(id);
      const isBack = async () => (await players[0]!.rpc('gameye_ping_targets')).status === 200;
      await until(isBack, 10_000, 'the targets', 200);
      closeAll(players);
    });
    it('tells players where to measure the configured regions that exist, in the configured order, from memory', async () => {
      const [player] = (await connectPlayers(stack().nakama, 1)) as [Player];
      const before = asked();
      for (let i = 0; i < 3; i++) {
        expect(await player.rpc('gameye_ping_targets')).toEqual({
          status: 200,
          payload: {
            targets: [
              { region: 'home', host: '127.0.0.1', hosts: ['127.0.0.1'], property: 'rtt.home' },
              { region: 'away', host: '127.0.0.2', hosts: ['127.0.0.2', '127.0.0.3'], property: 'rtt.away' },
            ],
          },
        });
      }
      expect(asked()).toBe(before);
      closeAll([player]);
    });
    it('gives addresses whose measurements a ticket takes, and the match is near', async () => {
      const players = await connectPlayers(stack().nakama, 2);
      const pings = await Promise.all(players.map((player) => player.measurePings()));
      for (const one of pings) {
        expect(Object.keys(one).sort()).toEqual(['rtt.away', 'rtt.home']);
        for (const ms of Object.values(one)) expect(ms).toBeLessThan(1000);
      }
      await matchTogether(players, { numbers: { ...pings[0], 'rtt.away': 0.01 } });
      const { sessionId } = await toldOneSession(stack(), players);
      expect(stack().simulator.ledger.get(sessionId)?.region).toBe('away');
      await endSessions(stack(), [sessionId]);
      closeAll(players);
    });
    it('refuses servers', async () => {
      expect(await stack().nakama.rpc('gameye_ping_targets')).toMatchObject({ status: 401, code: 16 });
    });
  });

  describe.sequential('with a token that may not read regions', () => {
    const base = quietStack(['home', 'away', 'third']);
    const tokens = { 'sim-token': ['session:start', 'session:read', 'session:stop'] };
    const stack = useStack(runtime, { ...base, simulator: { ...base.simulator, tokens } });

    it('refuses, asks Gameye only once, and matches get sessions all the same, also when a region is full', async () => {
      const { nakama, simulator } = stack();
      const players = await connectPlayers(nakama, 2);
      for (const player of players) {
        expect(await player.rpc('gameye_ping_targets')).toMatchObject({ status: 400, code: 9 });
      }
      expect(await players[0]!.measurePings()).toEqual({});
      simulator.configure({ regions: { home: { capacity: 0 } } });
      await matchTogether(players, { numbers: { ping_home: 1 } });
      const { sessionId } = await toldOneSession(stack(), players);
      expect(simulator.ledger.get(sessionId)?.region).toBe('away');
      expect(requestsOf(stack(), 'get-available-locations').map(({ status }) => status)).toEqual([403]);
      await endSessions(stack(), [sessionId]);
      closeAll(players);
    });
  });
};

describe.concurrent('gameye_ping_targets', () => forEachRuntime(onRuntime));
