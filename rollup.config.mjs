import typescript from '@rollup/plugin-typescript';
import { rollup } from 'rollup';

const LIBRARY = new URL('./src/library.ts', import.meta.url).pathname;

export const compile = (options = {}) => typescript({ tsconfig: './tsconfig.json', ...options });

/**
 * Puts all of src/library.ts into one function, `library()`, in front of the entry. Nakama runs the file's top level anew
 * for every VM, one for each match, and freezes every global one by one: so there are few globals, and the function's body
 * runs at its first use. InitModule and what it registers stay globals, because Nakama finds them by parsing.
 */
export const libraryInOneFunction = {
  name: 'library-in-one-function',
  async banner() {
    const bundle = await rollup({ input: LIBRARY, plugins: [compile()] });
    bundle.watchFiles.forEach((file) => this.addWatchFile?.(file));
    const { output } = await bundle.generate({ format: 'iife', name: 'exported', strict: false, esModule: false });
    // What configure() left (src/public.ts); from here on it is too late for it.
    return `const library = (function () {
let loaded;
function load() {
${output[0].code}
if (library.extension) exported.configure(library.extension);
else library.extension = {};
return exported;
}
return function () { return loaded || (loaded = load()); };
})();`;
  },
};

export default {
  input: 'src/index.ts',
  output: { file: 'build/index.js', format: 'es' },
  treeshake: false,
  plugins: [libraryInOneFunction, compile()],
};
