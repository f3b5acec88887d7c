import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';

/*
 * `npm test`: format, types, lint, then every test (the bundle is built by the tests' global setup). Each static check
 * counts as one test. Goes on after a failure, so that one run shows everything; ends with `N passed, N failed, N skipped`.
 * Arguments are passed on to vitest and leave the static checks out: `npm test -- tests/unit`.
 */
const root = path.dirname(import.meta.dirname);
const bin = (...parts: string[]): string => path.join(root, 'node_modules', ...parts);
const report = path.join(root, '.cache', 'vitest.json');

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const checks: [string, string[]][] = [
  ['format', [bin('prettier', 'bin', 'prettier.cjs'), '--check', '--log-level', 'warn', '.']],
  ['types of src', [bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.json', '--noEmit']],
  ['types of dev and tests', [bin('typescript', 'bin', 'tsc'), '-p', 'dev/tsconfig.json']],
  ['lint', [bin('eslint', 'bin', 'eslint.js'), '--max-warnings', '0', '.']],
];

async function main(): Promise<number> {
  const filters = process.argv.slice(2);
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [name, args] of filters.length > 0 ? [] : checks) {
    const startedAt = Date.now();
    const ok = (await run(args)) === 0;
    total[ok ? 'passed' : 'failed']++;
    console.log(`${ok ? '✓' : '✗'} ${name} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`);
  }
  const tests = await runTests(filters);
  const sum = (key: keyof Counts): number => total[key] + tests[key];
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
  return sum('failed') === 0 && sum('passed') > 0 ? 0 : 1;
}

async function runTests(filters: string[]): Promise<Counts> {
  await mkdir(path.dirname(report), { recursive: true });
  await rm(report, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const code = await run([bin('vitest', 'vitest.mjs'), 'run', ...reporters, ...filters]);
  const counted = await readCounts();
  // A run that failed without a failed test (a leak, a setup that threw, no report) must not look green.
  if (code !== 0 && counted.failed === 0) counted.failed = 1;
  return counted;
}

async function readCounts(): Promise<Counts> {
  try {
    const json = JSON.parse(await readFile(report, 'utf8')) as Record<string, number>;
    const failedSuites = (json['numFailedTests'] ?? 0) === 0 ? (json['numFailedTestSuites'] ?? 0) : 0;
    return {
      passed: json['numPassedTests'] ?? 0,
      failed: (json['numFailedTests'] ?? 0) + failedSuites,
      skipped: (json['numPendingTests'] ?? 0) + (json['numTodoTests'] ?? 0),
    };
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
}

function run(args: string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

process.exitCode = await main();
