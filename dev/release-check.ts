/*
 * `npm run release:check`: whether what is here can be released. Says all that is missing at once, and then runs the tests.
 * It changes nothing; after it, a person publishes and sets the tag.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from './stack/paths.ts';

export interface Candidate {
  version: string;
  changelog: string;
  /** The files that `npm pack` takes. */
  packed: string[];
  /** What `git status --short` says. */
  changes: string;
}

/** Drop-in, library, script, and what npm adds. */
const NEEDED = [
  ...['LICENSE', 'README.md', 'package.json', 'build/index.js'],
  ...['dist/nakama-gameye.js', 'dist/types/public.d.ts', 'dist/script.js', 'dist/script.d.ts'],
];

/** Everything that speaks against a release, as sentences. */
export function obstacles({ version, changelog, packed, changes }: Candidate): string[] {
  const found: string[] = [];
  if (!/^\d+\.\d+\.\d+$/.test(version)) found.push(`package.json: the version ${version} is not like 1.2.3.`);
  const sections = new Map(changelog.split(/^## /m).map((text) => [text.split('\n')[0] ?? '', text]));
  const title = [...sections.keys()].find((name) => name.split(' ')[0] === version);
  if (title === undefined) found.push(`CHANGELOG.md: there is no "## ${version}".`);
  else if (!/ \d{4}-\d\d-\d\d$/.test(title)) found.push(`CHANGELOG.md: "## ${title}" does not end with a date.`);
  if (/^- /m.test(sections.get('Unreleased') ?? '')) found.push('CHANGELOG.md: "Unreleased" still has entries.');
  for (const file of NEEDED) if (!packed.includes(file)) found.push(`npm pack: ${file} is missing.`);
  const strangers = packed.filter((file) => !NEEDED.includes(file) && !/^dist\/types\/.*\.d\.ts$/.test(file));
  if (strangers.length > 0) found.push(`npm pack: ${strangers.join(', ')} should not be there.`);
  if (changes !== '') found.push(`git: not everything is committed:\n${changes}`);
  return found;
}

/** What `npm pack` would take. */
export function packedFiles(): string[] {
  const printed = run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts']);
  const [one] = JSON.parse(printed) as { files: { path: string }[] }[];
  return (one?.files ?? []).map((file) => file.path);
}

function run(command: string, args: string[]): string {
  return execFileSync(command, args, { cwd: projectRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

function main(): number {
  const read = (file: string) => readFileSync(path.join(projectRoot, file), 'utf8');
  const { version } = JSON.parse(read('package.json')) as { version: string };
  const changes = run('git', ['status', '--short']).trimEnd();
  const found = obstacles({ version, changelog: read('CHANGELOG.md'), packed: packedFiles(), changes });
  for (const one of found) console.error(one);
  if (found.length > 0) return 1;
  console.log(`Version, changelog and package of ${version} are in order. Now the tests.`);
  return spawnSync('npm', ['test'], { cwd: projectRoot, stdio: 'inherit' }).status ?? 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = main();
