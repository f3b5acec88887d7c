import typescript from '@rollup/plugin-typescript';
import { rollup } from 'rollup';

const compile = () => typescript({ tsconfig: './tsconfig.json' });
const LIBRARY = new URL('./src/library.ts', import.meta.url).pathname;

/**
 * Puts everything that './library' imports into one closure in front of the entry. Nakama re-runs the file's top level for
 * every VM and freezes every global one by one, so globals are what a VM costs; InitModule and what it registers have to
 * stay globals, because Nakama finds them by parsing.
 */
const libraryAsOneClosure = {
  name: 'library-as-one-closure',
  resolveId: (source) => (source === './library' ? { id: 'library', external: true } : null),
  async banner() {
    const bundle = await rollup({ input: LIBRARY, plugins: [compile()] });
    bundle.watchFiles.forEach((file) => this.addWatchFile?.(file));
    const { output } = await bundle.generate({ format: 'iife', name: 'library', strict: false, esModule: false });
    return output[0].code;
  },
  renderChunk: (code) => code.replace(/^import \* as library from 'library';\n/m, ''),
};

export default {
  input: 'src/index.ts',
  output: { file: 'build/index.js', format: 'es' },
  treeshake: false,
  plugins: [libraryAsOneClosure, compile()],
};
