import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../dev/stack/paths.ts';
import { tableAfter } from './readme.ts';
import { exists, named, testsNamedIn } from './titles.ts';

const [header = [], ...rows] = tableAfter('When a process dies');

describe('the crash table in the README', () => {
  it('has a row for every state of an allocation', () => {
    expect(header).toEqual(['it dies', 'stored', 'what happens next', 'players get', 'shown by']);
    const source = readFileSync(`${projectRoot}/src/allocation/allocation.ts`, 'utf8');
    const states = [...source.matchAll(/^  state: ([^;]*);$/gm)].flatMap(([, union = '']) => [
      ...union.matchAll(/'(\w+)'/g),
    ]);
    expect(states.length).toBeGreaterThan(4);
    const stored = rows.map((row) => row[1]).join(' ');
    for (const [, state = ''] of states) expect(stored).toContain(`\`${state}\``);
  });

  it.each(rows)('shows by tests that exist: %s', (_when, _stored, next = '', players = '', shownBy = '') => {
    const tests = testsNamedIn(shownBy);
    expect(tests.length).toBeGreaterThan(0);
    expect(named(tests), 'nothing else is there').toBe(shownBy);
    for (const test of tests) expect(exists(test), named([test])).toBe(true);
    expect(next).toMatch(/\w{3,}/);
    expect(players).toMatch(/\w{3,}/);
  });
});
