import { describe } from 'vitest';
import { describeRuntime, findNakama, type NakamaRuntime } from '../../dev/stack/runtimes.ts';

/** The runtimes that the integration suite runs on: the embedded one always, and every real Nakama of this machine. */
export function allRuntimes(): NakamaRuntime[] {
  return [{ kind: 'embedded' }, ...findNakama().map(({ binary }) => ({ kind: 'real' as const, binary }))];
}

/**
 * Defines the same tests once per runtime, each in a `describe` with the runtime's name: `vitest -t "Nakama 3.22"` runs
 * those of one only. That no real Nakama took part is said in global-setup.ts.
 */
export function forEachRuntime(define: (runtime: NakamaRuntime) => void): void {
  for (const runtime of allRuntimes()) describe(`on ${describeRuntime(runtime)}`, () => define(runtime));
}
