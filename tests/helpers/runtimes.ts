import { describe } from 'vitest';
import { describeRuntime, findNakama, type NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { runtimesOf, testPart, type Weight } from '../../dev/test-parts.ts';

/** The runtimes that the integration suite runs on; the embedded one on every machine. */
export function allRuntimes(weight: Weight = 'usual'): NakamaRuntime[] {
  return runtimesOf(weight, testPart(), findNakama());
}

type Define = (runtime: NakamaRuntime) => void;

/**
 * Defines the same tests once per runtime, each in a `describe` with the runtime's name: `vitest -t "Nakama 3.22"` runs
 * those of one only. That no real Nakama took part is said in global-setup.ts.
 */
export function forEachRuntime(define: Define): void;
export function forEachRuntime(weight: Weight, define: Define): void;
export function forEachRuntime(first: Weight | Define, second?: Define): void {
  const [weight, define] = typeof first === 'string' ? [first, second] : (['usual', first] as const);
  for (const runtime of allRuntimes(weight)) describe(`on ${describeRuntime(runtime)}`, () => define?.(runtime));
}
