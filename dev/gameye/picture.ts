/*
 * Takes the README's picture of the simulator's page: `node --import tsx dev/gameye/picture.ts dev/gameye/page.png`.
 * What it shows is made up here: sessions without processes, some players, a full region, an outage and a fault.
 */
import { writeFile } from 'node:fs/promises';
import { HOW_TO_GET_ONE, openPage, startBrowser } from '../stack/browser.ts';
import { until } from '../stack/until.ts';
import { startSimulator } from './simulator.ts';

const file = process.argv[2] ?? 'dev/gameye/page.png';
const started = await startBrowser();
if (!started) throw new Error(`No browser works. ${HOW_TO_GET_ONE}`);
const { browser } = started;
const simulator = await startSimulator({
  startMs: 180,
  regions: { 'eu-central-1': { capacity: 8 }, 'eu-west-1': { capacity: 3 }, 'us-east-1': { capacity: 20 } },
  images: { 'demo-game': { command: [], ports: ['7777/udp', '8080/tcp'], tags: ['1.4.0'] } },
});

async function call(method: string, path: string, body?: object): Promise<void> {
  const headers = { authorization: 'Bearer sim-token', ...(body ? { 'content-type': 'application/json' } : {}) };
  await fetch(simulator.url + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) }).catch(
    () => {},
  );
}

const id = (n: number): string =>
  `${(0x5a3c91e7 + n * 0x1b7d34f1).toString(16).slice(-8)}-4c1e-4d7a-9b60-2f81d6a3${1000 + n}`;

/** A session that was started for four, of whom some have come. */
async function session(n: number, location: string, players: number): Promise<void> {
  const labels = { nakama_mode: n % 2 === 0 ? 'duel' : 'arena' };
  const expected = ['ana', 'ben', 'cleo', 'dan'];
  const env = { NAKAMA_MATCH_USER_IDS: expected.join(',') };
  await call('POST', '/session', { id: id(n), location, image: 'demo-game', env, labels });
  if (players > 0) await call('PUT', '/session/player/join', { session: id(n), players: expected.slice(0, players) });
}

try {
  const near = ['eu-central-1', 'eu-west-1', 'eu-central-1', 'eu-west-1', 'us-east-1'];
  for (const [n, region] of near.entries()) await session(n, region, [4, 3, 4, 2, 1][n] ?? 0);
  await session(5, 'eu-west-1', 4);
  await session(6, 'eu-west-1', 0);
  simulator.faults.add({
    operation: 'session-run',
    on: { rate: 0.5, seed: 3 },
    action: { kind: 'drop', when: 'after' },
  });
  for (const n of [7, 8]) await session(n, 'eu-central-1', 2);
  await call('GET', `/session/${id(7)}`);
  await call('DELETE', `/session/${id(2)}`);
  simulator.faults.add({ operation: 'session-list', region: 'us-east-1', on: 'always', action: { kind: 'truncate' } });
  simulator.configure({ regions: { 'us-east-1': { outage: true } } });
  const page = await openPage(browser, `${simulator.url}/_sim`);
  await page.setViewportSize({ width: 1280, height: 960 });
  await until(() => page.evaluate<boolean>("document.querySelectorAll('#requests tr').length > 5"), 10_000, 'the page');
  await writeFile(file, await page.screenshot());
} finally {
  await browser.close();
  await simulator.stop();
}
