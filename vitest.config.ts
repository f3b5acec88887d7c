import { defineConfig } from 'vitest/config';
import { testFiles } from './dev/test-parts.ts';

export default defineConfig({
  test: {
    include: testFiles(),
    // Builds the module and the demo game server once, and starts one Postgres for all files.
    globalSetup: ['tests/helpers/global-setup.ts'],
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 90_000,
  },
});
