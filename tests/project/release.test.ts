import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { obstacles, packedFiles, type Candidate } from '../../dev/release-check.ts';
import { projectRoot } from '../../dev/stack/paths.ts';
import { readme } from './readme.ts';

const GOOD: Candidate = {
  version: '1.2.3',
  changelog: '# Changelog\n\n## Unreleased\n\n## 1.2.3 - 2026-11-28\n\n- News.\n',
  packed: packedFiles(),
  changes: '',
};

describe('the check of a release', () => {
  it('accepts a release that is in order, and the files of this package', () => {
    expect(obstacles(GOOD)).toEqual([]);
  });
  it.each<[string, Partial<Candidate>]>([
    ['the version 1.2 is not like', { version: '1.2', changelog: GOOD.changelog.replace('1.2.3', '1.2') }],
    ['there is no "## 1.2.4"', { version: '1.2.4' }],
    ['does not end with a date', { changelog: '## 1.2.3\n\n- News.\n' }],
    ['still has entries', { changelog: `${GOOD.changelog}\n## Unreleased\n\n### Added\n\n- More.\n` }],
    ['dist/script.js is missing', { packed: GOOD.packed.filter((file) => file !== 'dist/script.js') }],
    ['src/index.ts should not be there', { packed: [...GOOD.packed, 'src/index.ts'] }],
    ['not everything is committed', { changes: ' M README.md' }],
  ])('says: %s', (text, change) => {
    const found = obstacles({ ...GOOD, ...change });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(text);
  });
});

describe('the CI workflow', () => {
  interface Workflow {
    jobs: { nakama: { strategy: { matrix: { version: string[] } }; steps: { run?: string }[] } };
  }
  const text = readFileSync(`${projectRoot}/.github/workflows/ci.yml`, 'utf8');
  const { nakama } = (parse(text) as Workflow).jobs;

  it('runs the tests of servers on the oldest Nakama that the README names, and on the newest', () => {
    const [oldest = '', newest] = nakama.strategy.matrix.version;
    expect(readme.text).toContain(oldest);
    expect(newest).toBe('latest');
    expect(nakama.steps.some(({ run = '' }) => run.includes('heroiclabs/nakama:${{ matrix.version }}'))).toBe(true);
  });
  it('calls only scripts that package.json has', () => {
    const { scripts } = JSON.parse(readFileSync(`${projectRoot}/package.json`, 'utf8')) as { scripts: object };
    const called = [...text.matchAll(/npm (?:run )?(test|build|[\w-]+:[\w-]+)\b/g)].map(([, name]) => name);
    expect(called.length).toBeGreaterThan(1);
    for (const name of called) expect(scripts).toHaveProperty([name ?? '']);
  });
});
