import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSimulator, type Simulator, type SimulatorOptions } from '../../dev/gameye/simulator.ts';
import { call, EU, isAlive, listed, run, simulate, sleeper, until, US } from './helpers.ts';

describe('the simulator’s /_sim', () => {
  it('adds, lists and removes faults', async () => {
    const simulator = await simulate();
    const rule = { operation: 'session-list', on: { times: 2 }, action: { kind: 'status', status: 503 } };
    const { status, json } = await call(simulator, 'POST', '/_sim/faults', rule);
    expect(status).toBe(201);
    expect((await call(simulator, 'GET', '/_sim/faults')).json.faults).toEqual([
      { ...rule, id: json.id, seen: 0, hit: 0 },
    ]);
    expect((await call(simulator, 'GET', '/session')).status).toBe(503);
    expect((await call(simulator, 'DELETE', `/_sim/faults/${json.id}`)).status).toBe(204);
    expect((await call(simulator, 'DELETE', `/_sim/faults/${json.id}`)).status).toBe(404);
    expect((await call(simulator, 'GET', '/session')).status).toBe(200);
    await call(simulator, 'POST', '/_sim/faults', rule);
    expect((await call(simulator, 'DELETE', '/_sim/faults')).status).toBe(204);
    expect(simulator.faults.list()).toEqual([]);
  });

  it('changes settings, and none of them when one is wrong', async () => {
    const simulator = await simulate();
    const patch = (change: unknown) => call(simulator, 'PATCH', '/_sim/settings', change);
    expect(await patch({ quota: 0, regions: { [US]: { outage: true } } })).toMatchObject({
      status: 200,
      json: { quota: 0 },
    });
    expect((await run(simulator)).status).toBe(402);
    const refused = await patch({ quota: null, startMs: -1, regions: { mars: {} }, images: {} });
    expect(refused.status).toBe(422);
    for (const word of ['startMs', 'mars', '"images"']) expect(refused.json.message).toContain(word);
    expect((await run(simulator)).status).toBe(402);
    expect((await patch({ quota: null })).json.quota).toBe(null);
    expect((await run(simulator)).status).toBe(201);
  });

  it('shows regions, sessions, requests and counts, and has a page that shows them', async () => {
    const simulator = await simulate();
    await run(simulator, { id: 'one' });
    await run(simulator, { id: 'two', image: 'empty', location: US });
    await call(simulator, 'DELETE', '/session/two');
    const { json } = await call(simulator, 'GET', '/_sim/state');
    expect(
      json.regions.map(({ name, running, occupied }: Record<string, unknown>) => [name, running, occupied]),
    ).toEqual([
      [EU, 1, 1],
      [US, 0, 0],
    ]);
    expect(json.ledger).toMatchObject({ total: 2, live: 1, ended: { stop: 1, exit: 0 } });
    expect(json.sessions).toEqual([expect.objectContaining({ id: 'one', status: 'running' })]);
    expect(json.requests.latest.map(({ operation }: { operation: string }) => operation)).toEqual([
      'session-stop',
      'session-run',
      'session-run',
    ]);
    for (const path of ['/_sim', '/_sim/']) {
      expect(await call(simulator, 'GET', path)).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' });
    }
  });

  it('kills a session, and logs nothing of its own requests', async () => {
    const simulator = await simulate();
    await run(simulator, { id: 'one' });
    expect((await call(simulator, 'POST', '/_sim/sessions/one/kill')).status).toBe(204);
    await until('it has ended', () => simulator.ledger.get('one')!.ended === 'killed');
    expect((await call(simulator, 'POST', '/_sim/sessions/one/kill')).status).toBe(404);
    const { json } = await call(simulator, 'GET', '/_sim/requests');
    expect(json.requests.map(({ ordinal, operation }: Record<string, unknown>) => [ordinal, operation])).toEqual([
      [1, 'session-run'],
    ]);
  });
});

