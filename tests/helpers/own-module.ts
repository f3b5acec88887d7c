import path from 'node:path';
import { rollup } from 'rollup';
import { moduleBuildOptions } from '../../dev/stack/module.ts';
import { cacheDir, projectRoot } from '../../dev/stack/paths.ts';

/** Where buildOwnModule() puts the example's file. */
export const ownModule = path.join(cacheDir, 'own-module', 'index.js');

/** Builds examples/own-module with its own rollup file; the library is there (global-setup.ts). */
export async function buildOwnModule(): Promise<void> {
  for (const options of await moduleBuildOptions(path.join(projectRoot, 'examples/own-module/rollup.config.mjs'))) {
    const problems: string[] = [];
    const bundle = await rollup({ ...options, onwarn: (warning) => void problems.push(warning.message) });
    for (const output of options.output) await bundle.write({ ...output, file: ownModule });
    await bundle.close();
    if (problems.length > 0) throw new Error(`the example builds with warnings: ${problems.join('; ')}`);
  }
}
