import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { cacheDir, projectRoot } from '../stack/paths.ts';

/** Where the bundled game server is: plain JavaScript, because bursts start many and a compiler per process costs. */
export const gameServerFile = path.join(cacheDir, 'game-server.mjs');

let built: Promise<string> | undefined;

/** Bundles dev/demo/game-server.ts to one file, once per process, and answers its path. Safe in several processes at once. */
export function buildGameServer(): Promise<string> {
  built ??= bundle();
  return built;
}

async function bundle(): Promise<string> {
  await mkdir(cacheDir, { recursive: true });
  const unfinished = `${gameServerFile}.${process.pid}`;
  await build({
    entryPoints: [path.join(projectRoot, 'dev', 'demo', 'game-server.ts')],
    outfile: unfinished,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
  });
  await rename(unfinished, gameServerFile); // A process that starts now reads the old file or the new, never a half.
  return gameServerFile;
}
