import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { cacheDir, projectRoot } from '../../dev/stack/paths.ts';

const FILES = {
  'good.test.ts': `it('a', () => {}); it('b', () => {}); it.skip('c', () => {});`,
  'bad.test.ts': `it('a', () => { throw new Error('no'); }); it('b', () => {});`,
  'hook.test.ts': `describe('d', () => { beforeAll(() => { throw new Error('no'); }); it('a', () => {}); });`,
  'syntax.test.ts': `it('a', () => {`,
  'late.test.ts': `it('a', () => { void Promise.reject(new Error('nobody waits for this')); });`,
};

it(
  'the report of a test run counts every test once, names what fails, and counts what fails outside of tests',
  { timeout: 60_000 },
  async () => {
    await mkdir(cacheDir, { recursive: true });
    // Inside the project, where `vitest` is found.
    const folder = await mkdtemp(path.join(cacheDir, 'counted-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    for (const [name, text] of Object.entries(FILES)) {
      await writeFile(path.join(folder, name), `import { beforeAll, describe, it } from 'vitest';\n${text}\n`);
    }
    const config = path.join(folder, 'vitest.config.mjs');
    await writeFile(config, `export default { test: { include: ['*.test.ts'], maxWorkers: 1 } };`);
    const file = path.join(folder, 'counts.json');
    const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', config, '--root', folder];
    const reporter = `--reporter=${path.join(projectRoot, 'dev/test-counts.ts')}`;
    const env = { ...process.env, TEST_COUNTS: file };
    const failed = await new Promise<boolean>((resolve) => {
      execFile(process.execPath, [...args, reporter], { cwd: projectRoot, env }, (error) => resolve(error !== null));
    });
    expect(failed).toBe(true);
    const { failures, ...counts } = JSON.parse(await readFile(file, 'utf8')) as { failures: string[] };
    expect(counts).toEqual({ passed: 4, failed: 4, skipped: 2 });
    expect(failures.sort()).toEqual([
      'bad.test.ts > a: no',
      'hook.test.ts > d: no',
      'outside of all tests: nobody waits for this',
      expect.stringMatching(/^syntax\.test\.ts: ./),
    ]);
  },
);
