import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { projectRoot } from '../../dev/stack/paths.ts';
import { COUNTERS, GAUGES, TIMERS } from '../../src/nakama/metrics.ts';
import { doc, section } from './readme.ts';

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string };
}
interface Panel {
  title: string;
  targets: { expr: string; legendFormat: string }[];
}

const read = (file: string): string => readFileSync(`${projectRoot}/docs/monitoring/${file}`, 'utf8');
const rules = (parse(read('alerts.yml')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
const { panels } = JSON.parse(read('dashboard.json')) as { panels: Panel[] };
const targets = panels.flatMap(({ title, targets: all }) => all.map((target) => ({ name: title, ...target })));
const queries = [...rules.map(({ alert, expr }) => ({ name: alert, expr })), ...targets];

const meanings = section(doc('metrics-and-logs.md'), 'What do the values of labels mean?');
const reasons = section(doc('failures.md'), 'Which reasons do players hear?');

/** The metrics of an expression: with what their names end, and what their labels are compared with. */
function metricsIn(expr: string) {
  return [...expr.matchAll(/nakama_custom_(gameye_[a-z_]+?)(_sum|_count)?\b(?:\{([^}]*)\})?/g)].map(
    ([, name = '', suffix = '', compared = '']) => ({
      name,
      suffix,
      compared: [...compared.matchAll(/(\w+)[!=~]+"([^"]*)"/g)].map(([, label = '', values = '']) => ({
        label,
        values,
      })),
    }),
  );
}
const labelsOf = (name: string): readonly string[] | undefined =>
  ({ ...COUNTERS, ...GAUGES, ...TIMERS })[name as 'gameye_hook'];

describe.each(queries)('the alert or panel $name', ({ expr }) => {
  const metrics = metricsIn(expr);
  it('asks for metrics and labels that the module has', () => {
    expect(metrics.length).toBeGreaterThan(0);
    for (const { name, suffix, compared } of metrics) {
      // Timers show as a sum and a count.
      expect([name, suffix !== '']).toEqual([name, name in TIMERS]);
      expect(labelsOf(name), name).toBeDefined();
      for (const { label } of compared) expect(labelsOf(name)).toContain(label);
    }
    const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(', '));
    const known = ['instance', ...metrics.flatMap(({ name }) => labelsOf(name) ?? [])];
    for (const label of grouped) expect(known).toContain(label);
  });
  it('compares labels with values that they can have', () => {
    const values = metrics.flatMap(({ compared }) => compared.flatMap((one) => one.values.split('|')));
    for (const value of values) expect(`${meanings}${reasons}`.includes(`\`${value}\``)).toBe(true);
  });
});

describe('the alerts', () => {
  it('have names of their own, a severity, and a sentence that says what is wrong', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { labels, annotations } of rules) {
      expect(['critical', 'warning']).toContain(labels.severity);
      expect(annotations.summary).toMatch(/^[A-Z].*\.$/);
    }
  });
});

describe('the dashboard', () => {
  it('shows every metric', () => {
    const shown = targets.flatMap(({ expr }) => metricsIn(expr).map(({ name }) => name));
    expect([...new Set(shown)].sort()).toEqual(Object.keys({ ...COUNTERS, ...GAUGES, ...TIMERS }).sort());
  });
  it('names its lines by labels that the expression keeps', () => {
    for (const { expr, legendFormat } of targets) {
      for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        expect(expr).toMatch(new RegExp(`\\b${label}\\b`));
    }
  });
});
