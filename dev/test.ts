import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { projectRoot } from './stack/paths.ts';
import { countsFile, noCounts, type Counts } from './test-counts.ts';
import { CASES_VARIABLE, LONG_CASES, type TestPart } from './test-parts.ts';

/*
 * `npm test`: format, types, lint, floors, and the usual part of the tests; `npm run test:all`: that, then the long part.
 * Each static check counts as one test. Goes on after a failure, so that one run shows everything; ends with
 * `N passed, N failed, N skipped`. Arguments are passed on to vitest, leave the static checks out and run all that is in
 * the files they name: `npm test -- tests/unit`. `--minutes N` ends tests that still run then, and counts that as a failure.
 */
const bin = (...parts: string[]): string => path.join(projectRoot, 'node_modules', ...parts);

/** Which room of src/ may import from which. */
const FLOORS = '.dependency-cruiser.mjs';

const CHECKS: [string, string[]][] = [
  ['format', [bin('prettier', 'bin', 'prettier.cjs'), '--check', '--log-level', 'warn', '.']],
  ['types of src', [bin('typescript-native', 'bin', 'tsc'), '-p', 'tsconfig.json', '--noEmit']],
  ['types of dev and tests', [bin('typescript-native', 'bin', 'tsc'), '-p', 'dev/tsconfig.json']],
  ['lint', [bin('eslint', 'bin', 'eslint.js'), '--max-warnings', '0', '.']],
  ['floors', [bin('dependency-cruiser', 'bin', 'dependency-cruise.mjs'), '--config', FLOORS, 'src', 'dev/gameye']],
];

const LONG_TEST_MS = 20 * 60_000;
/** How long vitest may take to end its servers when time is up. */
const CLEAN_UP_MS = 30_000;

interface Wish {
  all: boolean;
  endAtMs: number;
  filters: string[];
}

function readArguments(args: string[]): Wish {
  const wish: Wish = { all: false, endAtMs: Infinity, filters: [] };
  for (let at = 0; at < args.length; at++) {
    if (args[at] === '--all') wish.all = true;
    else if (args[at] === '--minutes') wish.endAtMs = Date.now() + Number(args[++at]) * 60_000;
    else wish.filters.push(args[at] ?? '');
  }
  if (Number.isNaN(wish.endAtMs)) throw new Error('--minutes needs a number');
  return wish;
}

async function main(): Promise<number> {
  const { all, endAtMs, filters } = readArguments(process.argv.slice(2));
  const counted: Counts[] = [];
  if (filters.length > 0) {
    counted.push(await runTests(undefined, filters, endAtMs));
  } else {
    counted.push(...(await Promise.all([runChecks(), runTests('usual', [], endAtMs)])));
    if (all) counted.push(await runTests('long', [], endAtMs));
  }
  const failures = counted.flatMap((counts) => counts.failures);
  // Last, because of a long output often only the end is kept.
  if (failures.length > 0) console.log(`\nWhat failed:\n${failures.map((line) => `  ✗ ${line}`).join('\n')}`);
  const sum = (key: 'passed' | 'failed' | 'skipped'): number =>
    counted.reduce((total, counts) => total + counts[key], 0);
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
  return sum('failed') === 0 && sum('passed') > 0 ? 0 : 1;
}

/** One after the other, beside the tests, which mostly wait. What a check prints is shown when it has ended. */
async function runChecks(): Promise<Counts> {
  const counts = noCounts();
  for (const [name, args] of CHECKS) {
    const startedAtMs = Date.now();
    const { code, printed } = await capture(args);
    counts[code === 0 ? 'passed' : 'failed']++;
    if (code !== 0) counts.failures.push(`${name}: see above`);
    console.log(`${printed}${code === 0 ? '✓' : '✗'} ${name} (${((Date.now() - startedAtMs) / 1000).toFixed(1)} s)`);
  }
  return counts;
}

function capture(args: string[]): Promise<{ code: number; printed: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: projectRoot, stdio: ['ignore', 'pipe', 'pipe'] });
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (printed += text));
    }
    child.on('close', (code) => resolve({ code: code ?? 1, printed }));
  });
}

async function runTests(part: TestPart | undefined, filters: string[], endAtMs: number): Promise<Counts> {
  if (Date.now() >= endAtMs)
    return { ...noCounts(), failed: 1, failures: [`the ${part} part: there was no time left`] };
  await rm(countsFile, { force: true });
  const args = [
    bin('vitest', 'vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=./dev/test-counts.ts',
    ...filters,
  ];
  const env: NodeJS.ProcessEnv = { ...process.env };
  delete env['TEST_PART'];
  if (part !== undefined) env['TEST_PART'] = part;
  if (part === 'long') {
    console.log('\nThe long part: what takes minutes, on every runtime, and up to ten thousand random cases each.');
    args.push(`--testTimeout=${LONG_TEST_MS}`);
    env[CASES_VARIABLE] ??= String(LONG_CASES);
  }
  const code = await run(args, env, endAtMs);
  const counts = await readCounts();
  // A run that failed without a failed test (time is up, a leak, a setup that threw) must not look green.
  if (code === 0 || counts.failed > 0) return counts;
  return { ...counts, failed: 1, failures: [`the run of the tests ended with exit code ${code}: see above`] };
}

async function readCounts(): Promise<Counts> {
  try {
    return JSON.parse(await readFile(countsFile, 'utf8')) as Counts;
  } catch {
    return noCounts();
  }
}

/** The exit code; 1 when it was ended by a signal or because it took too long. */
function run(args: string[], env = process.env, endAtMs = Infinity): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: projectRoot, env, stdio: ['ignore', 'inherit', 'inherit'] });
    const timers: NodeJS.Timeout[] = [];
    if (endAtMs !== Infinity) {
      const left = Math.max(0, endAtMs - Date.now());
      const stop = (): void => {
        console.log('\n✗ the time for the tests is over: those that still run are ended');
        child.kill('SIGTERM');
      };
      timers.push(setTimeout(stop, left));
      timers.push(setTimeout(() => child.kill('SIGKILL'), left + CLEAN_UP_MS));
    }
    child.on('exit', (code) => {
      timers.forEach(clearTimeout);
      resolve(code ?? 1);
    });
  });
}

process.exitCode = await main();
