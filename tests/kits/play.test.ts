import { describe, expect, it, onTestFinished } from 'vitest';
import { API_TOKEN, type Stack } from '../../dev/stack/stack.ts';
import { until } from '../../dev/stack/until.ts';
import { instanceRows } from '../integration/support/world.ts';
import { answersOf, closeAll, connectPlayers, matchTogether, sharedAddress, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { expectNoSecrets } from '../helpers/secrets.ts';
import { expectNothingRunning, startTestStack } from '../helpers/stack.ts';
import { buildForTest } from './support/build.ts';
import { KITS, missingTools, skippedBecause } from './support/kits.ts';
import { LineClient } from './support/line-client.ts';

/** A compiler that was never here compiles its standard library first. */
const TIMEOUT_MS = 300_000;

const CALLS = ['ready', 'heartbeat', 'joined', 'left', 'closed', 'result', 'end'];

async function written(stack: Stack, sessionId: string): Promise<string> {
  const headers = { authorization: `Bearer ${API_TOKEN}` };
  return (await fetch(`${stack.simulator.url}/logs?id=${sessionId}`, { headers })).text();
}

/** The players whose seats are taken, as the module knows it. */
async function joinedTo(stack: Stack, sessionId: string): Promise<string[]> {
  const [row] = await instanceRows(stack, [sessionId]);
  const seats = (row?.value['seats'] ?? {}) as Record<string, { state: string }>;
  return Object.keys(seats).filter((userId) => seats[userId]?.state === 'joined');
}

forEachRuntime('long', (runtime) => {
  describe.each(KITS)('the sample server of the kit for $name', (kit) => {
    const title = `plays a match from its start to its end${skippedBecause(kit)}`;
    it.skipIf(missingTools(kit).length > 0)(title, { timeout: TIMEOUT_MS }, async () => {
      const command = [...(await buildForTest(kit, 'sample')), '{7777/tcp}', '127.0.0.1'];
      const stack = await startTestStack(runtime, {
        env: { GAMEYE_API_IMAGE: 'kit', GAMEYE_READY: 'server' },
        simulator: { images: { kit: { command, ports: ['7777/tcp'] } } },
      });
      onTestFinished(() => stack.stop(), 60_000);
      const players = (await connectPlayers(stack.nakama, 2)) as [Player, Player];
      const [ann, ben] = players;
      await matchTogether(players);
      // They are told once the server has said that it is ready.
      const answers = await answersOf(players);
      const { host, port, sessionId } = sharedAddress(answers);
      const [annsToken, bensToken] = answers.map((one) => (one.kind === 'match' ? (one.seatToken ?? '') : ''));
      const show = (token = ''): ReturnType<typeof LineClient.show> => LineClient.show(host, port, token);

      const { said: toThief } = await show(`${annsToken?.slice(0, -4)}AAAA`);
      expect(toThief).toBe('refused forged');
      expect((await show('let me in')).said).toBe('refused malformed');

      const first = await show(annsToken);
      const other = await show(bensToken);
      expect([first.said, other.said]).toEqual([`welcome ${ann.userId}`, `welcome ${ben.userId}`]);
      const both = [ann.userId, ben.userId].sort();
      await until(async () => (await joinedTo(stack, sessionId)).length === 2, 10_000, 'both as joined');
      expect((await joinedTo(stack, sessionId)).sort()).toEqual(both);

      // Who is cut off keeps the seat, and comes back with a fresh token.
      first.player.cut();
      await until(async () => (await joinedTo(stack, sessionId)).length === 1, 10_000, 'one of them as cut off');
      const where = (await ann.rpc('gameye_assignment')).payload as { state: string; seat_token: string };
      expect(where).toMatchObject({ state: 'ready', host, port, session_id: sessionId });
      const again = await show(where.seat_token);
      expect(again.said).toBe(`welcome ${ann.userId}`);
      await until(async () => (await joinedTo(stack, sessionId)).length === 2, 10_000, 'both as joined again');

      other.player.say('bye');
      await other.player.closed();
      await until(async () => (await joinedTo(stack, sessionId)).length === 1, 10_000, 'one of them');
      again.player.say('bye');
      await again.player.closed();
      const ended = () => stack.simulator.ledger.get(sessionId)?.endedAtMs !== undefined;
      await until(ended, 20_000, 'the end of the session');
      await until(async () => (await instanceRows(stack, [sessionId])).length === 0, 10_000, 'that it is forgotten');
      const log = await written(stack, sessionId);
      for (const call of CALLS) expect(log).toContain(`${call}: done\n`);
      const { payload } = await stack.nakama.rpc('gameye_results', { session_id: sessionId });
      const [result] = (payload as { results: { user_ids: string[]; result: { played: string[] } }[] }).results;
      expect(result?.result.played.sort()).toEqual(both);
      expect(result?.user_ids.sort()).toEqual(both);

      await expectNothingRunning(stack);
      await expectNoSecrets(stack, players);
      closeAll(players);
    });
  });
});
