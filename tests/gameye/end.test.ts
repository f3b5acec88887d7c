import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { startSimulator, type LedgerEntry, type Simulator } from '../../dev/gameye/simulator.ts';
import { call, empty, isAlive, listed, ports, run, script, simulate, sleeper, until } from './helpers.ts';

const STUBBORN = script(
  `process.on('SIGTERM', () => console.log('no')); console.log('up'); setInterval(() => {}, 1000)`,
);
const POLITE = script(`process.on('SIGTERM', () => process.exit(7)); console.log('up'); setInterval(() => {}, 1000)`);

async function started(simulator: Simulator, fields: Record<string, unknown>): Promise<LedgerEntry> {
  const { json } = await run(simulator, fields);
  return simulator.ledger.get(json.id)!;
}

const isUp = (simulator: Simulator, id: string) =>
  until('its process is up', async () => (await call(simulator, 'GET', `/logs?id=${id}`)).text.includes('up'));

const hasEnded = (entry: LedgerEntry) => until('it has ended', () => entry.endedAtMs);

const statusOf = async (simulator: Simulator, id: string): Promise<string> =>
  (await call(simulator, 'GET', `/session/${id}`)).json.status;

it('the simulator ends a session that is stopped, with the exit code its process chose', async () => {
  const simulator = await simulate({ images: { game: POLITE } });
  const entry = await started(simulator, { id: 'one', image: 'game' });
  await isUp(simulator, 'one');
  expect((await call(simulator, 'DELETE', '/session/one')).status).toBe(204);
  await hasEnded(entry);
  expect(entry).toMatchObject({ ended: 'stop', exitCode: 7 });
  expect(entry.endedAtMs).toBeGreaterThanOrEqual(entry.stopRequestedAtMs!);
  expect(isAlive(entry.pid!)).toBe(false);
  expect(await statusOf(simulator, 'one')).toBe('exited');
  expect((await call(simulator, 'DELETE', '/session/one')).status).toBe(409);
});

it('the simulator kills a process that ignores SIGTERM, after the grace, and the session is shutting down until then', async () => {
  const simulator = await simulate({ images: { game: STUBBORN }, killGraceMs: 1000 });
  const entry = await started(simulator, { id: 'one', image: 'game' });
  await isUp(simulator, 'one');
  await call(simulator, 'DELETE', '/session/one');
  expect(await statusOf(simulator, 'one')).toBe('shuttingdown');
  expect(await listed(simulator)).toEqual([]);
  expect((await call(simulator, 'DELETE', '/session/one')).status).toBe(409);
  await hasEnded(entry);
  expect(entry).toMatchObject({ ended: 'stop', exitCode: 137 });
  expect(entry.endedAtMs! - entry.stopRequestedAtMs!).toBeGreaterThanOrEqual(990);
  expect(isAlive(entry.pid!)).toBe(false);
});

it('the simulator answers 404 to a stop of a session that never was', async () => {
  expect((await call(await simulate(), 'DELETE', '/session/none')).status).toBe(404);
});

it('the simulator stops a session that is still being started: it never runs', async () => {
  const simulator = await simulate({ startMs: 5000 });
  const starting = run(simulator, { id: 'one' });
  const entry = await until('it is starting', () => simulator.ledger.get('one'));
  expect((await call(simulator, 'DELETE', '/session/one')).status).toBe(204);
  expect((await starting).status).toBe(420);
  expect(entry).toMatchObject({ ended: 'stop', endedAtMs: expect.any(Number) });
  expect(entry.runningAtMs).toBeUndefined();
});

it('the simulator records a process that ends by itself, and how', async () => {
  const simulator = await simulate({ images: { good: script(''), bad: script('process.exit(3)') } });
  const good = await started(simulator, { image: 'good' });
  const bad = await started(simulator, { image: 'bad' });
  await Promise.all([hasEnded(good), hasEnded(bad)]);
  expect(good).toMatchObject({ ended: 'exit', exitCode: 0 });
  expect(bad).toMatchObject({ ended: 'exit', exitCode: 3 });
  expect(await listed(simulator)).toEqual([]);
  expect(await listed(simulator, '?all=true')).toEqual([good.id, bad.id]);
});

it('the simulator records a process that is killed with kill -9', async () => {
  const simulator = await simulate();
  const entry = await started(simulator, {});
  process.kill(entry.pid!, 'SIGKILL');
  await hasEnded(entry);
  expect(entry).toMatchObject({ ended: 'killed', exitCode: 137 });
  expect(entry.stopRequestedAtMs).toBeUndefined();
  expect(await statusOf(simulator, entry.id)).toBe('dead');
});

it('the simulator can kill a session as a crash would, with or without a process', async () => {
  const simulator = await simulate();
  const entries = [await started(simulator, {}), await started(simulator, { image: 'empty' })];
  for (const entry of entries) {
    expect(simulator.kill(entry.id)).toBe(true);
    await hasEnded(entry);
    expect(entry).toMatchObject({ ended: 'killed', exitCode: 137 });
    expect(simulator.kill(entry.id)).toBe(false);
  }
});

