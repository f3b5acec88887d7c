import path from 'node:path';
import type { Nakama } from '../stack/nakama.ts';
import { buildDir } from '../stack/paths.ts';
import { withAccounts } from './accounts.ts';
import { floorModule } from './floor-module.ts';
import type { Figure } from './goals.ts';
import { withHookProbe } from './hook-probe.ts';
import { healthText, runLoad, type LoadResult } from './load.ts';
import type { Servers } from './servers.ts';
import type { SimulatorProcess } from './simulator-process.ts';
import { percentile } from './statistics.ts';

/** Matches before the first measured one: every VM of the pool has then loaded the module. */
const WARM_UP = 50;
/** Long enough for a whole burst to queue before the matchmaker looks. */
const BURST_INTERVAL_SEC = 4;
/** A small burst is repeated: a single value is no distribution. */
const SMALL = 10;
const REPEATS = 10;

/** A steady stream of matches, and for how long. */
export interface Rate {
  perSecond: number;
  seconds: number;
}

export interface MatchPlan {
  sustained?: Rate;
  /** The same on a server whose sessions all stay. */
  growing?: Rate;
  bursts: number[];
}

/** Both modules by the same load, one after the other: the floor first. */
export async function matchFigures(
  servers: Servers,
  simulator: SimulatorProcess,
  plan: MatchPlan,
  say: (text: string) => void,
): Promise<Figure[]> {
  const floor = await measure(servers, simulator, plan, 'floor', await floorModule(), say);
  const ours = await measure(servers, simulator, plan, 'ours', path.join(buildDir, 'index.js'), say);
  return figures(plan, floor, ours);
}

interface Measured {
  sustained?: LoadResult;
  growing?: LoadResult;
  /** By the size of the burst. */
  bursts: Map<number, LoadResult>;
}

async function measure(
  servers: Servers,
  simulator: SimulatorProcess,
  plan: MatchPlan,
  name: string,
  moduleFile: string,
  say: (text: string) => void,
): Promise<Measured> {
  const module = await withAccounts(await withHookProbe(moduleFile, `${name}-hook`), name);
  const on = async <T>(work: (nakama: Nakama) => Promise<T>, matchmakerIntervalSec = 1): Promise<T> => {
    const { nakama } = await servers.nakama(module, simulator, { matchmakerIntervalSec });
    await runLoad(WARM_UP, Infinity, nakama, simulator);
    const measured = await work(nakama);
    await nakama.stop();
    return measured;
  };
  const steady = async (what: string, { perSecond, seconds }: Rate): Promise<LoadResult> => {
    const result = await on((nakama) => runLoad(perSecond * seconds, perSecond, nakama, simulator));
    say(`${name}, ${what} at ${perSecond}/s for ${seconds} s: ${healthText(result)}`);
    return result;
  };
  const result: Measured = { bursts: new Map() };
  if (plan.sustained) result.sustained = await steady('sustained', plan.sustained);
  if (plan.growing) result.growing = await steady('growing', plan.growing);
  if (plan.bursts.length === 0) return result;
  await on(async (nakama) => {
    for (const size of plan.bursts) {
      const burst = await burstsOf(size, nakama, simulator);
      result.bursts.set(size, burst);
      say(`${name}, burst of ${size}: ${healthText(burst)}`);
    }
  }, BURST_INTERVAL_SEC);
  return result;
}

async function burstsOf(size: number, nakama: Nakama, simulator: SimulatorProcess): Promise<LoadResult> {
  const all: LoadResult[] = [];
  for (let i = 0; i < (size < SMALL ? REPEATS : 1); i++) all.push(await runLoad(size, Infinity, nakama, simulator));
  return {
    ...all.at(-1)!,
    matches: all.reduce((sum, { matches }) => sum + matches, 0),
    missed: all.reduce((sum, { missed }) => sum + missed, 0),
    hookMs: all.flatMap(({ hookMs }) => hookMs),
    beyondApiMs: all.flatMap(({ beyondApiMs }) => beyondApiMs),
  };
}

function figures(plan: MatchPlan, floor: Measured, ours: Measured): Figure[] {
  const result: Figure[] = [];
  const both = (
    what: string,
    unit: string,
    of: (measured: LoadResult) => number,
    runs: [LoadResult | undefined, LoadResult | undefined],
    goal?: Figure['goal'],
  ): void => {
    const [a, b] = runs;
    if (!a || !b) return;
    result.push({ what, unit, floor: of(a), ours: of(b), ...(goal === undefined ? {} : { goal }) });
  };
  const share = (percent: number) => (run: LoadResult) => percentile(run.beyondApiMs, percent / 100);
  const rates = [
    ['sustained', plan.sustained],
    ['growing', plan.growing],
  ] as const;
  for (const [name, rate] of rates) {
    if (!rate) continue;
    const runs: [LoadResult | undefined, LoadResult | undefined] = [floor[name], ours[name]];
    const sessions = rate.perSecond * rate.seconds;
    const where = name === 'growing' ? `${rate.perSecond}/s, growing to ${sessions} sessions` : `${rate.perSecond}/s`;
    both(`Nakama's CPU per match at ${where}`, 'ms', (run) => run.nakamaMs, runs, { timesFloor: 1.3 });
    // The design has a goal for one of them.
    const goal = name === 'sustained' ? { timesFloor: 2 } : undefined;
    both(`hook → players beyond the API at ${where}, p50`, 'ms', share(50), runs, goal);
    both(`hook → players beyond the API at ${where}, p99`, 'ms', share(99), runs, goal);
    both(`players without an address at ${where}`, '', (run) => run.missed, runs);
  }
  for (const size of plan.bursts) {
    const runs: [LoadResult | undefined, LoadResult | undefined] = [floor.bursts.get(size), ours.bursts.get(size)];
    const what = size === 1 ? 'one match beyond the API' : `burst of ${size} beyond the API`;
    both(`${what}, p50`, 'ms', share(50), runs, size === 1 ? { atMost: 30 } : { timesFloor: 2 });
    both(`${what}, p99`, 'ms', share(99), runs);
    both(`the hook in it, p99`, 'ms', (run) => percentile(run.hookMs, 0.99), runs);
  }
  return result;
}
