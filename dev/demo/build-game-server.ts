import { bundleProgram } from '../stack/bundle-program.ts';

/** Bundles dev/demo/game-server.ts to one file, because bursts start many, and answers its path. */
export function buildGameServer(): Promise<string> {
  return bundleProgram('dev/demo/game-server.ts', 'game-server.mjs');
}
