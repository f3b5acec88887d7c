import type { Nakama } from '../stack/nakama.ts';
import { withProbe } from './probe.ts';
import { percentile } from './statistics.ts';

/*
 * What an RPC takes: as another server sees it, HTTP included, and inside the VM, where an RPC of the bench calls the
 * function of the module directly.
 */

const PROBE = `
function benchCalls(ctx, logger, nk, payload) {
  var functions = { fleet_list: rpcFleetList, fleet_join: rpcFleetJoin };
  var asked = JSON.parse(payload);
  var call = functions[asked.rpc];
  var from = Date.now();
  asked.payloads.forEach(function (one) { call(ctx, logger, nk, JSON.stringify(one)); });
  return JSON.stringify({ ms: (Date.now() - from) / asked.payloads.length });
}
`;
const REGISTER = `  initializer.registerRpc('bench_calls', benchCalls);\n`;
const WARM_UP = 10;
/** Calls inside the VM at a time: few enough for the ten seconds after which Nakama ends an RPC. */
const IN_ONE = 25;

/** Milliseconds: p50 and p99 over HTTP, and the mean inside the VM, whose clock knows whole milliseconds only. */
export interface CallCost {
  p50: number;
  p99: number;
  inVm: number;
}

/** A copy of the module with that RPC. */
export function withCallProbe(moduleFile: string, name: string): Promise<string> {
  return withProbe(moduleFile, name, REGISTER, PROBE);
}

/** Calls an RPC `repeats` times in both ways, each time with the next payload. */
export async function measureCalls(
  nakama: Nakama,
  rpc: 'fleet_list' | 'fleet_join',
  repeats: number,
  payload: () => object,
): Promise<CallCost> {
  const took: number[] = [];
  for (let i = -WARM_UP; i < repeats; i++) {
    const startedAt = performance.now();
    await ask(nakama, rpc, payload());
    if (i >= 0) took.push(performance.now() - startedAt);
  }
  const inVm: number[] = [];
  for (let done = 0; done < repeats; done += IN_ONE) {
    const payloads = Array.from({ length: IN_ONE }, payload);
    inVm.push((await ask<{ ms: number }>(nakama, 'bench_calls', { rpc, payloads })).ms);
  }
  return { p50: percentile(took, 0.5), p99: percentile(took, 0.99), inVm: percentile(inVm, 0.5) };
}

export async function ask<T>(nakama: Nakama, rpc: string, payload: object): Promise<T> {
  const answer = await nakama.rpc(rpc, payload);
  if (answer.status !== 200) throw new Error(`${rpc} failed: ${JSON.stringify(answer)}`);
  return answer.payload as T;
}
