import { describe, expect, it } from 'vitest';
import type { NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneReason, toldOneSession } from './support/matches.ts';
import { allocationRows, endSessions, quietStack, requestsOf, sessionsFor } from './support/world.ts';

const CREATE_TIMEOUT_MS = 8_000;

const onRuntime = (runtime: NakamaRuntime): void => {
  // Matches go to the first two; the third is for those who ask for it.
  const env = { GAMEYE_API_REGION: 'home,away', GAMEYE_CREATE_TIMEOUT: '8s' };
  const stack = useStack(runtime, quietStack(['home', 'away', 'reopening'], env));

  describe.sequential('with capacity', () => {
    it('starts a match in the region that is nearest to the players, and in the next one when that is full', async () => {
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

  describe.sequential('when every region is full', () => {
    it.concurrent('tells the players so when the create timeout has passed', async () => {
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

    it.concurrent('uses capacity that comes back in time', async () => {
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
describe.concurrent('regions', () => forEachRuntime(onRuntime));
