import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startNakama, type Nakama } from '../stack/nakama.ts';
import { buildDir } from '../stack/paths.ts';
import { startPostgres } from '../stack/postgres.ts';
import { describeRuntime, findNakama, type NakamaRuntime } from '../stack/runtimes.ts';
import { runBurst, type BurstResult } from './burst.ts';
import { withFillProbe } from './fill-probe.ts';
import { floorModule } from './floor-module.ts';
import { withHookProbe } from './hook-probe.ts';
import { listTable } from './list.ts';
import { placementTable } from './placement.ts';
import { BENCH_INTERVAL, reconcileTable, startListingApi } from './reconcile.ts';
import { startSimulatorProcess, type SimulatorProcess } from './simulator-process.ts';
import { markdownTable, percentile } from './statistics.ts';
import { measureVms, vmTable, withIdleMatches, type VmCost } from './vm.ts';

/** The API takes this long to start a session; goals are beyond it. */
const API_MS = 500;
/** Matches before the first measured burst: every VM of the pool has then loaded the module. */
const WARM_UP = 50;
const HEADER = [
  'module',
  'burst',
  'hook ms p50 / p99 / max',
  'goal',
  'hook → notification beyond the API, ms',
  'goal',
  'missed',
];

/** `npm run bench`: the numbers of the design on whichever runtime is there. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      embedded: { type: 'boolean' },
      /** Sizes of the bursts, comma-separated. */
      bursts: { type: 'string', default: '1,50,200' },
      /** Instead of bursts: lists and joins among this many instances. */
      list: { type: 'string' },
      /** Only where groups are placed with and without backfill and ranking, which needs no server. */
      placement: { type: 'boolean' },
      /** Instead of bursts: what so many VMs cost, with an empty module and with ours. */
      vms: { type: 'string' },
      /** Instead of bursts: comparing this many instances with the list of sessions. */
      reconcile: { type: 'string' },
    },
  });
  const sizes = values.bursts.split(',').map(Number);
  if (sizes.some((size) => !Number.isInteger(size) || size < 1))
    throw new Error('--bursts takes sizes such as 1,50,200');
  const number = (flag: 'list' | 'reconcile' | 'vms'): number | undefined => {
    const text = values[flag];
    if (text === undefined || /^[1-9]\d*$/.test(text)) return text === undefined ? undefined : Number(text);
    throw new Error(`--${flag} takes a number such as 10000`);
  };
  const instances = number('list');
  const compared = number('reconcile');
  const vms = number('vms');
  if ([instances, compared, vms].every((one) => one === undefined)) console.log(`${placementTable()}\n`);
  if (values.placement) return;
  const runtime: NakamaRuntime = (values.embedded ? undefined : findNakama()[0]) ?? { kind: 'embedded' };
  const ends: (() => Promise<void>)[] = [];
  try {
    const postgres = await startPostgres();
    ends.push(() => postgres.stop());
    const ours = path.join(buildDir, 'index.js');
    const database = await postgres.newDatabase();
    if (compared !== undefined) {
      const api = await startListingApi();
      ends.push(() => api.stop());
      const env = { ...variables(api), GAMEYE_RECONCILE_INTERVAL: BENCH_INTERVAL };
      const nakama = await startNakama({ runtime, database, modulePath: await withFillProbe(ours), env });
      ends.push(() => nakama.stop());
      console.log(`${describeRuntime(runtime)}, ${os.cpus().length} cores\n`);
      console.log(await reconcileTable(nakama, api, database, compared));
      return;
    }
    if (vms !== undefined) {
      const cost = async (modulePath: string): Promise<VmCost> => {
        const nakama = await startNakama({ runtime, database, modulePath, env: { GAMEYE_RECONCILE_INTERVAL: '1h' } });
        ends.push(() => nakama.stop());
        const measured = await measureVms(nakama, vms);
        await nakama.stop();
        return measured;
      };
      const empty = await cost(await withIdleMatches('empty'));
      console.log(`${describeRuntime(runtime)}, ${os.cpus().length} cores, ${vms} matches that do nothing\n`);
      console.log(vmTable(empty, await cost(await withIdleMatches('ours', ours))));
      return;
    }
    const simulator = await startSimulatorProcess(API_MS);
    ends.push(() => simulator.stop());
    const start = (modulePath: string, more: Record<string, string> = {}): Promise<Nakama> => {
      const env = { ...variables(simulator), ...more };
      // Long enough for a whole burst to queue before the matchmaker looks.
      return startNakama({ runtime, database, modulePath, env, matchmakerIntervalSec: 4 });
    };
    console.log(
      `${describeRuntime(runtime)}, ${os.cpus().length} cores, Session API that takes ${API_MS} ms, groups of 2\n`,
    );
    if (instances !== undefined) {
      const nakama = await start(await withFillProbe(ours), { GAMEYE_BACKFILL: 'on' });
      ends.push(() => nakama.stop());
      console.log(await listTable(nakama, instances));
      return;
    }
    const rows: string[][] = [];
    for (const [name, module] of [
      ['floor', await floorModule()],
      ['ours', ours],
    ] as const) {
      const nakama = await start(await withHookProbe(module));
      ends.push(() => nakama.stop());
      await runBurst(WARM_UP, nakama, simulator);
      for (const size of sizes) rows.push([name, ...(await measure(size, nakama, simulator))]);
      await nakama.stop();
    }
    console.log(markdownTable(HEADER, rows));
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

/** One row: a burst of this size, after the name of the module. */
async function measure(size: number, nakama: Nakama, simulator: SimulatorProcess): Promise<string[]> {
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
  return [
    repeats > 1 ? `${size} (${repeats} times)` : String(size),
    figures(total.hookMs),
    'p99 ≤ 10',
    figures(total.beyondApiMs),
    size === 1 ? 'p50 ≤ 30' : 'p50 ≤ 60, p99 ≤ 130',
    String(total.missed),
  ];
}

function variables(simulator: { url: string }): Record<string, string> {
  return {
    GAMEYE_API_URL: simulator.url,
    GAMEYE_API_TOKEN: 'sim-token',
    GAMEYE_API_IMAGE: 'demo-game',
    GAMEYE_API_REGION: 'eu-central-1',
    // What is measured here has no sessions; nothing is to look for them.
    GAMEYE_RECONCILE_INTERVAL: '1h',
    GAMEYE_SEAT_SECRET: 'bench-seat-secret-0123456789abcdef',
  };
}

await main();
