import { describe, expect, it } from 'vitest';
import type { NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { until } from '../../dev/stack/until.ts';
import { answersOf, closeAll, connectPlayers, sharedAddress, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneReason, toldOneSession } from './support/matches.ts';
import { allocationRows, endSessions, quietStack, requestsOf, sessionsFor } from './support/world.ts';

const CREATE_TIMEOUT_MS = 8_000;

const onRuntime = (runtime: NakamaRuntime): void => {
  // Matches go to the first two; the third is for those who ask for it.
  const env = { GAMEYE_API_REGION: 'home,away', GAMEYE_CREATE_TIMEOUT: '8s' };
  const stack = useStack(runtime, quietStack(['home', 'away', 'reopening', 'broken'], env));

  describe.sequential('in regions with capacity', () => {
    it('starts in the region that is nearest to the players, and in the next one when that is full', async () => {
      const { simulator } = stack();
      const near = await queueMatch(stack(), 'away');
      const { sessionId: nearId } = await toldOneSession(stack(), near);
      expect(simulator.ledger.get(nearId)?.region).toBe('away');

      simulator.configure({ regions: { away: { capacity: 1 } } });
      const late = await queueMatch(stack(), 'away');
      const { sessionId: lateId } = await toldOneSession(stack(), late);
      expect(simulator.ledger.get(lateId)?.region).toBe('home');
      expect(requestsOf(stack(), 'session-run', 'away').map(({ status }) => status)).toEqual([201, 420]);
      expect(await allocationRows(stack())).toEqual([]);
      await endSessions(stack(), [nearId, lateId]);
      simulator.configure({ regions: { away: { capacity: 1000 } } });
      closeAll([...near, ...late]);
    });
  });

  describe.sequential('with an image that is not everywhere', () => {
    const regions = ['nowhere', 'home', 'away'];
    const elsewhere = (names: string[]) => ({ max_players: 2, regions: names });
    const started = async (names: string[]): Promise<{ players: Player[]; region: string | undefined }> => {
      const { nakama, simulator } = stack();
      const players = await connectPlayers(nakama, 2);
      const user_ids = players.map(({ userId }) => userId);
      const created = await nakama.rpc('fleet_create', { ...elsewhere(names), user_ids });
      expect(created.status).toBe(200);
      const { sessionId } = sharedAddress(await answersOf(players));
      expect((await sessionsFor(stack(), players)).map(({ id }) => id)).toEqual([sessionId]);
      const region = simulator.ledger.get(sessionId)?.region;
      await endSessions(stack(), [sessionId]);
      return { players, region };
    };

    it('starts in the next region, which the next matches try first for a while', async () => {
      const before = requestsOf(stack(), 'session-run', 'nowhere').length;
      const first = await started(regions);
      const second = await started(regions);
      expect([first.region, second.region]).toEqual(['home', 'home']);
      const asked = requestsOf(stack(), 'session-run', 'nowhere').slice(before);
      expect(asked.map(({ status }) => status)).toEqual([404]);
      closeAll([...first.players, ...second.players]);
    });

    it('gets no session when no region has the image, and its players are told "misconfigured"', async () => {
      const { nakama } = stack();
      const players = await connectPlayers(nakama, 2);
      const user_ids = players.map(({ userId }) => userId);
      await nakama.rpc('fleet_create', { ...elsewhere(['nowhere', 'never']), user_ids });
      expect(await toldOneReason(stack(), players, CREATE_TIMEOUT_MS / 2)).toBe('misconfigured');
      expect(await sessionsFor(stack(), players)).toEqual([]);
      closeAll(players);
    });

    it('leaves a region that fails after two tries, and never runs two sessions', async () => {
      const { simulator } = stack();
      const fault = { operation: 'session-run', region: 'broken', on: 'always' } as const;
      const id = simulator.faults.add({ ...fault, action: { kind: 'status', status: 503 } });
      const { players, region } = await started(['broken', 'home']);
      simulator.faults.remove(id);
      expect(region).toBe('home');
      expect(requestsOf(stack(), 'session-run', 'broken').map(({ status }) => status)).toEqual([503, 503]);
      closeAll(players);
    });
  });

  describe.sequential('when every region is full', () => {
    it.concurrent('gets no session, and its players are told when the create timeout has passed', async () => {
      const { simulator } = stack();
      simulator.configure({ regions: { home: { outage: true }, away: { capacity: 0 } } });
      const players = await queueMatch(stack());
      const deadlineMs = CREATE_TIMEOUT_MS + 10_000;
      expect(await toldOneReason(stack(), players, deadlineMs)).toBe('no_capacity');
      for (const { answers, matchedAtMs } of players) {
        const tookMs = (answers[0]?.atMs ?? 0) - (matchedAtMs[0] ?? 0);
        expect(tookMs).toBeGreaterThan(CREATE_TIMEOUT_MS - 1_000);
        expect(tookMs).toBeLessThan(deadlineMs);
      }
      expect(await sessionsFor(stack(), players)).toEqual([]);
      expect(await allocationRows(stack(), players)).toEqual([]);
      closeAll(players);
    });

    it.concurrent('gets a session when capacity comes back in time', async () => {
      const { simulator, nakama } = stack();
      simulator.configure({ regions: { reopening: { capacity: 0 } } });
      const players = await connectPlayers(nakama, 2);
      const user_ids = players.map(({ userId }) => userId);
      const created = await nakama.rpc('fleet_create', { max_players: 2, user_ids, regions: ['reopening'] });
      expect(created.status).toBe(200);
      await until(
        () => requestsOf(stack(), 'session-run', 'reopening').some(({ status }) => status === 420),
        5_000,
        'the first refusal',
      );
      simulator.configure({ regions: { reopening: { capacity: 1 } } });
      const { sessionId } = await toldOneSession(stack(), players);
      expect(created.payload).toEqual({ session_id: sessionId });
      await endSessions(stack(), [sessionId]);
      closeAll(players);
    });
  });
};

// All runtimes at the same time: most of this is waiting.
describe.concurrent('a match', () => forEachRuntime(onRuntime));
