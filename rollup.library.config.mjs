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

/**
 * Babel's and TypeScript's helpers for old targets replace themselves at their first use, which fails once Nakama has frozen
 * all globals. So they are used here, at the top level, which runs before that. Without helpers this does nothing.
 */
const helpersBeforeTheFreeze = {
  name: 'helpers-before-the-freeze',
  intro: () => `({ ...{} }), typeof library === 'object';`,
};

/** The same without exports, for modules that are scripts: `tsc --outFile` knows no other way to make one file. */
const asScript = {
  name: 'as-script',
  generateBundle(_options, bundle) {
    const { code, exports } = bundle['nakama-gameye.js'];
    const declared = exports.map((name) => `declare const ${name}: typeof import('./types/public.js').${name};\n`);
    // Others are taken as well: who uses them hears of it from the compiler.
    const taken = ['library', 'allocator'].map((name) => `declare const ${name}: unknown;\n`);
    this.emitFile({ type: 'asset', fileName: 'script.js', source: code.replace(/^export \{.*\};\n/m, '') });
    this.emitFile({ type: 'asset', fileName: 'script.d.ts', source: [...declared, ...taken].join('') });
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
    helpersBeforeTheFreeze,
    asScript,
  ],
};
