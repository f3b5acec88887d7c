import { fileURLToPath } from 'node:url';
import typescript from '@rollup/plugin-typescript';

const file = (name) => fileURLToPath(new URL(name, import.meta.url));

export default {
  input: file('main.ts'),
  // Nakama takes a script: one file, without import or export.
  output: { file: file('build/index.js'), format: 'es' },
  plugins: [
    // In a project of its own @rollup/plugin-node-resolve does this.
    { name: 'packages', resolveId: (id) => (id === 'nakama-gameye' ? fileURLToPath(import.meta.resolve(id)) : null) },
    typescript({ tsconfig: file('tsconfig.json') }),
  ],
};
