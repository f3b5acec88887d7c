import { createSocket } from 'node:dgram';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  call,
  empty,
  EU,
  isAlive,
  listed,
  ports,
  run,
  script,
  simulate,
  simulateForAll,
  sleeper,
  until,
  US,
} from './helpers.ts';

it('the simulator answers the id, the host and the ports of a session once it runs', async () => {
  const simulator = await simulate({ gameHost: '127.0.0.9' });
  const { status, json } = await run(simulator, { id: 'one' });
  expect(status).toBe(201);
  expect(json).toEqual({
    id: 'one',
    host: '127.0.0.9',
    ports: [
      { type: 'udp', container: 7777, host: expect.any(Number) },
      { type: 'tcp', container: 8080, host: expect.any(Number) },
    ],
  });
  expect(isAlive(simulator.ledger.get('one')!.pid!)).toBe(true);
});

it('the simulator makes an id for a request that has none', async () => {
  const { json } = await run(await simulate(), { image: 'empty' });
  expect(json.id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
});

it('the simulator refuses an id that was used before, also that of a session that has ended', async () => {
  const simulator = await simulate();
  await run(simulator, { id: 'one', image: 'empty' });
  expect((await run(simulator, { id: 'one', image: 'empty' })).status).toBe(409);
  await call(simulator, 'DELETE', '/session/one');
  expect(simulator.ledger.get('one')!.ended).toBe('stop');
  expect((await run(simulator, { id: 'one', image: 'empty' })).status).toBe(409);
  expect(simulator.ledger.entries).toHaveLength(1);
});

it('the simulator lets only one of many requests with one id through', async () => {
  const simulator = await simulate({ startMs: 20 });
  const replies = await Promise.all(Array.from({ length: 10 }, () => run(simulator, { id: 'one' })));
  expect(replies.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(9).fill(409)]);
});

it('the simulator does not use up the id of a request that it refuses', async () => {
  const simulator = await simulate({ regions: { [EU]: { capacity: 0 }, [US]: {} } });
  expect((await run(simulator, { id: 'one', image: 'empty' })).status).toBe(420);
  expect((await run(simulator, { id: 'one', image: 'empty', location: US })).status).toBe(201);
});

it.each([
  ['an image', { image: 'other' }],
  ['a region', { location: 'mars' }],
  ['a version', { version: '2.0.0' }],
  ['an image in that region', { image: 'european', location: US }],
])('the simulator answers 404 for %s that it does not have', async (_what, fields) => {
  const simulator = await simulate({ images: { sleeper, european: { ...empty, regions: [EU] } } });
  expect((await run(simulator, fields)).status).toBe(404);
  expect(simulator.ledger.entries).toHaveLength(0);
});

it('the simulator runs the first version when the request names none', async () => {
  const simulator = await simulate();
  await run(simulator, { id: 'first' });
  await run(simulator, { id: 'named', version: '0.9.0' });
  expect(simulator.ledger.get('first')!.tag).toBe('1.0.0');
  expect(simulator.ledger.get('named')!.tag).toBe('0.9.0');
});

it('the simulator names every wrong field of a body, by its path', async () => {
  const body = { location: '', image: 1, env: { A: '' }, args: ['ok', ''], more: true };
  const { status, json } = await call(await simulate(), 'POST', '/session', body);
  expect(status).toBe(422);
  const fields = (json.violations as { field: string }[]).map(({ field }) => field).sort();
  expect(fields).toEqual(['args.1', 'env.A', 'image', 'location', 'more']);
  expect(json.identifier).toMatch(/^[\da-f-]{36}$/);
});

it.each([
  ['text that is no JSON', '{"location":', {}],
  ['no body', undefined, { 'content-type': 'application/json' }],
  ['another content type', 'location=eu', { 'content-type': 'application/x-www-form-urlencoded' }],
])('the simulator refuses %s with 422', async (_what, body, headers) => {
  const simulator = await simulate();
  const reply = await call(simulator, 'POST', '/session', body, { authorization: 'Bearer sim-token', ...headers });
  expect(reply.status).toBe(422);
  expect(reply.json.violations).toHaveLength(1);
});

describe('the ttl of a session at the simulator', () => {
  const simulator = simulateForAll();

  it.each(['', '30', '30s', '1d', 'm', '30m1h', '-5m', '1h 30m'])('"%s" is refused', async (ttl) => {
    const { status, json } = await run(simulator(), { ttl });
    expect(status).toBe(422);
    expect(json.violations[0].field).toBe('ttl');
  });

  it.each(['1m', '1h', '2h30m', '0.5h'])('"%s" is taken', async (ttl) => {
    expect((await run(simulator(), { ttl, image: 'empty' })).status).toBe(201);
  });
});

const PRINT_ENV = script(`console.log(JSON.stringify({ env: process.env, argv: process.argv.slice(1) }))`, {
  command: [
    'node',
    '-e',
    'console.log(JSON.stringify({ env: process.env, argv: process.argv.slice(1) }))',
    '{7777/udp}',
  ],
});

async function printed(fields: object): Promise<{ env: Record<string, string>; argv: string[]; ports: number[] }> {
  const simulator = await simulate({ images: { game: PRINT_ENV } });
  const { json } = await run(simulator, { id: 'one', image: 'game', ...fields });
  const { text } = await until('it has written', async () => {
    const reply = await call(simulator, 'GET', '/logs?id=one');
    return reply.text.endsWith('\n') ? reply : undefined;
  });
  return { ...JSON.parse(text), ports: (json.ports as { host: number }[]).map(({ host }) => host) };
}

