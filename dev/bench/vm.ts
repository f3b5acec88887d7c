import type { Nakama } from '../stack/nakama.ts';
import { withProbe } from './probe.ts';
import { memoryMb } from './processor.ts';
import { markdownTable, percentile } from './statistics.ts';

const IDLE = `
function benchIdleInit() { return { state: {}, tickRate: 1, label: '' }; }
function benchIdleOther(ctx, logger, nk, dispatcher, tick, state) { return { state: state }; }
function benchIdle(ctx, logger, nk, payload) {
  var from = Date.now();
  for (var left = JSON.parse(payload).matches; left > 0; left--) nk.matchCreate('bench_idle', {});
  return JSON.stringify({ ms: Date.now() - from });
}
`;
const REGISTER = `  initializer.registerRpc('bench_idle', benchIdle);
  initializer.registerMatch('bench_idle', {
    matchInit: benchIdleInit, matchJoinAttempt: benchIdleOther, matchJoin: benchIdleOther, matchLeave: benchIdleOther,
    matchLoop: benchIdleOther, matchTerminate: benchIdleOther, matchSignal: benchIdleOther
  });
`;

const WARM_UP = 20;
/** Matches that one call makes: fewer than take ten seconds, after which Nakama ends an RPC. */
const BATCH = 50;

/** A copy of the module, or of an empty one, with matches that do nothing. */
export function withIdleMatches(name: string, moduleFile?: string): Promise<string> {
  return withProbe(moduleFile, `idle-${name}`, REGISTER, IDLE);
}

/** What a VM costs with a module: milliseconds until its match exists (median of the batches), MB while it lives. */
export interface VmCost {
  ms: number;
  mb: number;
}

/** Makes so many matches that do nothing, which all stay. */
export async function measureVms(nakama: Nakama, vms: number): Promise<VmCost> {
  await makeMatches(nakama, WARM_UP);
  const before = (await memoryMb(nakama.pid)).now;
  const took: number[] = [];
  for (let made = 0; made < vms; made += BATCH) took.push(await makeMatches(nakama, BATCH));
  const made = took.length * BATCH;
  return { ms: percentile(took, 0.5) / BATCH, mb: ((await memoryMb(nakama.pid)).now - before) / made };
}

/** Both modules and their difference, beside the goals. */
export function vmTable(empty: VmCost, ours: VmCost): string {
  const row = (name: string, { ms, mb }: VmCost): string[] => [name, ms.toFixed(2), mb.toFixed(2)];
  const more = { ms: ours.ms - empty.ms, mb: ours.mb - empty.mb };
  return markdownTable(
    ['module', 'ms for a VM', 'MB for a VM'],
    [row('empty', empty), row('ours', ours), row('more', more), ['goal', '≤ 1.5', '≤ 0.6']],
  );
}

async function makeMatches(nakama: Nakama, matches: number): Promise<number> {
  const answer = await nakama.rpc('bench_idle', { matches });
  if (answer.status !== 200) throw new Error(`bench_idle failed: ${JSON.stringify(answer)}`);
  return (answer.payload as { ms: number }).ms;
}
