import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { rollup } from 'rollup';
import { loadConfigFile } from 'rollup/loadConfigFile';
import { buildDir, projectRoot } from './paths.ts';

const moduleConfig = path.join(projectRoot, 'rollup.config.mjs');
const moduleFile = path.join(buildDir, 'index.js');
const libraryConfig = path.join(projectRoot, 'rollup.library.config.mjs');
const libraryFile = path.join(projectRoot, 'dist', 'nakama-gameye.js');

/** The settings of `npm run build`, as rollup's JavaScript API takes them. */
export async function moduleBuildOptions(config = moduleConfig) {
  const { options, warnings } = await loadConfigFile(config, {});
  warnings.flush();
  return options;
}

/** Builds the module when there is none or a source is newer, and answers its file. */
export function ensureModule(): Promise<string> {
  return ensure(moduleFile, moduleConfig);
}

/** The same for what other modules import. */
export function ensureLibrary(): Promise<string> {
  return ensure(libraryFile, libraryConfig);
}

async function ensure(file: string, config: string): Promise<string> {
  if (await isUpToDate(file)) return file;
  for (const options of await moduleBuildOptions(config)) {
    const bundle = await rollup(options);
    for (const output of options.output) await bundle.write(output);
    await bundle.close();
  }
  if (!existsSync(file)) throw new Error(`the build made no ${file}; run npm run build and read its output`);
  return file;
}

async function isUpToDate(file: string): Promise<boolean> {
  if (!existsSync(file)) return false;
  const builtAtMs = (await stat(file)).mtimeMs;
  const sources = await readdir(path.join(projectRoot, 'src'), { recursive: true });
  const files = [...sources.map((source) => path.join(projectRoot, 'src', source)), moduleConfig, libraryConfig];
  const changedAtMs = await Promise.all(files.map(async (one) => (await stat(one)).mtimeMs));
  return changedAtMs.every((ms) => ms <= builtAtMs);
}