it('the simulator gives a game server the environment of a Gameye container, the request’s variables and its arguments', async () => {
  const { env, argv, ports } = await printed({
    env: { SEAT_SECRET: 's', GAMEYE_HOST: 'forged' },
    args: ['--map=dust'],
  });
  expect(env).toMatchObject({
    GAMEYE_SESSION_ID: 'one',
    GAMEYE_HOST: '127.0.0.1',
    GAMEYE_PORT_UDP_7777: String(ports[0]),
    GAMEYE_PORT_TCP_8080: String(ports[1]),
    SEAT_SECRET: 's',
  });
  expect(argv).toEqual([String(ports[0]), '--map=dust']);
});

it('the simulator gives a game server nothing else of the environment that the simulator has', async () => {
  process.env['GAMEYE_API_TOKEN'] = 'secret of the simulator’s process';
  onTestFinished(() => void delete process.env['GAMEYE_API_TOKEN']);
  const { env } = await printed({ env: { OWN: '1' } });
  const others = Object.keys(env).filter((key) => !key.startsWith('GAMEYE_') && key !== '__CF_USER_TEXT_ENCODING');
  expect(others.sort()).toEqual(['HOME', 'OWN', 'PATH', 'TMPDIR']);
  expect(env['GAMEYE_API_TOKEN']).toBeUndefined();
  expect(env['HOME']).not.toBe(process.env['HOME']);
});

it('the simulator says what is wrong when an image’s command cannot be run, and keeps nothing of it', async () => {
  const simulator = await simulate({
    images: { broken: { command: ['/no/such/file'], ports } },
    hostPorts: [21000, 21001],
  });
  for (const id of ['a', 'b']) {
    const { status, json } = await run(simulator, { id, image: 'broken' });
    expect(status).toBe(500);
    expect(json.details).toContain('Cannot run /no/such/file');
  }
  expect(simulator.ledger.get('b')).toMatchObject({ ended: 'exit', exitCode: 127 });
});

it('the simulator gives out host ports that nobody uses, not for UDP and not for TCP', async () => {
  const [tcp, udp] = await takeTwoPorts();
  const range: [number, number] = [Math.min(tcp, udp), Math.min(tcp, udp) + 5];
  const simulator = await simulate({ hostPorts: range, images: { game: { ...sleeper, ports: ['7777/udp'] } } });
  const given = new Set<number>();
  for (;;) {
    const { status, json } = await run(simulator, { image: 'game' });
    if (status === 420) break; // the range is used up
    expect(given.has(json.ports[0].host)).toBe(false);
    given.add(json.ports[0].host);
  }
  expect(given.size).toBeGreaterThan(0);
  expect([given.has(tcp), given.has(udp)]).toEqual([false, false]);
  // What a session gives back is used again.
  const [id] = await listed(simulator);
  await call(simulator, 'DELETE', `/session/${id}`);
  await until('it has ended', () => simulator.ledger.get(id!)!.endedAtMs);
  expect((await run(simulator, { image: 'game' })).status).toBe(201);
});

/** One port taken for TCP and the next one or so for UDP. */
async function takeTwoPorts(): Promise<[number, number]> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const tcp = (server.address() as AddressInfo).port;
  for (let udp = tcp + 1; ; udp++) {
    const socket = createSocket('udp4');
    const bound = await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false));
      socket.bind(udp, '127.0.0.1', () => resolve(true));
    });
    if (!bound) continue;
    onTestFinished(() => new Promise<void>((resolve) => socket.close(() => resolve())));
    return [tcp, udp];
  }
}

it('the simulator takes as long to start as the settings say', async () => {
  const simulator = await simulate({ startMs: 1000 });
  const before = Date.now();
  const starting = run(simulator, { id: 'one' });
  await until('it is starting', () => simulator.ledger.get('one'));
  expect((await call(simulator, 'GET', '/session/one')).json).toMatchObject({ status: 'created', port: {} });
  expect(await listed(simulator)).toEqual([]);
  expect(await listed(simulator, '?all=true')).toEqual(['one']);
  await starting;
  expect(Date.now() - before).toBeGreaterThanOrEqual(995);
  expect((await call(simulator, 'GET', '/session/one')).json.status).toBe('running');
});

it('the simulator hides sessions while they start when the settings say so, but their ids are taken', async () => {
  const simulator = await simulate({ startMs: 1000, visibleWhileStarting: false });
  const starting = run(simulator, { id: 'one' });
  await until('it is starting', () => simulator.ledger.get('one'));
  expect((await call(simulator, 'GET', '/session/one')).status).toBe(404);
  expect((await call(simulator, 'DELETE', '/session/one')).status).toBe(404);
  expect(await listed(simulator, '?all=true')).toEqual([]);
  expect((await run(simulator, { id: 'one' })).status).toBe(409);
  expect((await starting).status).toBe(201);
  expect((await call(simulator, 'GET', '/session/one')).status).toBe(200);
});

it('the simulator starts 500 sessions at once, and lists 10,000', { timeout: 60_000 }, async () => {
  const simulator = await simulate({ startMs: 100, regions: { [EU]: { capacity: 10_000 } } });
  const burst = (count: number) => Promise.all(Array.from({ length: count }, () => run(simulator, { image: 'empty' })));
  expect((await burst(500)).every(({ status }) => status === 201)).toBe(true);
  simulator.configure({ startMs: 0 });
  for (let i = 0; i < 19; i++) await burst(500);
  expect(new Set(await listed(simulator)).size).toBe(10_000);
  expect((await run(simulator, { image: 'empty' })).status).toBe(420);
});
