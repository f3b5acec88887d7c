import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startChild } from '../../dev/stack/child.ts';
import { startNakama, type Nakama } from '../../dev/stack/nakama.ts';
import { projectRoot } from '../../dev/stack/paths.ts';
import { until } from '../../dev/stack/until.ts';

/** A program with Nakama's command line that does what its environment says; `runs` counts how often it was started. */
const PROGRAM = `#!${process.execPath}
const { appendFileSync, readFileSync } = require('node:fs');
const value = (flag) => process.argv[process.argv.lastIndexOf(flag) + 1];
const log = (level, msg) => console.log(JSON.stringify({ level, msg }));
if (process.argv[2] === '--version') return console.log('9.9.9+fake');
if (process.argv[2] === 'migrate') return log('info', 'migrated');
appendFileSync(process.env.RUNS, process.argv.slice(2).join(' ') + '\\n');
const runs = readFileSync(process.env.RUNS, 'utf8').trim().split('\\n').length;
if (process.env.BEHAVIOUR === 'dies') { log('fatal', 'the module is broken'); process.exit(1); }
if (process.env.BEHAVIOUR === 'clash' && runs < 3) { log('fatal', 'listen tcp: bind: address already in use'); process.exit(1); }
if (process.env.BEHAVIOUR === 'deaf') process.on('SIGTERM', () => {});
require('node:http').createServer((request, response) => response.end('{}')).listen(Number(value('--socket.port')), '127.0.0.1', () => {
  if (process.env.BEHAVIOUR !== 'slow') log('info', 'Startup done');
});
`;

let folder = '';
let binary = '';

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'fake-nakama-'));
  binary = path.join(folder, 'nakama');
  await writeFile(binary, PROGRAM);
  await chmod(binary, 0o755);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function start(behaviour: string, more: { name?: string; startDeadlineMs?: number } = {}): Promise<Nakama> {
  const processEnv = { BEHAVIOUR: behaviour, RUNS: path.join(folder, behaviour) };
  const env = { GAMEYE_NAKAMA_URL: '{nakama}' };
  return startNakama({ runtime: { kind: 'real', binary }, database: 'u:p@127.0.0.1:1/d', env, processEnv, ...more });
}

const runsOf = async (behaviour: string) => (await readFile(path.join(folder, behaviour), 'utf8')).trim().split('\n');

describe('startNakama', () => {
  it('resolves when the server answers, with its version, its log and its address in the variables', async () => {
    const nakama = await start('fine');
    expect(nakama).toMatchObject({ kind: 'real', version: '9.9.9', name: 'n1' });
    expect(nakama.logs.map((entry) => entry.msg)).toEqual(['Startup done']);
    expect((await runsOf('fine'))[0]).toContain(`--runtime.env GAMEYE_NAKAMA_URL=${nakama.url}`);
    await nakama.stop();
    expect(nakama.isRunning()).toBe(false);
  });

  it('takes other ports when another program has just taken the first ones', async () => {
    const nakama = await start('clash');
    const ports = (await runsOf('clash')).map((line) => /--socket\.port (\d+)/.exec(line)?.[1]);
    expect(ports).toHaveLength(3);
    expect(nakama.url).toBe(`http://127.0.0.1:${ports[2]}`);
    await nakama.stop();
  });

  it('fails with the output of a server that ends while it starts', async () => {
    await expect(start('dies')).rejects.toThrow(/Nakama 9\.9\.9.* ended while it started[^]*the module is broken/);
    expect(await runsOf('dies')).toHaveLength(1);
  });

  it('gives up on a server that does not get ready, and ends it', async () => {
    await expect(start('slow', { startDeadlineMs: 700 })).rejects.toThrow(/did not start: waited 700 ms/);
    const port = /--socket\.port (\d+)/.exec((await runsOf('slow'))[0] as string)?.[1];
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  it('refuses a node name that Nakama would refuse', async () => {
    await expect(start('fine', { name: 'a-name-of-17-char' })).rejects.toThrow(/1 to 16 characters/);
  });

  it('kills a server at once, as a crash would', async () => {
    const nakama = await start('deaf');
    await nakama.kill();
    expect(await nakama.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });
});

describe('a program that was started', () => {
  it('is killed when it does not end in time', async () => {
    const script = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("up")';
    let line = '';
    const onLine = (text: string): void => void (line = text);
    const child = await startChild({ command: process.execPath, args: ['-e', script], cwd: '.', env: {}, onLine });
    await until(() => line === 'up', 10_000, 'the program');
    expect(await child.stop(50)).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('does not outlive a parent that is killed', async () => {
    const module = JSON.stringify(path.join(projectRoot, 'dev', 'stack', 'child.ts'));
    const sleeper = `{ command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'], cwd: '.', env: {}, onLine() {} }`;
    const script = `import(${module}).then(async (m) => console.log('pid', (await m.startChild(${sleeper})).pid))`;
    let pid = 0;
    const parent = await startChild({
      command: process.execPath,
      args: ['--import', 'tsx', '-e', script],
      cwd: projectRoot,
      env: { PATH: process.env['PATH'] ?? '' },
      onLine: (line) => void (pid ||= Number(/^pid (\d+)$/.exec(line)?.[1] ?? 0)),
    });
    await until(() => pid > 0, 15_000, 'the grandchild');
    expect(isAlive(pid)).toBe(true);
    process.kill(parent.pid, 'SIGKILL');
    await until(() => !isAlive(pid), 10_000, 'the end of the grandchild');
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // ESRCH: no such process.
  }
}
