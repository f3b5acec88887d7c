import { describe, expect, it } from 'vitest';
import type { RealNakama } from '../../dev/stack/runtimes.ts';
import { CASES_VARIABLE, runtimesOf, takesPart, testPart, type Weight } from '../../dev/test-parts.ts';

const real = (...versions: string[]): RealNakama[] =>
  versions.map((version) => ({ kind: 'real', binary: `/opt/nakama-${version}`, version }));
const where = (weight: Weight, part: 'usual' | 'long' | undefined, machine: RealNakama[]): string[] =>
  runtimesOf(weight, part, machine).map((runtime) => (runtime.kind === 'real' ? runtime.binary : 'embedded'));

/** The text of a test file, put together here so that this file is not taken for one. */
const on = (weight: string): string => `${['forEach', 'Runtime'].join('')}(${weight}(runtime) => {});`;

const FILE = 'tests/integration/one.test.ts';

describe('the parts of the tests', () => {
  it('run every test of servers on every runtime once', () => {
    for (const machine of [real(), real('3.40.0'), real('3.40.0', '3.22.0')]) {
      for (const weight of ['usual', 'slow', 'long'] as const) {
        const all = where(weight, undefined, machine);
        expect(all).toHaveLength(1 + machine.length);
        expect([...where(weight, 'usual', machine), ...where(weight, 'long', machine)]).toEqual(all);
      }
    }
  });

  it('let npm test run the integration suite on the real Nakama of the machine', () => {
    expect(where('usual', 'usual', real('3.40.0', '3.22.0'))).toEqual(['embedded', '/opt/nakama-3.40.0']);
    expect(where('slow', 'usual', real('3.40.0'))).toEqual(['embedded']);
    expect(where('long', 'usual', real('3.40.0'))).toEqual([]);
  });

  it('have no file that has nothing to do in them', () => {
    const one = real('3.40.0');
    expect(takesPart(FILE, on(''), 'usual', [])).toBe(true);
    expect(takesPart(FILE, on(''), 'long', one)).toBe(false);
    expect(takesPart(FILE, on(''), 'long', real('3.40.0', '3.22.0'))).toBe(true);
    expect(takesPart(FILE, on(`'slow', `), 'long', one)).toBe(true);
    expect(takesPart(FILE, on(`'slow', `), 'long', [])).toBe(false);
    expect(takesPart(FILE, on(`'long', `), 'usual', one)).toBe(false);
    expect(takesPart(FILE, on(`'long', `), 'long', [])).toBe(true);
    expect(takesPart(FILE, on(`'long', `), undefined, [])).toBe(true);
  });

  it('try many cases in the long one only where a test asks how many', () => {
    const asks = `process.env['${CASES_VARIABLE}']`;
    expect([takesPart(FILE, asks, 'usual', []), takesPart(FILE, asks, 'long', [])]).toEqual([true, true]);
    expect([takesPart(FILE, '', 'usual', []), takesPart(FILE, '', 'long', [])]).toEqual([true, false]);
  });

  it('leave files that take minutes to the long one', () => {
    const parts = (['usual', 'long', undefined] as const).map((part) =>
      takesPart('tests/unit/x.long.test.ts', '', part, []),
    );
    expect(parts).toEqual([false, true, true]);
  });

  it('are known by their names', () => {
    expect([testPart({}), testPart({ TEST_PART: 'long' })]).toEqual([undefined, 'long']);
    expect(() => testPart({ TEST_PART: 'short' })).toThrow('neither usual nor long');
  });
});
