import { describe, expect, it } from 'vitest';
import { readme, tableAfter } from './readme.ts';
import { exists, named, testsNamedIn } from './titles.ts';

const [header = [], ...table] = tableAfter('Compared with the other fleet managers');
const rows = table.map(([feature = '', ours = '', others = '', shownBy = '']) => {
  const [verdict = '', ...words] = ours.split(': ');
  return { feature, verdict, words: words.join(': '), others, shownBy, tests: testsNamedIn(shownBy) };
});

describe('the comparison in the README', () => {
  it('has a verdict on every feature, each once', () => {
    expect(header).toEqual(['feature', 'ours', 'others', 'shown by']);
    expect(rows.length).toBeGreaterThan(50);
    expect(new Set(rows.map((row) => row.feature)).size).toBe(rows.length);
    for (const { feature, verdict } of rows) expect(['yes', 'partly', 'no'], feature).toContain(verdict);
  });

  it('says what is missing where we have a part', () => {
    const partly = rows.filter((row) => row.verdict === 'partly');
    expect(partly.length).toBeGreaterThan(0);
    for (const { feature, words } of partly) expect(words, feature).not.toBe('');
  });

  it('counts right', () => {
    const count = (verdict: string): number => rows.filter((row) => row.verdict === verdict).length;
    expect(readme).toContain(`Ours: ${count('yes')} yes, ${count('partly')} partly, ${count('no')} no.`);
  });

  it.each(rows.filter((row) => row.verdict !== 'no'))('shows by tests that exist: $feature', ({ tests, shownBy }) => {
    expect(tests.length).toBeGreaterThan(0);
    expect(named(tests), 'nothing else is there').toBe(shownBy);
    for (const test of tests) {
      expect(test.title.length, 'distinctive').toBeGreaterThan(15);
      expect(exists(test), named([test])).toBe(true);
    }
  });

  it('names no test for what we lack', () => {
    for (const { feature, verdict, shownBy } of rows) if (verdict === 'no') expect(shownBy, feature).toBe('');
  });

  it('names the others by the names that its text introduces', () => {
    const known = ['GameLift', 'Go plugin', 'scrapyard', 'Edgegap', 'i3D', 'ODIN', 'Agones', 'Unity'];
    const introduction = /^## Compared with[^\n]*\n([^|]*)/m.exec(readme)?.[1] ?? '';
    for (const name of known) expect(introduction).toContain(name);
    for (const { feature, others } of rows) {
      const named = others === 'none' ? [] : others.split(/, |; /).map((name) => name.replace(/^partly /, ''));
      if (others !== 'none') expect(named.length, feature).toBeGreaterThan(0);
      expect(
        named.filter((name) => !known.includes(name)),
        feature,
      ).toEqual([]);
    }
  });
});
