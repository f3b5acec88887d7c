import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import type { Nakama } from '../../dev/stack/nakama.ts';
import type { RpcResult } from '../../dev/stack/rpc.ts';
import { until } from '../../dev/stack/until.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { endSessions, instanceRows, quietStack } from './support/world.ts';

const SEATS = 40;
const JOINS = 200;

/**
 * Joins until there is a seat or a refusal. A busy machine makes joins wait: code 10 asks to try again, and Nakama hangs up
 * after 10 s. Trying again is safe, because who has a seat keeps that one.
 */
async function join(node: Nakama, id: string, user: string): Promise<RpcResult> {
  const answer = async () => {
    const result = await node.rpc('fleet_join', { id, user_ids: [user], notify: false });
    return result.code === 10 ? undefined : result;
  };
  return until(answer, 50_000, `an answer for ${user}`);
}

forEachRuntime('long', (runtime) => {
  const stack = useStack(runtime, quietStack(['home']));

  it('exactly as many players get seats as fit when hundreds join one instance through two nodes at once', async () => {
    const { nakama, simulator } = stack();
    const second = await stack().startNode();
    const { payload } = await nakama.rpc('fleet_create', { max_players: SEATS });
    const { session_id: id } = payload as { session_id: string };
    const instance = async () => (await instanceRows(stack(), [id]))[0]?.value as { player_count: number } | undefined;
    await until(instance, 10_000, 'the instance', 50);

    let done = false;
    const counts: number[] = [];
    const look = async () => counts.push((await instance())?.player_count ?? NaN) > 0 && done;
    const watch = until(look, 60_000, 'the end of the joins', 100);
    const users = Array.from({ length: JOINS }, () => randomUUID());
    const answers = await Promise.all(users.map((user, i) => join(i % 2 === 0 ? nakama : second, id, user)));
    done = true;
    await watch;

    const seated = users.filter((_user, i) => answers[i]?.status === 200);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused.filter(({ code }) => code !== 8)).toEqual([]);
    expect(seated).toHaveLength(SEATS);
    expect(Math.max(...counts)).toBeLessThanOrEqual(SEATS);
    const row = (await instance()) as { player_count: number; open_seats: number; seats: object };
    expect(row).toMatchObject({ player_count: SEATS, open_seats: 0 });
    expect(Object.keys(row.seats).sort()).toEqual([...seated].sort());
    expect([...(simulator.ledger.get(id)?.players ?? [])].sort()).toEqual([...seated].sort());
    // Whoever was seated can leave and make room for exactly one, whichever node is asked.
    const [first = ''] = seated;
    for (const node of [nakama, second]) {
      expect(await node.rpc('fleet_leave', { id, user_ids: [first] })).toMatchObject({ status: 200 });
    }
    const late = await Promise.all(
      [nakama, second].map((node) => node.rpc('fleet_join', { id, user_ids: [randomUUID()], notify: false })),
    );
    expect(late.map(({ code }) => code ?? 0).sort()).toEqual([0, 8]);
    await endSessions(stack(), [id]);
  }, 90_000);
});
