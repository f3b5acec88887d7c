import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Simulator } from '../../dev/gameye/simulator.ts';
import { call, run, script, simulate, until } from './helpers.ts';

const logs = async (simulator: Simulator): Promise<string> => (await call(simulator, 'GET', '/logs?id=one')).text;

describe('the simulator’s /logs', () => {
  it('has what a game server wrote to stdout and stderr, also after its end', async () => {
    const simulator = await simulate({ images: { game: script(`console.log('out'); console.error('err')`) } });
    await run(simulator, { id: 'one', image: 'game' });
    await until('it has ended', () => simulator.ledger.get('one')!.endedAtMs);
    await until('both lines are there', async () => (await logs(simulator)).length === 8);
    expect((await logs(simulator)).split('\n').sort()).toEqual(['', 'err', 'out']);
  });

  it('keeps the end of a long output', async () => {
    const source = `for (let i = 0; i < 20000; i++) console.log('line ' + i + ' of a very talkative game server')`;
    const simulator = await simulate({ images: { game: script(source) } });
    await run(simulator, { id: 'one', image: 'game' });
    const text = await until('the last line is there', async () => {
      const text = await logs(simulator);
      return text.includes('line 19999 ') ? text : undefined;
    });
    expect(text.length).toBeLessThanOrEqual(256 * 1024 + 65_536);
    expect(text).not.toContain('line 0 ');
  });

  it('follows a session until it ends', async () => {
    const source = `let n = 0; console.log('line ' + n++); process.on('SIGTERM', () => { console.log('bye'); process.exit(0); }); setInterval(() => {}, 1000)`;
    const simulator = await simulate({ images: { game: script(source) } });
    await run(simulator, { id: 'one', image: 'game' });
    await until('it has written', async () => (await logs(simulator)) === 'line 0\n');
    const headers = { authorization: 'Bearer sim-token' };
    const response = await fetch(`${simulator.url}/logs?id=one&follow=true`, { headers });
    expect(response.headers.get('content-type')).toBe('text/plain');
    await call(simulator, 'DELETE', '/session/one');
    expect(await response.text()).toBe('line 0\nbye\n');
  });

  it('is empty for a session without a process', async () => {
    const simulator = await simulate();
    await run(simulator, { id: 'one', image: 'empty' });
    expect(await call(simulator, 'GET', '/logs?id=one')).toMatchObject({ status: 200, type: 'text/plain', text: '' });
  });
});

describe('the simulator’s /artifacts', () => {
  const WRITER = script(`
    const fs = require('fs'), home = process.env.HOME;
    fs.mkdirSync(home + '/game/logs', { recursive: true });
    fs.writeFileSync(home + '/game/logs/crash.log', 'it crashed');
    fs.symlinkSync('/etc', home + '/etc-link');
    fs.writeFileSync(home + '/--version', 'odd');
  `);

  async function ended(): Promise<Simulator> {
    const simulator = await simulate({ images: { game: WRITER } });
    await run(simulator, { id: 'one', image: 'game' });
    await until('it has ended', () => simulator.ledger.get('one')!.endedAtMs);
    return simulator;
  }

  async function unpack(simulator: Simulator, path: string): Promise<string> {
    const query = new URLSearchParams({ session: 'one', path });
    const response = await fetch(`${simulator.url}/artifacts?${query}`, {
      headers: { authorization: 'Bearer sim-token' },
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-tar']);
    const folder = mkdtempSync(join(tmpdir(), 'gameye-test-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'artifact.tar.gz'), Buffer.from(await response.arrayBuffer()));
    execFileSync('tar', ['-xzf', 'artifact.tar.gz'], { cwd: folder });
    return folder;
  }

  it('gives a file or a folder that the game server left in its home, as .tar.gz', async () => {
    const simulator = await ended();
    expect(readFileSync(join(await unpack(simulator, '/game/logs/crash.log'), 'crash.log'), 'utf8')).toBe('it crashed');
    expect(readFileSync(join(await unpack(simulator, '/game'), 'game/logs/crash.log'), 'utf8')).toBe('it crashed');
    expect(readdirSync(await unpack(simulator, '/--version'))).toContain('--version');
  });

  it.each(['/none', '/../../../../etc/hostname', '/etc-link', '/etc-link/hostname'])(
    'has nothing at %s',
    async (path) => {
      const simulator = await ended();
      const query = new URLSearchParams({ session: 'one', path });
      expect((await call(simulator, 'GET', `/artifacts?${query}`)).status).toBe(404);
    },
  );

  it('gives nothing of a session that still runs, or that has no absolute path', async () => {
    const simulator = await simulate();
    await run(simulator, { id: 'one' });
    expect((await call(simulator, 'GET', '/artifacts?session=one&path=/')).status).toBe(404);
    expect((await call(simulator, 'GET', '/artifacts?session=one&path=game')).status).toBe(422);
  });
});
