import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { cacheDir, projectRoot } from './paths.ts';

/** Set when everything was bundled a moment ago by the process that started this one, and need not be again. */
const DONE = 'GAMEYE_DEV_BUNDLED';

const bundled = new Map<string, Promise<string>>();

/**
 * Bundles a program of dev/ with its packages into one JavaScript file in the cache, once per process, and answers its
 * path: a compiler in every server and game server that is started costs more processor time than their work. Safe in
 * several processes at once.
 */
export function bundleProgram(entry: string, name: string): Promise<string> {
  const known = bundled.get(name);
  if (known) return known;
  const file = path.join(cacheDir, name);
  const done = process.env[DONE] === '1' ? Promise.resolve(file) : bundle(path.join(projectRoot, entry), file);
  bundled.set(name, done);
  return done;
}

/** Spares the processes that this one starts from bundling again what it has bundled. */
export function trustBundles(): void {
  process.env[DONE] = '1';
}

async function bundle(entry: string, file: string): Promise<string> {
  await mkdir(cacheDir, { recursive: true });
  const unfinished = `${file}.${process.pid}`;
  await build({
    entryPoints: [entry],
    outfile: unfinished,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
    // It finds its own program by where it lies.
    external: ['esbuild'],
    // Files beside a source are found there, and not in the cache.
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(entry).href) },
    // Packages in the old form ask for Node's modules by `require`.
    banner: {
      js: `import { createRequire as requireOf } from 'node:module';\nconst require = requireOf(import.meta.url);`,
    },
  });
  await rename(unfinished, file); // A process that starts now reads the old file or the new, never a half.
  return file;
}
