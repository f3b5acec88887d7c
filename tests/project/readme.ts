import { readdirSync, readFileSync } from 'node:fs';
import { projectRoot } from '../../dev/stack/paths.ts';

/** One fenced block of a page. */
export interface Block {
  language: string;
  text: string;
}

/** One page: the README, those of docs/ and kits/, and those that stand beside the README. */
export interface Page {
  /** From the project's root, such as `docs/rpc.md`. */
  file: string;
  text: string;
  /** All fenced blocks, in order. */
  blocks: Block[];
  /** The anchors of its headings. */
  anchors: string[];
  /** The text without its fenced blocks. */
  prose: string;
}

const FENCED = /^( *)```(\w*)\n([\s\S]*?)^\1```/gm;

function pageOf(file: string): Page {
  const text = readFileSync(`${projectRoot}/${file}`, 'utf8');
  const blocks = [...text.matchAll(FENCED)].map(([, , language = '', inside = '']) => ({ language, text: inside }));
  const prose = text.replace(FENCED, '');
  const anchors = [...prose.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => anchorOf(title));
  return { file, text, blocks, anchors, prose };
}

/** As GitHub makes them: lower case, without punctuation, spaces as hyphens. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
}

export const readme = pageOf('README.md');

export const docs: Page[] = readdirSync(`${projectRoot}/docs`)
  .filter((name) => name.endsWith('.md'))
  .sort()
  .map((name) => pageOf(`docs/${name}`));

export const kits = pageOf('kits/README.md');

export const pages: Page[] = [
  readme,
  ...docs,
  kits,
  ...['kits/vectors/README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'].map(pageOf),
];

/** The page of docs/ with this name. */
export function doc(name: string): Page {
  const found = docs.find(({ file }) => file === `docs/${name}`);
  if (!found) throw new Error(`there is no page docs/${name}`);
  return found;
}

/** What stands below a heading, up to the next one of any level. */
export function section(page: Page, heading: string): string {
  const found = page.text.split(/^#+ /m).find((text) => text.startsWith(`${heading}\n`));
  if (found === undefined) throw new Error(`${page.file} has no heading "${heading}"`);
  return found.slice(heading.length);
}

/** Commands of a shell block: comments out, continued lines joined. */
export function commandsOf(block: Block): string[] {
  return block.text
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/\s+#.*$|^#.*$/, '').trim())
    .filter((line) => line !== '');
}

/** The cells of all rows of the tables in a text, headers included. */
export function rowsOf(text: string): string[][] {
  return text
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
