import { describe, expect, it } from 'vitest';
import { call, empty, EU, isAlive, listed, run, simulate, sleeper, until, US } from './helpers.ts';

const statuses = async (simulator: Parameters<typeof run>[0], count: number, fields = {}): Promise<number[]> =>
  (await Promise.all(Array.from({ length: count }, () => run(simulator, { image: 'empty', ...fields }))))
    .map(({ status }) => status)
    .sort();

it('the simulator starts no more sessions in a region than it has room for, and others elsewhere', async () => {
  const simulator = await simulate({ startMs: 20, regions: { [EU]: { capacity: 3 }, [US]: {} } });
  expect(await statuses(simulator, 5)).toEqual([201, 201, 201, 420, 420]);
  expect(await statuses(simulator, 1, { location: US })).toEqual([201]);
  expect(simulator.ledger.entries).toHaveLength(4);
});

it('the simulator has room again when a session has really ended', async () => {
  const simulator = await simulate({ regions: { [EU]: { capacity: 1 } } });
  const { json } = await run(simulator);
  expect(await statuses(simulator, 1)).toEqual([420]);
  await call(simulator, 'DELETE', `/session/${json.id}`);
  await until('it has ended', () => simulator.ledger.get(json.id)!.endedAtMs);
  expect(await statuses(simulator, 1)).toEqual([201]);
});

it('the simulator changes capacity, quota and start time while it runs', async () => {
  const simulator = await simulate({ regions: { [EU]: { capacity: 0 } } });
  expect(await statuses(simulator, 1)).toEqual([420]);
  simulator.configure({ regions: { [EU]: { capacity: 10 } }, quota: 1, startMs: 100 });
  const before = Date.now();
  expect(await statuses(simulator, 2)).toEqual([201, 402]);
  expect(Date.now() - before).toBeGreaterThanOrEqual(95);
  simulator.configure({ quota: null });
  expect(await statuses(simulator, 1)).toEqual([201]);
});

it('the simulator counts the quota over all regions, starting sessions included', async () => {
  const simulator = await simulate({ startMs: 20, quota: 2 });
  const replies = await Promise.all([EU, US, EU, US].map((location) => run(simulator, { image: 'empty', location })));
  expect(replies.map(({ status }) => status).sort()).toEqual([201, 201, 402, 402]);
});

it('the simulator answers 409 for a used id even when the region is full and the quota used up', async () => {
  const simulator = await simulate({ regions: { [EU]: { capacity: 1 } }, quota: 1 });
  await run(simulator, { id: 'one', image: 'empty' });
  expect(await statuses(simulator, 1, { id: 'one' })).toEqual([409]);
});

it('the simulator starts nothing in a region with an outage, and does not offer it; what runs there is unreachable but runs', async () => {
  const simulator = await simulate();
  await run(simulator, { id: 'one' });
  simulator.configure({ regions: { [EU]: { outage: true } } });
  expect(await statuses(simulator, 1)).toEqual([420]);
  const offered = async (): Promise<string[]> =>
    (await call(simulator, 'GET', '/available-location/empty')).json.locations.map(({ id }: { id: string }) => id);
  expect(await offered()).toEqual([US]);
  expect((await call(simulator, 'GET', '/session/one')).json.status).toBe('server_unreachable');
  expect(await listed(simulator)).toEqual([]);
  expect(await listed(simulator, '?all=true')).toEqual(['one']);
  expect(isAlive(simulator.ledger.get('one')!.pid!)).toBe(true);
  simulator.configure({ regions: { [EU]: { outage: false } } });
  expect(await listed(simulator)).toEqual(['one']);
  expect(await offered()).toEqual([EU, US]);
});

