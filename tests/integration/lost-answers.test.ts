import { describe, expect, it } from 'vitest';
import { overlaps } from '../../dev/gameye/ledger.ts';
import type { FaultAction } from '../../dev/gameye/simulator.ts';
import { until } from '../../dev/stack/until.ts';
import { answersOf, closeAll, sharedAddress } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneSession } from './support/matches.ts';
import {
  allocationRows,
  allocationsSettled,
  endSessions,
  quietStack,
  requestsOf,
  sessionsFor,
  startBehindItsBack,
  stopBehindItsBack,
} from './support/world.ts';

/** What becomes of the first POST, and whether the session that it started runs although nobody could know. */
const LOST: [string, FaultAction, 'runs' | 'never started'][] = [
  ['the connection breaks after the session was started', { kind: 'drop', when: 'after' }, 'runs'],
  ['the connection breaks before anything happened', { kind: 'drop', when: 'before' }, 'never started'],
  ['the answer breaks off in the middle', { kind: 'truncate' }, 'runs'],
  ['a proxy answers with a page instead', { kind: 'html' }, 'runs'],
  ['the answer has no address', { kind: 'body', body: { ports: [] } }, 'runs'],
  ['the API fails after the session was started', { kind: 'status', status: 500, when: 'after' }, 'runs'],
  ['the API is out of order for a moment', { kind: 'status', status: 503 }, 'never started'],
];
const REGIONS = [...LOST.map((_, i) => `lost-${i}`), 'mute', 'spare', 'taken'];

forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(['home', ...REGIONS]));

  describe.concurrent('a match gets one session, and one address for all, when', () => {
    for (const [i, [name, action, first]] of LOST.entries()) {
      it(name, async () => {
        const region = `lost-${i}`;
        const { simulator, nakama } = stack();
        simulator.faults.add({ operation: 'session-run', region, on: { ordinals: [1] }, action });
        const players = await queueMatch(stack(), region);
        const { sessionId } = await toldOneSession(stack(), players);
        expect(simulator.ledger.get(sessionId)?.region).toBe(region);
        const posts = requestsOf(stack(), 'session-run', region);
        expect(posts.map(({ fault }) => fault !== undefined)).toEqual([true, false]);
        expect(posts[1]?.status).toBe(first === 'runs' ? 409 : 201);
        const adopted = nakama.logs.filter((log) => /adopted/.test(log.msg) && log['session'] === sessionId);
        expect(adopted).toHaveLength(first === 'runs' ? 1 : 0);
        expect(await allocationRows(stack(), players)).toEqual([]);
        await endSessions(stack(), [sessionId]);
        closeAll(players);
      });
    }
  });

  describe.concurrent('a match whose start is in doubt', () => {
    it('leaves a region whose answers never come, after what it started there is stopped', async () => {
      const { simulator } = stack();
      const action: FaultAction = { kind: 'drop', when: 'after' };
      simulator.faults.add({ operation: 'session-run', region: 'mute', on: 'always', action });
      const players = await queueMatch(stack(), 'mute');
      const told = sharedAddress(await answersOf(players));
      await allocationsSettled(stack(), players);
      const [mute, home, ...more] = await sessionsFor(stack(), players);
      expect(more).toEqual([]);
      expect(mute).toMatchObject({ region: 'mute', ended: 'stop' });
      expect(home).toMatchObject({ region: 'home', id: told.sessionId });
      expect(overlaps([mute!, home!], () => 'one match')).toEqual([]);
      for (const player of players) expect(player.answers).toHaveLength(1);
      await endSessions(stack(), [told.sessionId]);
      closeAll(players);
    });

    it('leaves a session of somebody else alone that has its id, and takes a new id', async () => {
      const { simulator } = stack();
      const region = 'taken';
      // The first POST is held up, so that somebody else's session can take its id meanwhile.
      const action: FaultAction = { kind: 'delay', ms: 3_000 };
      simulator.faults.add({ operation: 'session-run', region, on: { ordinals: [1] }, action });
      const players = await queueMatch(stack(), region);
      const row = await until(async () => (await allocationRows(stack(), players))[0], 10_000, 'the allocation');
      await until(() => requestsOf(stack(), 'session-run', region).length === 1, 5_000, 'the POST');
      const theirs = row.value.session_id;
      await startBehindItsBack(stack(), theirs, region, 'theirs');

      const { sessionId } = await toldOneSession(stack(), players);
      expect(sessionId).not.toBe(theirs);
      const { stopRequestedAtMs, endedAtMs, players: registered } = simulator.ledger.get(theirs) ?? {};
      expect({ stopRequestedAtMs, endedAtMs, registered }).toEqual({ registered: [] });
      // The id that was asked for leads to the session all the same, also for the one who deletes it.
      expect(await stack().nakama.rpc('fleet_get', { id: row.key })).toMatchObject({ payload: { id: sessionId } });
      expect(await stack().nakama.rpc('fleet_delete', { id: row.key })).toMatchObject({ status: 200 });
      await until(() => simulator.ledger.get(sessionId)?.ended === 'stop', 5_000, 'the end of the session');
      expect(simulator.ledger.get(theirs)?.endedAtMs).toBeUndefined();
      await stopBehindItsBack(stack(), theirs);
      expect(await allocationRows(stack(), players)).toEqual([]);
      closeAll(players);
    });
  });
});
