import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheDir } from '../stack/paths.ts';

const INIT = /function InitModule\(ctx, logger, nk, initializer\) \{\n/;
const EMPTY = 'function InitModule(ctx, logger, nk, initializer) {\n}\n';

/**
 * Writes a copy of the module (undefined: of an empty one) that also has `probe`, and whose InitModule also registers it,
 * as `<name>.js` into the cache of the bench. Answers that file.
 */
export async function withProbe(
  moduleFile: string | undefined,
  name: string,
  register: string,
  probe: string,
): Promise<string> {
  const code = moduleFile === undefined ? EMPTY : await readFile(moduleFile, 'utf8');
  if (!INIT.test(code)) throw new Error(`${moduleFile} does not begin InitModule as expected`);
  const file = path.join(cacheDir, 'bench', `${name}.js`);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, code.replace(INIT, (init) => init + register) + probe);
  return file;
}
