import { Client } from '@heroiclabs/nakama-js';
import { beforeAll, expect, it } from 'vitest';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { call, startNode, usePostgres } from './support.ts';

usePostgres();

const SOURCE = `
function rpcCreate(ctx, logger, nk, payload) {
  nk.leaderboardCreate.apply(nk, JSON.parse(payload));
}
function rpcWrite(ctx, logger, nk, payload) {
  var record = nk.leaderboardRecordWrite.apply(nk, JSON.parse(payload));
  return JSON.stringify([record.leaderboardId, record.ownerId, record.username, record.score, record.subscore, record.numScore, record.metadata]);
}
function InitModule(ctx, logger, nk, initializer) {
  nk.leaderboardCreate('at_start', true, 'desc', 'best');
  initializer.registerRpc('create', rpcCreate);
  initializer.registerRpc('write', rpcWrite);
}
`;
const OWNER = '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6';

forEachRuntime((runtime) => {
  let node: Nakama;
  beforeAll(async () => {
    node = await startNode({ source: SOURCE, runtime });
  }, 60_000);
  const write = async (...record: unknown[]): Promise<unknown[]> =>
    JSON.parse((await call(node, 'write', JSON.stringify(record))).payload) as unknown[];

  it('a leaderboard keeps the best record of an owner, or the last, or the sum', async () => {
    for (const [id, order, operator] of [
      ['best_low', 'asc', 'best'],
      ['last', 'desc', 'set'],
      ['sum', 'desc', 'incr'],
    ]) {
      await call(node, 'create', JSON.stringify([id, false, order, operator]));
      await call(node, 'create', JSON.stringify([id, false, order, operator]));
    }
    expect(await write('at_start', OWNER, 'ann', 20, 1, { map: 'ice' })).toEqual([
      ...['at_start', OWNER, 'ann', 20, 1, 1, { map: 'ice' }],
    ]);
    expect((await write('at_start', OWNER, null, 10)).slice(2, 6)).toEqual(['ann', 20, 1, 1]);
    expect((await write('at_start', OWNER, null, 21)).slice(2, 6)).toEqual(['ann', 21, 1, 2]);
    for (const [id, expected] of [
      ['best_low', 3],
      ['last', 5],
      ['sum', 8],
    ] as const) {
      await write(id, OWNER, null, 3);
      expect((await write(id, OWNER, null, 5))[3], id).toBe(expected);
    }
  });

  it('a leaderboard shows players its records, the best first', async () => {
    const client = new Client(node.serverKey, '127.0.0.1', String(node.port), false);
    const session = await client.authenticateDevice('0123456789-leaderboard', true);
    await call(node, 'create', JSON.stringify(['shown', true, 'asc', 'best']));
    const OTHER = OWNER.replace('5f', '6f');
    await write('shown', OWNER, 'ann', 20, 1, { map: 'ice' });
    await write('shown', OTHER, null, 0);
    const { records = [] } = await client.listLeaderboardRecords(session, 'shown', undefined, 10);
    expect(
      records.map(({ owner_id, username, score, subscore, num_score, metadata }) => [
        ...[owner_id, username, score, subscore, num_score, metadata],
      ]),
    ).toEqual([
      [OTHER, undefined, 0, 0, 1, {}],
      [OWNER, 'ann', 20, 1, 1, { map: 'ice' }],
    ]);
    const nowhere = client.listLeaderboardRecords(session, 'nowhere', undefined, 10);
    await expect(nowhere).rejects.toMatchObject({ status: 404 });
  });

  it('a leaderboard that does not exist, and an owner that is none, are refused', async () => {
    const failed = async (...record: unknown[]) => (await call(node, 'write', JSON.stringify(record))).message;
    expect(await failed('nowhere', OWNER)).toContain('leaderboard not found');
    expect(await failed('at_start', 'ann')).toContain('expects owner ID to be a valid identifier');
  });
});
