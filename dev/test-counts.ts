import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { SerializedError } from 'vitest';
import type { Reporter, TestModule } from 'vitest/node';
import { cacheDir } from './stack/paths.ts';

/** What ran and how it ended. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** What failed, a line each. */
  failures: string[];
}

export const noCounts = (): Counts => ({ passed: 0, failed: 0, skipped: 0, failures: [] });

/** Where a run keeps its counts. */
export const countsFile = process.env['TEST_COUNTS'] ?? path.join(cacheDir, 'test-counts.json');

/**
 * Counts tests for dev/test.ts, after every file, so that a run that is stopped has counted what it did. A file or a group
 * that fails outside its tests, in a hook or an import, counts as one failed test, and so does an error that no test had.
 */
export default class TestCounts implements Reporter {
  private readonly counts = noCounts();

  onInit(): void {
    this.write();
  }

  onTestModuleEnd(module: TestModule): void {
    for (const test of module.children.allTests()) {
      const { state, errors } = test.result();
      if (state === 'passed' || state === 'skipped') this.counts[state]++;
      else this.fail(`${module.relativeModuleId} > ${test.fullName}`, errors?.[0]);
    }
    for (const group of [module, ...module.children.allSuites()]) {
      const [error] = group.errors();
      const name = 'fullName' in group ? ` > ${group.fullName}` : '';
      if (error) this.fail(`${module.relativeModuleId}${name}`, error);
    }
    this.write();
  }

  onTestRunEnd(_modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    errors.forEach((error) => this.fail('outside of all tests', error));
    this.write();
  }

  private fail(what: string, error: { message: string } | undefined): void {
    this.counts.failed++;
    this.counts.failures.push(`${what}: ${(error?.message ?? 'it never ended').split('\n')[0]}`);
  }

  private write(): void {
    mkdirSync(path.dirname(countsFile), { recursive: true });
    writeFileSync(countsFile, JSON.stringify(this.counts));
  }
}
