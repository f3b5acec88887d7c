import { expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { closeAll, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneReason, toldOneSession } from './support/matches.ts';
import { allocationRows, containerEnv, endSessions, quietStack, sessionsFor } from './support/world.ts';

/** The session of these players as soon as its record says that it runs. */
async function startedSession(stack: Parameters<typeof sessionsFor>[0], players: Player[]): Promise<string> {
  const started = async () => (await allocationRows(stack, players)).find(({ value }) => value.state === 'started');
  return (await until(started, 10_000, 'the start of the session')).value.session_id;
}

forEachRuntime((runtime) => {
  const stack = useStack(runtime, {
    ...quietStack(['eu-central-1', 'full-1', 'slow-1'], { GAMEYE_READY: 'server', GAMEYE_CREATE_TIMEOUT: '6s' }),
  });

  it('players are told when their game server reports that it is ready, not before', async () => {
    const players = await queueMatch(stack());
    const sessionId = await startedSession(stack(), players);
    const token = (await containerEnv(stack(), sessionId))['NAKAMA_SERVER_TOKEN'] ?? '';
    expect(await (players[0] as Player).rpc('gameye_assignment', {})).toMatchObject({ payload: { state: 'starting' } });
    expect(players.flatMap((player) => player.answers)).toEqual([]);
    const readyAtMs = Date.now();
    expect(await stack().nakama.rpc('gameye_server_ready', {}, { token })).toMatchObject({ status: 200, payload: {} });
    const told = await toldOneSession(stack(), players);
    expect(told.sessionId).toBe(sessionId);
    expect(told.atMs).toBeGreaterThanOrEqual(readyAtMs);
    // A server that says it twice, or late, does no harm.
    expect(await stack().nakama.rpc('gameye_server_ready', {}, { token })).toMatchObject({ status: 200, payload: {} });
    expect(players.map((player) => player.answers.length)).toEqual([1, 1]);
    await endSessions(stack(), [sessionId]);
    closeAll(players);
  });

  it('a game server may report that it is ready before the API has answered', async () => {
    const fault = stack().simulator.faults.add({
      operation: 'session-run',
      region: 'slow-1',
      on: 'always',
      action: { kind: 'delay', ms: 1500, when: 'after' },
    });
    const players = await queueMatch(stack(), 'slow-1');
    const [session] = await until(async () => {
      const sessions = await sessionsFor(stack(), players);
      return sessions.length > 0 && sessions;
    }, 10_000);
    const id = session?.id ?? '';
    expect((await allocationRows(stack(), players))[0]?.value.state).toBe('starting');
    const token = (await containerEnv(stack(), id))['NAKAMA_SERVER_TOKEN'] ?? '';
    expect(await stack().nakama.rpc('gameye_server_ready', {}, { token })).toMatchObject({ status: 200 });
    const told = await toldOneSession(stack(), players);
    expect(told.sessionId).toBe(id);
    stack().simulator.faults.remove(fault);
    await endSessions(stack(), [id]);
    closeAll(players);
  });

  it('a session whose game server never gets ready is stopped, and its players are told', async () => {
    const players = await queueMatch(stack());
    const sessionId = await startedSession(stack(), players);
    expect(await toldOneReason(stack(), players)).toBe('timeout');
    expect(stack().simulator.ledger.get(sessionId)?.endedAtMs).toBeDefined();
    expect(await sessionsFor(stack(), players)).toHaveLength(1);
    closeAll(players);
  });

  it('players and game servers of other sessions cannot report that a session is ready', async () => {
    const [players, others] = [await queueMatch(stack()), await queueMatch(stack())];
    const [one, other] = [await startedSession(stack(), players), await startedSession(stack(), others)];
    const token = (await containerEnv(stack(), other))['NAKAMA_SERVER_TOKEN'] ?? '';
    expect(await (players[0] as Player).rpc('gameye_server_ready', { id: one })).toMatchObject({
      status: 403,
      code: 7,
    });
    expect(await stack().nakama.rpc('gameye_server_ready', { id: one }, { token })).toMatchObject({ code: 7 });
    expect(await stack().nakama.rpc('gameye_server_ready', { id: 'no-such-session' })).toMatchObject({ code: 5 });
    for (const id of [one, other]) {
      expect(await stack().nakama.rpc('gameye_server_ready', { id })).toMatchObject({ status: 200 });
    }
    await Promise.all([toldOneSession(stack(), players), toldOneSession(stack(), others)]);
    await endSessions(stack(), [one, other]);
    closeAll([...players, ...others]);
  });
});
