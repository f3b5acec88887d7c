import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startNakama, type Nakama } from '../stack/nakama.ts';
import { buildDir } from '../stack/paths.ts';
import { startPostgres } from '../stack/postgres.ts';
import { describeRuntime, findNakama, type NakamaRuntime } from '../stack/runtimes.ts';
import { runBurst, type BurstResult } from './burst.ts';
import { withFillProbe } from './fill-probe.ts';
import { withHookProbe } from './hook-probe.ts';
import { listTable } from './list.ts';
import { startSimulatorProcess, type SimulatorProcess } from './simulator-process.ts';
import { markdownTable, percentile } from './statistics.ts';

/** The API takes this long to start a session; goals are beyond it. */
const API_MS = 500;
const WARM_UP = 5;

/** `npm run bench`: the numbers of the design on whichever runtime is there. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      embedded: { type: 'boolean' },
      /** Sizes of the bursts, comma-separated. */
      bursts: { type: 'string', default: '1,50,200' },
      /** Instead of bursts: lists and joins among this many instances. */
      list: { type: 'string' },
    },
  });
  const sizes = values.bursts.split(',').map(Number);
  if (sizes.some((size) => !Number.isInteger(size) || size < 1))
    throw new Error('--bursts takes sizes such as 1,50,200');
  const instances = values.list === undefined ? undefined : Number(values.list);
  if (instances !== undefined && !(Number.isInteger(instances) && instances >= 1))
    throw new Error('--list takes a number of instances such as 10000');
  const runtime: NakamaRuntime = (values.embedded ? undefined : findNakama()[0]) ?? { kind: 'embedded' };
  const ends: (() => Promise<void>)[] = [];
  try {
    const postgres = await startPostgres();
    ends.push(() => postgres.stop());
    const simulator = await startSimulatorProcess(API_MS);
    ends.push(() => simulator.stop());
    const nakama = await startNakama({
      runtime,
      database: await postgres.newDatabase(),
      modulePath: await (instances === undefined ? withHookProbe : withFillProbe)(path.join(buildDir, 'index.js')),
      env: {
        GAMEYE_API_URL: simulator.url,
        GAMEYE_API_TOKEN: 'sim-token',
        GAMEYE_API_IMAGE: 'demo-game',
        GAMEYE_API_REGION: 'eu-central-1',
        GAMEYE_SEAT_SECRET: 'bench-seat-secret-0123456789abcdef',
      },
      // Long enough for a whole burst to queue before the matchmaker looks.
      matchmakerIntervalSec: 4,
    });
    ends.push(() => nakama.stop());
    console.log(
      `${describeRuntime(runtime)}, ${os.cpus().length} cores, Session API that takes ${API_MS} ms, groups of 2\n`,
    );
    if (instances !== undefined) {
      console.log(await listTable(nakama, instances));
      return;
    }
    await runBurst(WARM_UP, nakama, simulator);
    console.log(await table(sizes, nakama, simulator));
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function table(sizes: number[], nakama: Nakama, simulator: SimulatorProcess): Promise<string> {
  const rows: string[][] = [];
  for (const size of sizes) {
    // A burst of one is repeated: a single value is no distribution.
    const repeats = size < 10 ? 10 : 1;
    const total: BurstResult = { matches: 0, hookMs: [], beyondApiMs: [], missed: 0 };
    for (let i = 0; i < repeats; i++) {
      const one = await runBurst(size, nakama, simulator);
      total.hookMs.push(...one.hookMs);
      total.beyondApiMs.push(...one.beyondApiMs);
      total.missed += one.missed;
    }
    const figures = (values: number[]): string =>
      `${percentile(values, 0.5)} / ${percentile(values, 0.99)} / ${Math.max(...values)}`;
    rows.push([
      repeats > 1 ? `${size} (${repeats} times)` : String(size),
      figures(total.hookMs),
      'p99 ≤ 10',
      figures(total.beyondApiMs),
      size === 1 ? 'p50 ≤ 30' : 'p50 ≤ 60, p99 ≤ 130',
      String(total.missed),
    ]);
  }
  const header = [
    'burst',
    'hook ms p50 / p99 / max',
    'goal',
    'hook → notification beyond the API, ms',
    'goal',
    'missed',
  ];
  return markdownTable(header, rows);
}

await main();
