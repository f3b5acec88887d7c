import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { rollup } from 'rollup';
import { loadConfigFile } from 'rollup/loadConfigFile';
import { buildDir, projectRoot } from './paths.ts';

const rollupConfig = path.join(projectRoot, 'rollup.config.mjs');
const moduleFile = path.join(buildDir, 'index.js');

/** The settings of `npm run build`, as rollup's JavaScript API takes them. */
export async function moduleBuildOptions() {
  const { options, warnings } = await loadConfigFile(rollupConfig, {});
  warnings.flush();
  return options;
}

/** Builds the module when there is none or a source is newer, and answers its file. */
export async function ensureModule(): Promise<string> {
  if (!(await isUpToDate())) {
    for (const options of await moduleBuildOptions()) {
      const bundle = await rollup(options);
      for (const output of options.output) await bundle.write(output);
      await bundle.close();
    }
  }
  if (!existsSync(moduleFile))
    throw new Error(`the build made no ${moduleFile}; run npm run build and read its output`);
  return moduleFile;
}

async function isUpToDate(): Promise<boolean> {
  if (!existsSync(moduleFile)) return false;
  const builtAtMs = (await stat(moduleFile)).mtimeMs;
  const sources = await readdir(path.join(projectRoot, 'src'), { recursive: true });
  const files = [...sources.map((file) => path.join(projectRoot, 'src', file)), rollupConfig];
  const changedAtMs = await Promise.all(files.map(async (file) => (await stat(file)).mtimeMs));
  return changedAtMs.every((ms) => ms <= builtAtMs);
}
