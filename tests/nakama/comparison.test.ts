import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { findNakama, type NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { call, modules, newDatabase, startNode, usePostgres } from './support.ts';

/*
 * One module, observed on the embedded runtime and on real servers. The recordings were made on real servers; a real one
 * that is here is asked again. With RECORD=1 its answers become the recording.
 */

usePostgres();

const RECORDED = ['3.22.0', '3.40.0'];
const THROWS = [
  'error',
  'plain',
  'code',
  'coded',
  'string',
  'null',
  'number',
  'object',
  'unknown',
  'fraction',
  'nothing',
];

/** One line for each observation: its name and what was seen, as JSON. */
type Observations = string[];

const recording = (version: string): string => path.join(modules, `observed-${version}.txt`);

/** Places in the code, folders and times: these differ by nature. */
function normalize(value: unknown, folder: string): unknown {
  if (typeof value === 'string')
    return value
      .replace(/ ?(at [\w$]+ )?\(?observe\.js(:\d+:\d+\(\d+\))?\)?/g, '')
      .replaceAll(folder, '<modules>')
      .trimEnd();
  if (Array.isArray(value)) return value.map((item) => normalize(item, folder));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, /Time$/.test(key) ? 'time' : normalize(item, folder)]));
}

async function observe(runtime: NakamaRuntime): Promise<Observations> {
  const node = await startNode({
    runtime,
    modulePath: path.join(modules, 'observe.js'),
    database: await newDatabase(),
  });
  const calls = JSON.parse((await call(node, 'observe')).payload) as Record<string, unknown>;
  const throws: Record<string, unknown> = {};
  for (const name of THROWS) throws[`throw ${name}`] = await call(node, 'thrower', name);
  const lines = (start: string): string[] => node.logs.flatMap(({ msg }) => (msg.startsWith(start) ? [msg] : []));
  await until(() => lines('STATE 1').length >= 1, 10_000, 'two ticks of the match');
  const seen = { ...calls, ...throws, log: lines('FMT'), state: lines('STATE 1').slice(0, 1) };
  await node.stop();
  return Object.entries(normalize(seen, modules) as object).map(
    ([name, value]) => `${name} = ${JSON.stringify(value)}`,
  );
}

describe.each(RECORDED)('as Nakama %s, the embedded runtime', (version) => {
  it('observes what the real one did', async () => {
    const expected = readFileSync(recording(version), 'utf8').trimEnd().split('\n');
    const seen = await observe({ kind: 'embedded', version });
    expect(seen).toEqual(expected);
  });
});

for (const { binary, version } of findNakama()) {
  describe(`Nakama ${version}`, () => {
    it('still observes what the embedded runtime of its version does', async () => {
      const real = await observe({ kind: 'real', binary });
      if (process.env['RECORD'] === '1') writeFileSync(recording(version), `${real.join('\n')}\n`);
      expect(await observe({ kind: 'embedded', version })).toEqual(real);
    });
  });
}
