import { describe, expect, it } from 'vitest';
import type { NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { until } from '../../dev/stack/until.ts';
import { answersOf, closeAll } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneReason, toldOneSession } from './support/matches.ts';
import { allocationRows, endSessions, instanceRows, quietStack, requestsOf, sessionsFor } from './support/world.ts';

const CREATE_TIMEOUT_MS = 5_000;
/** Longer than the module waits: it cannot know how this ends. */
const HANGS_MS = 12_000;
/** After this the module looks a last time for a session that nobody was told of. */
const SETTLE_MS = 30_000;

const onRuntime = (runtime: NakamaRuntime): void => {
  const stack = useStack(runtime, quietStack(['home', 'hangs', 'late'], { GAMEYE_CREATE_TIMEOUT: '5s' }));

  const hang = async (region: string) => {
    const action = { kind: 'delay', ms: HANGS_MS } as const;
    stack().simulator.faults.add({ operation: 'session-run', region, on: 'always', action });
    const players = await queueMatch(stack(), region);
    await until(() => requestsOf(stack(), 'session-run', region).length === 1, 10_000, 'the request that hangs');
    return players;
  };

  it('Nakama matches other players, who get a session', async () => {
    const stuck = await hang('hangs');
    const others = await queueMatch(stack(), 'home');
    await Promise.all(others.map((player) => player.waitForAnswer(CREATE_TIMEOUT_MS)));
    expect(requestsOf(stack(), 'session-run', 'hangs')).toMatchObject([{ status: 'pending' }]);
    for (const player of stuck) expect(player.answers).toEqual([]);
    await Promise.all(stuck.map((player) => player.waitUntilMatched(1_000)));
    const { sessionId } = await toldOneSession(stack(), others);
    await endSessions(stack(), [sessionId]);
    await answersOf(stuck, CREATE_TIMEOUT_MS + 10_000);
    closeAll([...stuck, ...others]);
  });

  it('its players are told in time, and a session that starts after that is stopped', { timeout: 90_000 }, async () => {
    const players = await hang('late');
    await answersOf(players, CREATE_TIMEOUT_MS + 10_000);
    expect(await sessionsFor(stack(), players)).toEqual([]);
    const reason = await toldOneReason(stack(), players, SETTLE_MS + 15_000);
    expect(reason).toBe('timeout');
    expect(await sessionsFor(stack(), players)).toMatchObject([{ region: 'late', ended: 'stop' }]);
    expect(requestsOf(stack(), 'session-run', 'late')).toHaveLength(1);
    expect(await allocationRows(stack(), players)).toEqual([]);
    expect(await instanceRows(stack())).toEqual([]);
    closeAll(players);
  });
};

// All runtimes at the same time: most of this is waiting.
describe.concurrent('while the Session API hangs for a match', () => forEachRuntime('long', onRuntime));
