import { describe, expect, it } from 'vitest';
import { doc, rowsOf } from './readme.ts';

const page = doc('comparison.md');
const [header = [], ...rows] = rowsOf(page.text);

describe('the comparison with other fleet managers', () => {
  it('has a verdict on every feature of everybody, each once', () => {
    expect(header[1]).toBe('ours');
    expect(rows.length).toBeGreaterThan(20);
    expect(new Set(rows.map(([feature]) => feature)).size).toBe(rows.length);
    for (const [feature, ...verdicts] of rows) {
      expect(verdicts.length, feature).toBe(header.length - 1);
      for (const verdict of verdicts) expect(['yes', 'partly', 'no', '–'], feature).toContain(verdict);
    }
  });

  it('says what is missing where we have a part, and admits what we lack', () => {
    const explained = [...page.text.matchAll(/^- \*\*(.+?)\*\*: \S/gm)].map(([, feature = '']) => feature);
    const partly = rows.filter(([, ours]) => ours === 'partly').map(([feature]) => feature);
    expect(explained.sort()).toEqual(partly.sort());
    expect(rows.filter(([, ours]) => ours === 'no').length).toBeGreaterThan(1);
  });
});
