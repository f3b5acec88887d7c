import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { testFiles, testPart } from './dev/test-parts.ts';
import LongestFirst from './tests/helpers/sequencer.ts';

export default defineConfig({
  test: {
    include: testFiles(),
    // Builds the module and the demo game server once, and starts one Postgres for all files.
    globalSetup: ['tests/helpers/global-setup.ts'],
    // Ten thousand cases of a test that uses a database would take hours.
    setupFiles: ['tests/helpers/fresh-modules.ts', ...(testPart() === 'long' ? ['tests/helpers/long-cases.ts'] : [])],
    // See fresh-modules.ts.
    isolate: false,
    // Tests of servers wait more than they work.
    maxWorkers: Math.min(4, 2 * availableParallelism()),
    sequence: { sequencer: LongestFirst },
    // A slow, busy machine takes three times as long as a quiet one.
    testTimeout: 60_000,
    hookTimeout: 90_000,
  },
});
