import { describe, expect, it } from 'vitest';
import { closeAll } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneReason } from './support/matches.ts';
import { allocationRows, instanceRows, quietStack, requestsOf, sessionsFor } from './support/world.ts';

/** Statuses after which asking again cannot help, in no region, and what players are told. */
const FINAL: [number, string, string][] = [
  [401, 'misconfigured', 'a wrong API token'],
  [402, 'quota_exceeded', 'an exhausted quota'],
  [403, 'misconfigured', 'a missing scope'],
  [422, 'misconfigured', 'a request that the API does not take'],
];
const TOLD_AT_ONCE_MS = 5_000;

forEachRuntime((runtime) => {
  const regions = FINAL.map(([status]) => `refuses-${status}`);
  const stack = useStack(runtime, quietStack(['home', ...regions]));

  describe.concurrent('players are told at once, and Gameye is asked only once, after', () => {
    for (const [status, reason, name] of FINAL) {
      it(`${status}, ${name}: ${reason}`, async () => {
        const { simulator, nakama } = stack();
        const region = `refuses-${status}`;
        simulator.faults.add({
          operation: 'session-run',
          region,
          on: 'always',
          action: { kind: 'status', status },
        });
        const players = await queueMatch(stack(), region);
        expect(await toldOneReason(stack(), players)).toBe(reason);
        for (const { answers, matchedAtMs } of players) {
          expect((answers[0]?.atMs ?? 0) - (matchedAtMs[0] ?? 0)).toBeLessThan(TOLD_AT_ONCE_MS);
        }
        expect(requestsOf(stack(), 'session-run', region)).toMatchObject([{ status }]);
        expect(await sessionsFor(stack(), players)).toEqual([]);
        expect(await allocationRows(stack(), players)).toEqual([]);
        // Whoever runs the server reads what to do.
        const logged = nakama.logs.find((log) => log['region'] === region && log['advice'] !== undefined);
        expect(logged).toMatchObject({ level: 'warn', status: String(status), advice: expect.stringMatching(/\S/) });
        closeAll(players);
      });
    }
  });

  it('a start that Gameye refuses for good is tried in no other region', async () => {
    expect(requestsOf(stack(), 'session-run')).toHaveLength(FINAL.length);
    expect(await instanceRows(stack())).toEqual([]);
  });
});
