import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../dev/stack/paths.ts';
import { doc } from './readme.ts';

const read = (file: string): string => readFileSync(`${projectRoot}/${file}`, 'utf8');
const names = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map((match) => match[1] ?? '');

describe('the page about the library', () => {
  const page = doc('library.md');

  it('shows code of the example, which the integration tests build and run', () => {
    const shown = page.blocks.filter(({ language }) => language === 'ts').map(({ text }) => text);
    expect(shown).toHaveLength(4);
    const example = read('examples/own-module/main.ts');
    for (const code of shown) expect(example).toContain(code);
  });

  it('describes everything that configure takes', () => {
    const described = names(page.text, /^### `(\w+)`$/gm);
    const known = /const known = \[(.*)\]/.exec(read('src/extension/extension.ts'))?.[1]?.match(/\w+/g) ?? [];
    expect(described.sort()).toEqual([...known].sort());
  });
});

describe('the library', () => {
  it('has every function that the drop-in registers', () => {
    const registered = names(read('src/index.ts'), /\bregister\w+\([^)]*?(\w+)\);/g);
    const match = names(read('src/index.ts'), /\bmatch[A-Z]\w+: (\w+)/g);
    const exported = names(read('src/functions.ts'), /^export function (\w+)/gm);
    expect(registered.length).toBeGreaterThan(12);
    for (const name of [...registered, ...match]) expect(exported).toContain(name);
    expect(read('src/public.ts')).toContain("export * from './functions';");
  });
  it('is used by the example with all its matches: without one of them nothing works', () => {
    const matches = (file: string) => names(read(file), /\bregisterMatch\('(\w+)'/g).sort();
    expect(matches('src/index.ts')).toContain('gameye_allocator');
    expect(matches('examples/own-module/main.ts')).toEqual(matches('src/index.ts'));
  });
});
