import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { compile, libraryInOneFunction } from './rollup.config.mjs';

const RUNTIME_TYPES = new URL('./src/nakama/runtime.d.ts', import.meta.url).pathname;

/** Of all declarations leaves those to which the entry's lead, and adds the one file that was written by hand. */
const declarationsOfEntry = {
  name: 'declarations-of-entry',
  async generateBundle(_options, bundle) {
    const declarations = new Map([['types/nakama/runtime.d.ts', await readFile(RUNTIME_TYPES, 'utf8')]]);
    for (const [file, { type, source }] of Object.entries(bundle)) {
      if (type !== 'asset' || !file.endsWith('.d.ts')) continue;
      declarations.set(file, source);
      delete bundle[file];
    }
    const emitted = new Set();
    const emit = (file) => {
      if (emitted.has(file)) return;
      emitted.add(file);
      // With the ending, they are found whatever `moduleResolution` a module uses.
      const source = declarations.get(file).replace(/(from '|import\(['"])(\.[^'"]+)/g, (_all, before, to) => {
        emit(path.posix.join(path.posix.dirname(file), `${to}.d.ts`));
        return `${before}${to}.js`;
      });
      this.emitFile({ type: 'asset', fileName: file, source });
    };
    emit('types/public.d.ts');
  },
};

/** What other modules import: not in build/, of which Nakama loads all it finds. */
export default {
  input: 'src/public.ts',
  output: { file: 'dist/nakama-gameye.js', format: 'es' },
  plugins: [
    libraryInOneFunction,
    compile({ rootDir: 'src', declaration: true, declarationDir: 'dist/types' }),
    declarationsOfEntry,
  ],
};