it('the simulator logs every request to the API in the order of arrival, refused ones included', async () => {
  const simulator = await simulate();
  await run(simulator, { id: 'one', image: 'empty' });
  await call(simulator, 'GET', '/session?all=true', undefined, {});
  await call(simulator, 'GET', '/nowhere');
  await call(simulator, 'DELETE', '/session/one');
  expect(simulator.requests()).toMatchObject([
    {
      ordinal: 1,
      operation: 'session-run',
      method: 'POST',
      status: 201,
      sessionId: 'one',
      region: EU,
      tokenName: 'token-1',
    },
    { ordinal: 2, operation: 'session-list', path: '/session?all=true', status: 401 },
    { ordinal: 3, operation: 'unknown', status: 404 },
    { ordinal: 4, operation: 'session-stop', path: '/session/one', status: 204, sessionId: 'one', region: EU },
  ]);
});

it('the simulator refuses wrong options, and names all that is wrong with them', async () => {
  const options = {
    host: 'localhost',
    hostPorts: [30000, 20000],
    tokens: { t: ['session:all'] },
    images: {
      a: { command: ['x', '{9/udp}'], ports: ['7777/udp'], regions: ['mars'], warmPool: { venus: -1 }, memory: 1 },
      b: { command: 'sleep 1', ports: ['7777'] },
    },
    latency: 5,
  };
  const problems: string = await startSimulator(options as unknown as SimulatorOptions).then(String, String);
  for (const word of [
    'host',
    'hostPorts',
    'session:all',
    '{9/udp}',
    'mars',
    'venus',
    '-1',
    'a.memory',
    'b.command',
    'latency',
  ]) {
    expect(problems).toContain(word === '-1' ? 'whole number' : word);
  }
});

describe('the simulator’s program', () => {
  const main = fileURLToPath(new URL('../../dev/gameye/main.ts', import.meta.url));

  function program(...args: string[]) {
    const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const output = { text: '' };
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output.text += chunk.toString()));
    const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
    return { child, output, exit };
  }

  it('prints its help, or what is wrong with its flags', async () => {
    const [help, wrong, missing, number] = [
      program('--help'),
      program('--prot', '1'),
      program('--config', '/none'),
      program('--start-ms', 'x'),
    ];
    expect(await Promise.all([help.exit, wrong.exit, missing.exit, number.exit])).toEqual([0, 1, 1, 1]);
    expect(help.output.text).toContain('--region NAME[=N]');
    expect(wrong.output.text).toContain('--prot');
    expect(missing.output.text).toContain('/none');
    expect(number.output.text).toContain('--start-ms');
  });

  it('runs with flags and a file, says where it is and how to try it, and ends its sessions on SIGTERM', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gameye-test-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const faults = [{ operation: 'session-list', on: { ordinals: [2] }, action: { kind: 'status', status: 503 } }];
    const file = { startMs: 0, images: { sleeper }, regions: { mars: {} }, faults };
    writeFileSync(join(folder, 'config.json'), JSON.stringify(file));
    const flags = [
      '--token',
      'mine',
      '--token',
      'weak=session:read',
      '--region',
      `${EU}=1`,
      '--region',
      US,
      '--quota',
      '5',
    ];
    const { child, output, exit } = program('--config', join(folder, 'config.json'), ...flags);
    const url = await until(
      'it says how to try it',
      () => /try +curl -s -X POST (\S+)\/session .*\n/.exec(output.text)?.[1],
    );
    for (const word of ['mine', 'weak  (session:read)', `${EU}, ${US}`, 'sleeper', '/_sim'])
      expect(output.text).toContain(word);
    const simulator = { url } as Simulator;
    const headers = { authorization: 'Bearer mine' };
    const start = () => call(simulator, 'POST', '/session', { location: EU, image: 'sleeper' }, headers);
    expect([(await start()).status, (await start()).status]).toEqual([201, 420]);
    expect((await call(simulator, 'GET', '/session', undefined, { authorization: 'Bearer weak' })).status).toBe(200);
    expect((await call(simulator, 'GET', '/session', undefined, headers)).status).toBe(503);
    await expect(listed(simulator)).rejects.toThrow(); // sim-token is not among the tokens
    const { json } = await call(simulator, 'GET', '/_sim/ledger');
    expect(isAlive(json.entries[0].pid)).toBe(true);
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(isAlive(json.entries[0].pid)).toBe(false);
  });
});