it('the simulator ends the child processes of a game server with it', async () => {
  const command = ['/bin/sh', '-c', 'sleep 1000 & echo $!; wait'];
  const simulator = await simulate({ images: { game: { command, ports } } });
  const entry = await started(simulator, { image: 'game' });
  const child = await until('it has a child', async () =>
    Number((await call(simulator, 'GET', `/logs?id=${entry.id}`)).text),
  );
  expect(isAlive(child)).toBe(true);
  process.kill(entry.pid!, 'SIGKILL');
  await hasEnded(entry);
  await until('its child is gone', () => !isAlive(child) || isZombie(child));
});

it.each([
  ['1m', 60],
  ['0m', 60],
  ['2h30m', 9000],
])('the simulator ends a session when its ttl of %s is over, by force', async (ttl, expectedMs) => {
  const simulator = await simulate({ images: { game: STUBBORN }, ttlScale: 0.001 });
  if (expectedMs > 1000) simulator.configure({ ttlScale: 0.00001 });
  const entry = await started(simulator, { image: 'game', ttl });
  await hasEnded(entry);
  expect(entry.ended).toBe('ttl');
  const scaled = expectedMs > 1000 ? expectedMs / 100 : expectedMs;
  expect(entry.endedAtMs! - entry.runningAtMs!).toBeGreaterThanOrEqual(scaled - 2);
  expect(isAlive(entry.pid!)).toBe(false);
});

it('the simulator does not end a session early whose ttl is longer than a timer can be', async () => {
  const simulator = await simulate();
  const entry = await started(simulator, { image: 'empty', ttl: '1000h' });
  await call(simulator, 'GET', '/session'); // a timer that overflows fires within a millisecond
  expect(entry.endedAtMs).toBeUndefined();
});

it('the simulator starts the process again when it fails and the request asks for that, with the same ports', async () => {
  const game = script(`console.log(process.env.GAMEYE_PORT_UDP_7777); setTimeout(() => process.exit(1), 20)`);
  const simulator = await simulate({ images: { game } });
  const entry = await started(simulator, { image: 'game', restart: true });
  await until('it has run three times', () => entry.restarts >= 2);
  expect(entry.endedAtMs).toBeUndefined();
  const lines = (await call(simulator, 'GET', `/logs?id=${entry.id}`)).text.trim().split('\n');
  expect(lines.length).toBeGreaterThanOrEqual(2);
  expect(new Set(lines).size).toBe(1);
  await call(simulator, 'DELETE', `/session/${entry.id}`);
  await hasEnded(entry);
  expect(entry.ended).toBe('stop');
});

it('the simulator does not start a process again that succeeded, or that nobody wants restarted', async () => {
  const simulator = await simulate({ images: { good: script(''), bad: script('process.exit(1)') } });
  for (const fields of [{ image: 'good', restart: true }, { image: 'bad' }]) {
    const entry = await started(simulator, fields);
    await hasEnded(entry);
    expect(entry).toMatchObject({ ended: 'exit', restarts: 0 });
  }
});

it('the simulator leaves no process and no file when it stops, not even of a session that is being started', async () => {
  const before = workFolders();
  const simulator = await startSimulator({
    startMs: 0,
    killGraceMs: 100,
    images: { sleeper, empty, stubborn: STUBBORN },
  });
  const entries = [await started(simulator, {}), await started(simulator, { image: 'stubborn' })];
  await isUp(simulator, entries[1]!.id);
  await started(simulator, { image: 'empty' });
  simulator.configure({ startMs: 60_000 });
  const starting = run(simulator, { id: 'late' }).catch(() => 'connection closed');
  await until('it is starting', () => simulator.ledger.get('late'));
  await simulator.stop();
  await starting;
  expect(entries.map((entry) => isAlive(entry.pid!))).toEqual([false, false]);
  expect(simulator.ledger.entries.map(({ ended }) => ended)).toEqual(Array(4).fill('shutdown'));
  expect(workFolders().filter((name) => !before.includes(name) && name.includes(`-${process.pid}-`))).toEqual([]);
  await simulator.stop(); // a second time does no harm
});

it('the simulator leaves no process and no file when it is killed with kill -9', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gameye-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const config = join(folder, 'config.json');
  writeFileSync(config, JSON.stringify({ startMs: 0, images: { sleeper } }));
  const main = fileURLToPath(new URL('../../dev/gameye/main.ts', import.meta.url));
  const program = spawn(process.execPath, ['--import', 'tsx', main, '--config', config], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void program.kill('SIGKILL'));
  let output = '';
  program.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const url = await until('it says its address', () => /http:\/\/[\d.:]+/.exec(output)?.[0]);
  const simulator = { url } as Simulator;
  const { json } = await run(simulator, {});
  const { json: ledger } = await call(simulator, 'GET', '/_sim/ledger');
  const { id, pid } = ledger.entries[0] as LedgerEntry;
  expect(id).toBe(json.id);
  expect(isAlive(pid!)).toBe(true);
  const workFolder = workFolders().find((name) => name.includes(`-${program.pid}-`));
  expect(workFolder).toBeDefined();

  program.kill('SIGKILL');
  await once(program, 'exit');
  await until('its game server is gone', () => !isAlive(pid!) || isZombie(pid!));
  await until('its work folder is gone', () => !existsSync(join(tmpdir(), workFolder!)));
});

function workFolders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('gameye-sim-'));
}

/** An orphan that has ended, and that the machine's first process has not taken note of: nothing runs any more. */
function isZombie(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) && / Z /.test(readFileSync(stat, 'utf8'));
}