it('the simulator offers an image’s regions with addresses to ping, and knows its versions there', async () => {
  const images = { european: { ...empty, regions: [EU], tags: ['2', '1'] } };
  const simulator = await simulate({ images, regions: { [EU]: { ips: ['127.0.0.2', '127.0.0.3'] }, [US]: {} } });
  const { json } = await call(simulator, 'GET', '/available-location/european');
  expect(json).toEqual({ locations: [{ id: EU, ips: ['127.0.0.2', '127.0.0.3'] }] });
  const exists = async (path: string) => (await call(simulator, 'GET', `/tag/${path}`)).json.exists as boolean;
  expect(await exists(`${EU}/european/1`)).toBe(true);
  expect(await exists(`${EU}/european/3`)).toBe(false);
  expect(await exists(`${US}/european/1`)).toBe(false);
  expect((await call(simulator, 'GET', '/tag/mars/european/1')).status).toBe(404);
});

describe('a warm pool of the simulator', () => {
  const images = { game: { ...sleeper, warmPool: { [EU]: 2 } } };
  const ready = async (simulator: Parameters<typeof run>[0]): Promise<number> =>
    (await call(simulator, 'GET', '/_sim/state')).json.pools[0].ready;

  it('gives away sessions at once that run already, and ignores env, args, labels and version', async () => {
    const simulator = await simulate({ images, startMs: 60_000 });
    const fields = { id: 'one', image: 'game', env: { A: '1' }, args: ['x'], labels: { map: 'dust' }, version: '9' };
    const { status, json } = await run(simulator, { ...fields, external_id: 'e' });
    expect(status).toBe(201);
    expect(json.id).toBe('one');
    const { json: described } = await call(simulator, 'GET', '/session/one');
    expect(described.labels.tags).toBe('{}');
    const env = JSON.parse(described.labels.env);
    expect(env.A).toBeUndefined();
    expect(env.GAMEYE_SESSION_ID).not.toBe('one'); // it was started before anybody asked
    expect(simulator.ledger.get('one')).toMatchObject({ warm: true, tag: '1.0.0', labels: {}, externalId: 'e' });
    expect(isAlive(simulator.ledger.get('one')!.pid!)).toBe(true);
  });

  it('is filled again, and starts cold when it is empty', async () => {
    // So long that the pool is not full again while the requests come in, however slow the machine is.
    const simulator = await simulate({ images, startMs: 1_500 });
    await until('the pool is full', async () => (await ready(simulator)) === 2);
    const replies = await Promise.all([1, 2, 3].map(() => run(simulator, { image: 'game', labels: { map: 'dust' } })));
    expect(replies.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(simulator.ledger.entries.map(({ warm }) => warm)).toEqual([true, true, false]);
    expect(simulator.ledger.entries[2]!.labels).toEqual({ map: 'dust' });
    await until('the pool is full again', async () => (await ready(simulator)) === 2);
  });

  it('takes up room in its region, and none in the list or the ledger', async () => {
    const simulator = await simulate({ images: { ...images, empty }, regions: { [EU]: { capacity: 3 } } });
    expect(simulator.ledger.entries).toEqual([]);
    expect(await listed(simulator, '?all=true')).toEqual([]);
    expect(await statuses(simulator, 2)).toEqual([201, 420]);
    expect(await statuses(simulator, 1, { image: 'game' })).toEqual([201]);
  });

  it('can change its size while the simulator runs', async () => {
    const simulator = await simulate({ images, regions: { [EU]: { capacity: 4 } } });
    simulator.configure({ warmPools: { game: { [EU]: 4 } } });
    await until('the pool has grown', async () => (await ready(simulator)) === 4);
    simulator.configure({ warmPools: { game: { [EU]: 1 } } });
    await until('the pool has shrunk', async () => (await ready(simulator)) === 1);
    const room = async () => (await call(simulator, 'GET', '/_sim/state')).json.regions[0].occupied as number;
    await until('the room is free again', async () => (await room()) === 1);
  });

  it('serves only its own region', async () => {
    const simulator = await simulate({ images });
    await run(simulator, { id: 'one', image: 'game', location: US });
    expect(simulator.ledger.get('one')!.warm).toBe(false);
  });
});
