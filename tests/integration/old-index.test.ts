import { describe, expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { useStack } from '../helpers/stack.ts';
import { endSessions, instanceRows, quietStack } from './support/world.ts';

/*
 * The storage index before Nakama 3.24 has no cursor, and before 3.22 no order. No such server can be had here for each of
 * them (list.test.ts runs on those that can), so the embedded runtime plays them.
 */
describe.each(['3.21.1', '3.22.0', '3.23.0', '3.24.0'])('fleet_list on the index of Nakama %s', (version) => {
  const stack = useStack({ kind: 'embedded', version }, quietStack(['home']));

  it('shows every instance once over its pages, in the order asked for', async () => {
    const { nakama } = stack();
    const ids: string[] = [];
    for (const counted of [2, 0, 3, 1, 2]) {
      const { payload } = await nakama.rpc('fleet_create', { max_players: 4 });
      const { session_id: id } = payload as { session_id: string };
      ids.push(id);
      await until(async () => (await instanceRows(stack(), [id])).length === 1, 15_000, 'the instance', 50);
      expect(await nakama.rpc('fleet_update', { id, player_count: counted })).toMatchObject({ status: 200 });
    }
    for (const [order, expected] of [
      [['-player_count'], [3, 2, 2, 1, 0]],
      [
        ['open_seats', '-create_time'],
        [3, 2, 2, 1, 0],
      ],
      [
        ['player_count', 'create_time'],
        [0, 1, 2, 2, 3],
      ],
    ]) {
      const seen: { id: string; player_count: number }[] = [];
      let cursor = '';
      do {
        const { status, payload } = await nakama.rpc('fleet_list', { limit: 2, order, cursor });
        expect(status).toBe(200);
        const page = payload as { instances: { id: string; player_count: number }[]; cursor: string };
        expect(page.instances.length).toBeLessThanOrEqual(2);
        seen.push(...page.instances);
        cursor = page.cursor;
      } while (cursor !== '' && seen.length < 10);
      expect(seen.map((one) => one.player_count)).toEqual(expected);
      expect(new Set(seen.map((one) => one.id))).toEqual(new Set(ids));
    }
    const first = await nakama.rpc('fleet_list', { limit: 2 });
    const { cursor } = first.payload as { cursor: string };
    expect(await nakama.rpc('fleet_list', { limit: 2, cursor, query: '+value.region:home' })).toMatchObject({
      code: 3,
    });
    await endSessions(stack(), ids);
  }, 60_000);
});
