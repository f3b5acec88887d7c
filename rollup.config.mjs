import typescript from '@rollup/plugin-typescript';
import { rollup } from 'rollup';

/** Each becomes a function of its own name. */
const PARTS = ['library', 'allocator'];

export const compile = (options = {}) => typescript({ tsconfig: './tsconfig.json', ...options });

/**
 * Puts all of src/library.ts into one function, `library()`, and what a worker needs for one allocation into another,
 * `allocator()`, in front of the entry. Nakama runs the file's top level anew for every VM, one for each match, and freezes
 * every global one by one: so there are few globals, and a function's body runs at its first use. InitModule and what it
 * registers stay globals, because Nakama finds them by parsing.
 */
export const libraryInOneFunction = {
  name: 'library-in-one-function',
  async banner() {
    const functions = [];
    for (const part of PARTS) {
      const input = new URL(`./src/${part}.ts`, import.meta.url).pathname;
      const bundle = await rollup({ input, plugins: [compile()] });
      bundle.watchFiles.forEach((file) => this.addWatchFile?.(file));
      const { output } = await bundle.generate({ format: 'iife', name: 'exported', strict: false, esModule: false });
      // What configure() left (src/public.ts); from here on it is too late for it. In an object of its own, because Nakama
      // freezes the function itself wherever a bundler has made `var` of `const`.
      functions.push(`const ${part} = (function () {
let loaded;
function load() {
${output[0].code}
if (library.noted.extension) exported.configure(library.noted.extension);
else library.noted.extension = {};
return exported;
}
function part() { return loaded || (loaded = load()); }
part.noted = {};
return part;
})();`);
    }
    return functions.join('\n');
  },
};

export default {
  input: 'src/index.ts',
  output: { file: 'build/index.js', format: 'es' },
  treeshake: false,
  plugins: [libraryInOneFunction, compile()],
};
