import { expect, it } from 'vitest';
import { API_TOKEN } from '../../dev/stack/stack.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { expectNoSecrets } from '../helpers/secrets.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneSession } from './support/matches.ts';
import { allocationRows, containerEnv, endSessions, quietStack, requestsOf } from './support/world.ts';

/** An API, or a proxy in front of it, that repeats the token where people look for the reason. */
const ECHO = {
  statusCode: 500,
  code: API_TOKEN,
  message: `no upstream for "Authorization: Bearer ${API_TOKEN}"`,
  details: `${API_TOKEN}${API_TOKEN}`,
  identifier: API_TOKEN,
  violations: [{ field: API_TOKEN, description: `not ${API_TOKEN}` }],
};

forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(['home', 'echoes']));

  it('nobody is told the API token, not even when the API repeats it in its errors', async () => {
    const { simulator, nakama } = stack();
    const action = { kind: 'body', status: 500, body: ECHO } as const;
    // Once: after the second time it would be another region's turn.
    const echo = simulator.faults.add({ operation: 'session-run', region: 'echoes', on: { times: 1 }, action });
    const players = await queueMatch(stack(), 'echoes');
    const failed = async () => (await allocationRows(stack(), players)).find(({ value }) => value.last_failure);
    const row = await until(failed, 10_000, 'the stored failure', 10);
    expect(row.value.last_failure?.message).toContain('no upstream');
    await expectNoSecrets(stack(), players);
    const { sessionId } = await toldOneSession(stack(), players);
    simulator.faults.remove(echo);

    simulator.faults.add({ region: 'echoes', on: 'always', action });
    for (const [rpc, payload] of [
      ['fleet_get', { id: sessionId }],
      ['fleet_join', { id: sessionId, user_ids: [players[0]?.userId] }],
      ['fleet_leave', { id: sessionId, user_ids: [players[0]?.userId] }],
      ['fleet_delete', { id: sessionId }],
    ] as const) {
      const answer = await nakama.rpc(rpc, payload);
      expect(answer.status, rpc).not.toBe(404);
      expect(JSON.stringify(answer), rpc).not.toContain(API_TOKEN);
    }
    expect(requestsOf(stack(), 'session-stop', 'echoes')).toMatchObject([{ status: 500 }]);
    expect(nakama.logText(), 'the words around the token stay readable').toContain('no upstream for');
    await expectNoSecrets(stack(), players);
    simulator.faults.clear();
    await endSessions(stack(), [sessionId]);
    closeAll(players);
  });

  it('nobody is told the secrets that a game server gets to prove itself', async () => {
    const players = await queueMatch(stack(), 'home');
    const { sessionId } = await toldOneSession(stack(), players);
    const env = await containerEnv(stack(), sessionId);
    const credentials = [env['SEAT_SECRET'] ?? '', env['NAKAMA_SERVER_TOKEN'] ?? ''];
    for (const credential of credentials) expect(credential.length).toBeGreaterThan(32);
    expect(JSON.stringify(stack().simulator.ledger.get(sessionId)?.labels)).not.toContain(credentials[0]);
    await stack().nakama.rpc('fleet_get', { id: sessionId });
    await stack().nakama.rpc('fleet_list', {});
    await expectNoSecrets(stack(), players, credentials);
    await endSessions(stack(), [sessionId]);
    closeAll(players);
  });
});
