import type { TestProject } from 'vitest/node';
import { buildGameServer } from '../../dev/demo/build-game-server.ts';
import { trustBundles } from '../../dev/stack/bundle-program.ts';
import { ensureLibrary, ensureModule } from '../../dev/stack/module.ts';
import { startPostgres } from '../../dev/stack/postgres.ts';
import { buildEmbeddedRuntime, findNakama } from '../../dev/stack/runtimes.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Address of the Postgres that all test files share; each makes its own database in it. */
    postgres: string;
  }
}

/** Once per vitest run: a fresh module and library, one Postgres for all files, and a loud word for what does not take part. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (findNakama().length === 0) {
    process.stderr.write(
      '\n*** No real Nakama was found: the integration tests run on the embedded runtime ONLY. ***\n' +
        '*** Put `nakama` on the PATH, or set NAKAMA_BIN=/path/to/nakama[:/path/to/another].  ***\n\n',
    );
  }
  // Postgres last: what fails before it leaves nothing behind that would keep vitest from ending.
  await Promise.all([ensureModule(), ensureLibrary(), buildGameServer(), buildEmbeddedRuntime()]);
  trustBundles();
  const postgres = await startPostgres();
  project.provide('postgres', postgres.address);
  return () => postgres.stop();
}
