import { readFileSync } from 'node:fs';

/** One fenced block of the README. */
export interface Block {
  language: string;
  text: string;
}

export const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** All fenced blocks, in order. */
export const blocks: Block[] = [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map((match) => ({
  language: match[1] ?? '',
  text: match[2] ?? '',
}));

/** Commands of a shell block: comments out, continued lines joined. */
export function commandsOf(block: Block): string[] {
  return block.text
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/\s+#.*$|^#.*$/, '').trim())
    .filter((line) => line !== '');
}

/** First cells of the rows of the table that follows a heading, without back-quotes. */
export function tableAfter(heading: string): string[][] {
  const section = readme.split(/^#+ /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** The kind of every value in a JSON document, for comparing an example with a real answer. */
export function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, shapeOf(inner)]),
  );
}
