import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { afterAll, describe, expect, it } from 'vitest';
import type { Simulator } from '../../dev/gameye/simulator.ts';
import { HOW_TO_GET_ONE, startBrowser } from '../../dev/stack/browser.ts';
import { click, openLive, set, shows, textOf } from './page-helpers.ts';
import { call, empty, EU, listed, run, simulate, simulateForAll, until, US } from './helpers.ts';

/** Runs in the page. */
const contrasts = readFileSync(new URL('contrasts.js', import.meta.url), 'utf8');

const FILES = ['page.css', 'page.js', 'page-faults.js', 'page-view.js'];

describe('the simulator’s page', () => {
  const simulator = simulateForAll();

  it('needs nothing from elsewhere, and its scripts come from its own files only', async () => {
    const page = await call(simulator(), 'GET', '/_sim', undefined, {});
    expect(page).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' });
    expect(page.text).not.toMatch(/https?:|<script(?![^>]*src="\/_sim)|\son\w+=|style=/);
    for (const file of FILES) {
      const { status, text } = await call(simulator(), 'GET', `/_sim/${file}`, undefined, {});
      expect([status, text.length > 500], file).toEqual([200, true]);
      expect(text, file).not.toMatch(/https?:|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/);
    }
  });

  it('does not let the page of another site end sessions or switch faults', async () => {
    const { url } = simulator();
    await run(simulator(), { id: 'kept', image: 'empty' });
    const kill = (origin: string) => call(simulator(), 'POST', '/_sim/sessions/kept/kill', undefined, { origin });
    expect((await kill('http://elsewhere.example')).status).toBe(403);
    expect((await call(simulator(), 'GET', '/_sim/state', undefined, { origin: 'null' })).status).toBe(403);
    expect(await listed(simulator())).toContain('kept');
    // Behind a proxy that speaks TLS it is its own page all the same.
    const own = url.replace('http:', 'https:');
    expect((await call(simulator(), 'GET', '/_sim/state', undefined, { origin: own })).status).toBe(200);
    expect((await kill(url)).status).toBe(204);
  });

  it('stops a session as DELETE does, once', async () => {
    await run(simulator(), { id: 'stopped' });
    const stop = () => call(simulator(), 'POST', '/_sim/sessions/stopped/stop', undefined, {});
    expect([(await stop()).status, (await stop()).status]).toEqual([204, 409]);
    await until('it has ended', () => simulator().ledger.get('stopped')?.ended === 'stop');
  });
});

const started = await startBrowser();
if (!started)
  process.stderr.write(`*** No browser works: the simulator's page is not tested in one. ${HOW_TO_GET_ONE} ***\n`);
afterAll(() => started?.browser.close());

describe.skipIf(!started)(`the simulator’s page in a browser (${started?.from ?? 'there is none'})`, () => {
  const open = (simulator: Simulator, width?: number) => openLive(started!.browser, simulator, width);

  it('shows sessions with their seats as players come and go, until they end', async () => {
    const simulator = await simulate();
    const page = await open(simulator);
    expect(await textOf(page, '#no-sessions:not([hidden])')).toContain('No session runs');
    await run(simulator, { id: 'one', image: 'empty', env: { NAKAMA_MATCH_USER_IDS: 'ana,ben,cleo' } });
    await shows(page, '#sessions', /running.*one.*eu-central-1.*empty:latest.*127\.0\.0\.1:\d+/s);
    const seats = () => page.evaluate("document.querySelector('#sessions [role=img]').ariaLabel");
    const seen = async (text: string) => until(text, async () => (await seats()) === text);
    await seen('0 of 3 players');
    await call(simulator, 'PUT', '/session/player/join', { session: 'one', players: ['ana', 'ben'] });
    await seen('2 of 3 players');
    expect(await page.evaluate("document.querySelector('#sessions [role=img]').title")).toBe('ana\nben');
    await shows(page, '#tiles', '2players in them');
    await click(page, 'Stop session one');
    await until('it has ended', () => simulator.ledger.get('one')?.ended === 'stop');
    await shows(page, '#tiles', '1 (1 stop)sessions ended');
    expect(await textOf(page, '#sessions')).toBe('');
    await run(simulator, { id: 'two', labels: { nakama_mode: 'arena' } });
    await shows(page, '#sessions', /two.*arena/s);
    await click(page, 'Crash session two (kill -9)');
    await until('it has ended', () => simulator.ledger.get('two')?.ended === 'killed');
    expect(page.complaints).toEqual([]);
  });

  it('shows how full regions are, and changes capacities, outages and settings', async () => {
    const simulator = await simulate();
    const page = await open(simulator);
    await run(simulator, { id: 'one' });
    await shows(page, '#regions article', /eu-central-1open.*1 running, 0 starting, 1 of 1000 taken/s);
    await set(page, `[aria-label="Capacity of ${EU}"]`, '1');
    await shows(page, '#regions article', /eu-central-1full.*1 of 1 taken/s);
    expect((await run(simulator)).status).toBe(420);
    await click(page, `Outage of ${US}`);
    await shows(page, '#regions article', 'us-east-1outage');
    expect((await run(simulator, { location: US })).status).toBe(420);
    await click(page, `Outage of ${US}`);
    await shows(page, '#regions article', 'us-east-1open');
    await set(page, '[data-setting=quota]', '1');
    await until('the quota', async () => (await run(simulator, { location: US })).status === 402);
    await set(page, `[aria-label="Capacity of ${EU}"]`, '-5');
    await shows(page, '#note', 'capacity');
    expect((await call(simulator, 'GET', '/_sim/state')).json.regions[0].capacity).toBe(1);
  });

  it('shows requests, the newest first, with what became of them, and finds some of them', async () => {
    const simulator = await simulate();
    simulator.faults.add({ operation: 'session-list', on: 'always', action: { kind: 'status', status: 503 } });
    const page = await open(simulator);
    await run(simulator, { id: 'one', image: 'empty' });
    await call(simulator, 'GET', '/session');
    await call(simulator, 'GET', '/session/none');
    const rows = () => textOf(page, '#requests tr');
    await until('three requests', async () => (await rows()).split('|').length === 3);
    const [third, second, first] = (await rows()).split('|');
    expect(first).toMatch(/^1session-runPOST \/sessioneu-central-1201\d+ ms$/);
    expect(second).toMatch(/^2session-listGET \/session503\d+ msfault-1 status$/);
    expect(third).toMatch(/^3describe-sessionGET \/session\/none404\d+ ms$/);
    await set(page, '#search', 'fault-1');
    expect(await rows()).toBe(second);
  });

  it('adds faults of every kind and removes them', async () => {
    const simulator = await simulate();
    const page = await open(simulator);
    const kinds: string[] = await page.evaluate(
      '[...document.querySelectorAll("[name=kind] option")].map((o) => o.value)',
    );
    for (const [i, kind] of kinds.entries()) {
      await set(page, '[name=kind]', kind);
      await set(page, '[name=when]', ['always', 'times', 'ordinals', 'rate'][i % 4]!);
      await page.evaluate("document.getElementById('add').requestSubmit()");
      await until(`fault ${i + 1}`, () => simulator.faults.list().length === i + 1);
    }
    const presets: number = await page.evaluate("document.querySelectorAll('#presets button').length");
    await page.evaluate("document.querySelectorAll('#presets button').forEach((one) => one.click())");
    const all = kinds.length + presets;
    await until('the common ones', () => simulator.faults.list().length === all);
    expect(simulator.faults.list()).toMatchObject([
      { on: 'always', action: { kind: 'status', status: 503 } },
      { on: { times: 1 }, action: { kind: 'delay', ms: 2000 } },
      { on: { ordinals: [1] }, action: { kind: 'drop', when: 'before' } },
      { on: { rate: 0.01 }, action: { kind: 'drop', when: 'after' } },
      ...Array<object>(all - 4).fill({}),
    ]);
    await shows(page, '#faults', 'status 502 as an HTML page');
    await click(page, 'Remove fault-2');
    await until('one less', () => !simulator.faults.list().some(({ id }) => id === 'fault-2'));
    await page.evaluate("document.getElementById('clear').click()");
    await until('none', () => simulator.faults.list().length === 0);
    await shows(page, '#no-faults:not([hidden])', 'None');
    expect(page.complaints).toEqual([]);
  });

  it('adds a fault for one operation in one region, and counts its hits', async () => {
    const simulator = await simulate();
    const page = await open(simulator);
    await set(page, '[name=kind]', 'status');
    await set(page, '[name=amount]', '420');
    await set(page, '[name=operation]', 'session-run');
    await set(page, '[name=region]', US);
    await page.evaluate("document.getElementById('add').requestSubmit()");
    await shows(page, '#faults', 'status 420session-run in us-east-1, always');
    expect([(await run(simulator, { location: US })).status, (await run(simulator)).status]).toEqual([420, 201]);
    await shows(page, '#faults', 'hit 1 of 1');
  });

  it('takes names and paths for text, whatever is in them', async () => {
    const evil = '<img src=x onerror=document.hacked=1>';
    const simulator = await simulate({ images: { [evil]: empty }, regions: { [EU]: {}, [evil]: {} } });
    const page = await open(simulator);
    await run(simulator, { id: 'one', image: evil, location: evil });
    await call(simulator, 'PUT', '/session/player/join', { session: 'one', players: [evil] });
    // Not by `call`: a URL would be encoded.
    const { port } = new URL(simulator.url);
    await new Promise((resolve) => get({ port, path: `/${evil.replaceAll(' ', '/')}` }, resolve));
    simulator.faults.add({ operation: 'session-list', on: 'always', action: { kind: 'body', body: evil } });
    for (const list of ['#regions', '#sessions', '#faults']) await shows(page, list, evil);
    await shows(page, '#requests', 'GET /<img/src=x');
    expect(await page.evaluate('[document.images.length, document.hacked ?? null]')).toEqual([0, null]);
    expect(page.complaints).toEqual([]);
  });

  it('never holds a token or what a container’s environment says', async () => {
    const simulator = await simulate({
      tokens: { 'sim-token': ['session:start', 'session:read'], 'other-token': [] },
    });
    const page = await open(simulator);
    await run(simulator, { id: 'one', image: 'empty', env: { SEAT_SECRET: 'seat-value' } });
    await call(simulator, 'GET', '/session', undefined, { authorization: 'Bearer other-token' });
    await shows(page, '#requests', 'session-list');
    const everything: string = await page.evaluate('document.documentElement.outerHTML');
    const { text: state } = await call(simulator, 'GET', '/_sim/state');
    for (const shown of [everything, state]) expect(shown).not.toMatch(/sim-token|other-token|seat-value/);
    expect(state).toContain('"one"');
  });

  it('asks nobody but the simulator', async () => {
    const simulator = await simulate();
    const page = await open(simulator);
    await run(simulator);
    await shows(page, '#sessions', 'running');
    const paths = page.requested.map((url) => url.replace(simulator.url, '')).filter((path) => path !== 'data:,');
    const files = FILES.map((file) => `/_sim/${file}`);
    expect([...new Set(paths)].sort()).toEqual(['/_sim', ...files, '/_sim/state'].sort());
  });

  it('leaves a field alone while somebody types in it', async () => {
    const simulator = await simulate();
    const page = await open(simulator);
    await page.evaluate(`document.querySelector('[aria-label="Capacity of ${EU}"]').select()`);
    await page.evaluate(`document.querySelector('[aria-label="Capacity of ${EU}"]').focus()`);
    await page.keyboard.insertText('77');
    await run(simulator, { id: 'one' });
    await shows(page, '#sessions', 'one');
    expect(await page.evaluate('document.activeElement.value')).toBe('77');
    await page.evaluate('document.activeElement.blur()');
    await until('the capacity', async () => (await textOf(page, '#regions')).includes('1 of 77 taken'));
  });

  it('says so when the simulator is gone', async () => {
    const simulator = await simulate();
    const page = await open(simulator);
    await simulator.stop();
    await shows(page, '#connection', 'no answer');
  });

  it.each([1280, 700, 360])('fits a window of %i pixels', async (width) => {
    const simulator = await simulate();
    const page = await open(simulator, width);
    await run(simulator, { id: 'x'.repeat(128), image: 'empty' });
    await shows(page, '#sessions', 'xxx');
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
  });

  it.each(['light', 'dark'] as const)('can be read in %s colours', async (scheme) => {
    const simulator = await simulate({ regions: { [EU]: {}, [US]: { outage: true }, full: { capacity: 0 } } });
    await run(simulator, { image: 'empty' });
    simulator.faults.add({ operation: 'session-list', on: 'always', action: { kind: 'truncate' } });
    const page = await open(simulator);
    await page.emulateMedia({ colorScheme: scheme });
    await shows(page, '#sessions', 'running');
    const faint = await page.evaluate<string[]>(contrasts);
    expect(faint).toEqual([]);
    const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const [red = 0] = background.match(/\d+/g)?.map(Number) ?? [];
    expect(red < 128).toBe(scheme === 'dark');
  });
});
