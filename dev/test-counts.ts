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
}

/** Where a run keeps its counts. */
export const countsFile = process.env['TEST_COUNTS'] ?? path.join(cacheDir, 'test-counts.json');

/**
 * Counts tests for dev/test.ts, after every file, so that a run that is stopped has counted what it did. A file or a group
 * that fails outside its tests, in a hook or an import, counts as one failed test, and so does an error that no test had.
 */
export default class TestCounts implements Reporter {
  private readonly counts: Counts = { passed: 0, failed: 0, skipped: 0 };

  onInit(): void {
    this.write();
  }

  onTestModuleEnd(module: TestModule): void {
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      this.counts[state === 'pending' ? 'failed' : state]++;
    }
    const groups = [module, ...module.children.allSuites()];
    this.counts.failed += groups.filter((group) => group.errors().length > 0).length;
    this.write();
  }

  onTestRunEnd(_modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    this.counts.failed += errors.length;
    this.write();
  }

  private write(): void {
    mkdirSync(path.dirname(countsFile), { recursive: true });
    writeFileSync(countsFile, JSON.stringify(this.counts));
  }
}
