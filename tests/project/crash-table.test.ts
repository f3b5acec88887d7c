import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../dev/stack/paths.ts';
import { doc, section } from './readme.ts';
import { exists, named, testsNamedIn } from './titles.ts';

const crashes = section(doc('failures.md'), 'What happens when a process dies?');
const points = [...crashes.matchAll(/^- \*\*(.+?)\*\*([\s\S]*?)(?=^- \*\*|^A row|(?![\s\S]))/gm)].map(
  ([, when = '', what = '']) => ({
    when,
    what,
  }),
);

describe('the page about failures, where a process dies', () => {
  it('has every state that an allocation can have', () => {
    const schema = readFileSync(`${projectRoot}/src/database/schema.ts`, 'utf8');
    const states = /state text NOT NULL CHECK \(state IN \(([^)]*)\)/.exec(schema)?.[1]?.match(/\w+/g) ?? [];
    expect(states.length).toBeGreaterThan(5);
    for (const state of states) expect(crashes).toContain(`\`${state}\``);
  });

  it.each(points)('says what is stored, and shows by a test that exists: $when', ({ when, what }) => {
    expect(what).toContain('Stored: ');
    const tests = testsNamedIn(what);
    // Before the first statement there is nothing to show.
    expect(tests.length).toBe(when.startsWith('Before the first statement') ? 0 : 1);
    for (const test of tests) expect(exists(test), named([test])).toBe(true);
  });

  it('has every crash that the tests make', () => {
    const made = readFileSync(`${projectRoot}/tests/faults/crash.test.ts`, 'utf8');
    const titles = [...made.matchAll(/^\s+it\(\s*'([^']+)'/gm)].map(([, title = '']) => title);
    expect(titles.length).toBeGreaterThan(10);
    for (const title of titles) expect(crashes).toContain(`"${title}"`);
  });
});
