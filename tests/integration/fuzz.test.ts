import fc from 'fast-check';
import { expect, it } from 'vitest';
import { query } from '../../dev/stack/database.ts';
import type { RpcCaller, RpcResult } from '../../dev/stack/rpc.ts';
import { until } from '../../dev/stack/until.ts';
import { notEnded } from '../../dev/gameye/ledger.ts';
import { source } from '../bundle/support/bundle.ts';
import { fieldsFrom, payloadFor, strangersIn, type Known } from '../helpers/payloads.ts';
import { Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { linesWithSecret } from '../helpers/secrets.ts';
import { SEAT_SECRET, useStack } from '../helpers/stack.ts';
import { API_TOKEN } from '../../dev/stack/stack.ts';
import { allocationRows, allocationsSettled, endSessions, instanceRows, quietStack, tableOf } from './support/world.ts';

/** Payloads for each RPC and caller; tests/bundle/fuzz.test.ts sends hundreds, without a server. */
const PAYLOADS = 8;

// Those that end sessions come last, so that the others have some to speak about.
const ENDING = /delete|terminate/;
const RPCS = [...source.matchAll(/initializer\.registerRpc\('([^']+)'/g)]
  .map((match) => match[1] ?? '')
  .sort((a, b) => Number(ENDING.test(a)) - Number(ENDING.test(b)));

forEachRuntime('long', (runtime) => {
  const stack = useStack(runtime, quietStack(['home', 'away']));

  const rows = async () => ({
    instances: await instanceRows(stack()),
    allocations: await allocationRows(stack()),
    seats: await query<object>(
      stack().database,
      `SELECT user_id, state, session_id FROM ${tableOf(stack(), 'gameye_seat')} ORDER BY user_id`,
    ),
  });

  const startSession = async (): Promise<string> => {
    const { payload } = await stack().nakama.rpc('fleet_create', { max_players: 3, metadata: { map: 'ice' } });
    return (payload as { session_id: string }).session_id;
  };

  it('every RPC answers whatever is sent without failing, and changes nothing where it refuses', async () => {
    const { nakama } = stack();
    const sessions = [await startSession(), await startSession()];
    await until(async () => (await instanceRows(stack(), sessions)).length === 2, 15_000, 'the instances', 50);
    const player = await Player.authenticate(nakama);
    const liar = await Player.authenticate(nakama, { vars: { gameye_session_id: sessions[0] ?? '' } });
    const known: Known = { sessions, users: [player.userId, liar.userId], regions: ['home', 'away'] };
    const callers: [string, (rpc: string, payload: string) => Promise<RpcResult>][] = [
      ['another server', (rpc, payload) => nakama.rpc(rpc, payload)],
      ['a player', (rpc, payload) => player.rpc(rpc, payload)],
      ['a player who pretends to be a game server', (rpc, payload) => liar.rpc(rpc, payload)],
      ['nobody', (rpc, payload) => nakama.rpc(rpc, payload, { httpKey: 'wrong' } satisfies RpcCaller)],
    ];
    const fieldsOf = async (rpc: string): Promise<string[]> => {
      const answers = [await nakama.rpc(rpc, { '¿': 1 }), await player.rpc(rpc, { '¿': 1 })];
      const fields = answers.map(({ message = '' }) => fieldsFrom(message)).find((found) => found !== undefined);
      return fields ?? expect.fail(`${rpc} does not say which fields it knows: ${JSON.stringify(answers)}`);
    };

    const problems: unknown[] = [];
    let before = await rows();
    for (const [position, rpc] of RPCS.entries()) {
      const fields = await fieldsOf(rpc);
      for (const [who, send] of callers) {
        for (const payload of fc.sample(payloadFor(fields, known), { numRuns: PAYLOADS, seed: position })) {
          const answer = await send(rpc, payload);
          const told = { rpc, who, payload: payload.slice(0, 300), answer };
          if (answer.status >= 500) problems.push({ ...told, why: 'a failure' });
          if (who === 'nobody' && answer.status !== 401) problems.push({ ...told, why: 'nobody may call anything' });
          const strangers = strangersIn(payload, fields) ?? [];
          if (strangers.length > 0 && answer.status === 200) problems.push({ ...told, why: 'an unknown field' });
          if (
            linesWithSecret(JSON.stringify(answer), [API_TOKEN, SEAT_SECRET]).length > 0 &&
            rpc !== 'gameye_assignment'
          )
            problems.push({ ...told, why: 'a secret' });
          if (answer.status === 200) await allocationsSettled(stack(), undefined, 30_000);
          const after = await rows();
          if (answer.status !== 200 && JSON.stringify(after) !== JSON.stringify(before)) {
            problems.push({ ...told, why: 'a change', before, after });
          }
          before = after;
        }
      }
    }
    expect(problems.slice(0, 3)).toEqual([]);
    expect(RPCS.length).toBeGreaterThan(15);
    const left = notEnded(stack().simulator.ledger.entries).map((entry) => entry.id);
    await endSessions(stack(), left);
  }, 240_000);
});
