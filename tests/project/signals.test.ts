import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../dev/stack/paths.ts';
import { COUNTERS, TIMERS } from '../../src/nakama/metrics.ts';
import { logCalls } from './log-calls.ts';
import { tableAfter } from './readme.ts';

const plain = (cell = ''): string => cell.replace(/`/g, '');
const rows = tableAfter('Metrics and logs')
  .slice(1)
  .map(([name, kind, labels, meaning]) => ({ name: plain(name), kind, labels: plain(labels), meaning }));
const line = (name: string, kind: string, labels: readonly string[]): string =>
  `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(' ')} |`;
const inReadme = rows.map(({ name, kind = '', labels }) => line(name, kind, labels.split(' ').filter(Boolean)));
const isMetric = (row: string): boolean => / (counter|timer) /.test(row);

const source = readdirSync(`${projectRoot}/src`, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(`${projectRoot}/src/${file}`, 'utf8'))
  .join('\n');

describe('the table of metrics and logs in the README', () => {
  it('has every metric with its labels, and no other', () => {
    const metrics = [
      ...Object.entries(COUNTERS).map(([name, labels]) => line(name, 'counter', labels)),
      ...Object.entries(TIMERS).map(([name, labels]) => line(name, 'timer', labels)),
    ];
    expect(inReadme.filter(isMetric).sort()).toEqual(metrics.sort());
  });

  it('has every log message with its level and fields, and no other', () => {
    const messages = logCalls().map(({ level, message, fields }) => line(message, level, fields));
    expect(messages.length).toBeGreaterThan(20);
    expect(inReadme.filter((row) => !isMetric(row)).sort()).toEqual([...new Set(messages)].sort());
  });

  it('says of each what it means', () => {
    for (const { name, meaning } of rows) expect(meaning, name).toMatch(/\w{3,}/);
  });
});

it('every metric is recorded somewhere, and only by the functions that never throw', () => {
  for (const [names, call] of [
    [Object.keys(COUNTERS), 'count'],
    [Object.keys(TIMERS), 'time'],
  ] as const) {
    for (const name of names) expect(source).toMatch(new RegExp(`\\b${call}\\((call\\.)?nk, '${name}'`));
  }
  expect(source.match(/\.metrics\w+\(/g)).toEqual(['.metricsCounterAdd(', '.metricsTimerRecord(']);
});

it('log messages begin with the name of the product, are sentences, and Nakama formats nothing in them', () => {
  for (const { message } of logCalls()) {
    expect(message).toMatch(/^Gameye: [^%|]+\.$/);
  }
});
