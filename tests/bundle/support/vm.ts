import vm from 'node:vm';
import { source } from './bundle.ts';

// Script files have these in Node only; Nakama's engine has none of them.
const ABSENT = [
  'console',
  'WebAssembly',
  'SharedArrayBuffer',
  'Atomics',
  'Intl',
  'WeakRef',
  'FinalizationRegistry',
  'BigInt',
];

export interface Vm {
  /** A function that the file declares at the top level. */
  global: (name: string) => (...args: unknown[]) => unknown;
  run: (code: string) => unknown;
}

/**
 * A VM of Nakama's pool, or of a match: the file's top level has run, strict, then everything global was frozen as
 * freezeGlobalObject does (runtime_javascript.go). The VM that calls InitModule is not frozen. `now` is its clock.
 */
export function nakamaVm(frozen: boolean, now: () => number = () => Date.now(), code = source): Vm {
  // An ordinary global object: the usual context's cannot be frozen.
  const context = vm.createContext(vm.constants.DONT_CONTEXTIFY as unknown as vm.Context);
  const run = (text: string): unknown => vm.runInContext(text, context);
  for (const name of ABSENT) run(`delete globalThis.${name}`);
  (run('(now) => { Date.now = now; }') as (clock: () => number) => void)(now);
  run(`'use strict';\n${code}`);
  if (frozen) {
    run(`(function () {
      for (const name of Object.getOwnPropertyNames(globalThis)) {
        const value = globalThis[name];
        if (value === null || (typeof value !== 'object' && typeof value !== 'function')) continue;
        for (const one of [value, value.prototype, Object.getPrototypeOf(value)]) if (one) Object.freeze(one);
      }
    })()`);
  }
  return { run, global: (name) => run(name) as (...args: unknown[]) => unknown };
}
