import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder with package.json. Child processes run in it, so that `--import tsx` resolves from anywhere. */
export const projectRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Where `npm run build` puts index.js; Nakama's `--runtime.path`. */
export const buildDir = path.join(projectRoot, 'build');

/** Generated files that are not part of the product (ignored by git). */
export const cacheDir = path.join(projectRoot, '.cache');
