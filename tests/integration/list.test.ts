import { beforeAll, expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { endSessions, instanceRows, quietStack } from './support/world.ts';

interface Listed {
  id: string;
  region: string;
  player_count: number;
  metadata: { map?: string };
}

/** Players counted, by map: what the tests list. The last one is in another region. */
const COUNTS: [string, number][] = [
  ['dust', 1],
  ['ice', 4],
  ['dust', 3],
  ['ice', 0],
  ['dust', 2],
];

forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(['home', 'away']));
  let ids: string[] = [];

  beforeAll(async () => {
    const { nakama } = stack();
    for (const [i, [map]] of COUNTS.entries()) {
      const regions = [i === COUNTS.length - 1 ? 'away' : 'home'];
      const { payload } = await nakama.rpc('fleet_create', { max_players: 4, regions, metadata: { map } });
      ids.push((payload as { session_id: string }).session_id);
    }
    await until(async () => (await instanceRows(stack())).length === ids.length, 15_000, 'the instances', 50);
    for (const [i, [, player_count]] of COUNTS.entries()) {
      expect(await nakama.rpc('fleet_update', { id: ids[i], player_count })).toMatchObject({ status: 200 });
    }
  });

  const list = async (payload: object): Promise<{ instances: Listed[]; cursor: string }> => {
    const answer = await stack().nakama.rpc('fleet_list', payload);
    expect(answer).toMatchObject({ status: 200 });
    return answer.payload as { instances: Listed[]; cursor: string };
  };
  const counts = async (payload: object) => (await list(payload)).instances.map((one) => one.player_count);

  it('fleet_list shows all instances, the fullest first', async () => {
    const { instances, cursor } = await list({});
    expect(instances.map((one) => one.player_count)).toEqual([4, 3, 2, 1, 0]);
    expect(instances.map((one) => one.id).sort()).toEqual([...ids].sort());
    expect(cursor).toBe('');
    expect(instances[0]).toMatchObject({ status: 'running', open_seats: 0, connection_info: { dns_name: '' } });
  });

  it('fleet_list finds the instances that a query describes', async () => {
    expect(await counts({ query: '+value.region:away' })).toEqual([2]);
    expect(await counts({ query: '+value.region:home +value.open_seats:>=1' })).toEqual([3, 1, 0]);
    expect(await counts({ query: '+value.player_count:>=2 -value.metadata.map:ice' })).toEqual([3, 2]);
    expect(await counts({ query: `+value.id:${ids[2]}` })).toEqual([3]);
    expect(await counts({ query: '+value.region:nowhere' })).toEqual([]);
    expect(await counts({ query: '*' })).toHaveLength(COUNTS.length);
  });

  it('fleet_list turns the order around when asked', async () => {
    expect(await counts({ order: ['player_count'] })).toEqual([0, 1, 2, 3, 4]);
    expect(await counts({ order: ['-open_seats'], limit: 2 })).toEqual([0, 1]);
  });

  it('fleet_list gives pages by a cursor, each instance once', async () => {
    const seen: number[] = [];
    let cursor = '';
    let pages = 0;
    do {
      const page = await list({ limit: 2, cursor });
      seen.push(...page.instances.map((one) => one.player_count));
      cursor = page.cursor;
      pages += 1;
    } while (cursor !== '' && pages < 10);
    expect(seen).toEqual([4, 3, 2, 1, 0]);
    expect(pages).toBe(3);
  });

  it('fleet_list shows no instance that was deleted', async () => {
    await endSessions(stack(), ids);
    expect(await list({})).toEqual({ instances: [], cursor: '' });
    ids = [];
  });
});
