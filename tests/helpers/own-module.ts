import path from 'node:path';
import { rollup } from 'rollup';
import { loadConfigFile } from 'rollup/loadConfigFile';
import { cacheDir, projectRoot } from '../../dev/stack/paths.ts';

/** Where buildOwnModule() puts the example's file. */
export const ownModule = path.join(cacheDir, 'own-module', 'index.js');

/** Builds the library as `npm run build` does, then examples/own-module with it, both with their own rollup files. */
export async function buildOwnModule(): Promise<void> {
  await build('rollup.library.config.mjs');
  await build('examples/own-module/rollup.config.mjs', ownModule);
}

async function build(config: string, file?: string): Promise<void> {
  const { options, warnings } = await loadConfigFile(path.join(projectRoot, config), {});
  warnings.flush();
  for (const one of options) {
    const problems: string[] = [];
    const bundle = await rollup({ ...one, onwarn: (warning) => void problems.push(warning.message) });
    for (const output of one.output) await bundle.write(file === undefined ? output : { ...output, file });
    await bundle.close();
    if (problems.length > 0) throw new Error(`${config} builds with warnings: ${problems.join('; ')}`);
  }
}
