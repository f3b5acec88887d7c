import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from './stack/paths.ts';
import { findNakama, type NakamaRuntime, type RealNakama } from './stack/runtimes.ts';

/** The usual part is `npm test`; `npm run test:all` runs the long one after it. */
export type TestPart = 'usual' | 'long';

/** The part that runs, from TEST_PART; undefined when somebody named files, and gets all that is in them. */
export function testPart(env: NodeJS.ProcessEnv = process.env): TestPart | undefined {
  const part = env['TEST_PART'];
  if (part === undefined || part === 'usual' || part === 'long') return part;
  throw new Error(`TEST_PART is "${part}", and neither usual nor long`);
}

/** A test that reads this variable tries that many random cases; its own few without it. */
export const CASES_VARIABLE = 'FC_RUNS';
export const LONG_CASES = 10_000;

/**
 * Where tests of servers run in the usual part, which is to take six minutes on two cores. `usual`: on the embedded runtime and the first real Nakama; `slow`: on the
 * embedded runtime; `long`: nowhere. The long part has the other runtimes of this machine, so no test is in both.
 */
export type Weight = 'usual' | 'slow' | 'long';

/** The runtimes that tests of that weight run on in this part. */
export function runtimesOf(weight: Weight, part: TestPart | undefined, real: RealNakama[]): NakamaRuntime[] {
  const all: NakamaRuntime[] = [{ kind: 'embedded' }, ...real.map(({ binary }) => ({ kind: 'real' as const, binary }))];
  if (part === undefined) return all;
  const inUsual = { usual: 2, slow: 1, long: 0 }[weight];
  return part === 'usual' ? all.slice(0, inUsual) : all.slice(inUsual);
}

/** So ends the name of a file that takes minutes: only the long part runs it. */
const LONG_FILE = '.long.test.ts';

/** Whether a test file has something to do in this part, told from its name and its text: a file without a test would fail. */
export function takesPart(file: string, text: string, part: TestPart | undefined, real: RealNakama[]): boolean {
  if (file.endsWith(LONG_FILE)) return part !== 'usual';
  const calls = [...text.matchAll(/\b(?:forEachRuntime|allRuntimes)\((?:'(\w+)')?/g)];
  const weights = calls.map((call) => (call[1] ?? 'usual') as Weight);
  const runsSomewhere = weights.some((weight) => runtimesOf(weight, part, real).length > 0);
  if (part === 'long') return runsSomewhere || text.includes(CASES_VARIABLE);
  return runsSomewhere || weights.length === 0;
}

/** The test files of a part, as paths from the project's folder. */
export function testFiles(part = testPart()): string[] {
  const real = findNakama();
  const files = readdirSync(path.join(projectRoot, 'tests'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => path.posix.join('tests', ...file.split(path.sep)));
  return files.filter((file) => takesPart(file, readFileSync(path.join(projectRoot, file), 'utf8'), part, real));
}
