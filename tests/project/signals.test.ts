import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../dev/stack/paths.ts';
import { COUNTERS, GAUGES, TIMERS } from '../../src/nakama/metrics.ts';
import { logCalls } from './log-calls.ts';
import { doc, rowsOf, section } from './readme.ts';

const page = doc('metrics-and-logs.md');
const line = (name: string, kind: string, labels: readonly string[]): string =>
  [`\`${name}\``, kind, labels.map((label) => `\`${label}\``).join(' ')].join(' | ');
const LEVELS = {
  error: 'Errors: somebody should look',
  warn: 'Warnings: worth a look when there are many',
  info: 'Information',
  debug: 'Debug',
};

const source = readdirSync(`${projectRoot}/src`, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(`${projectRoot}/src/${file}`, 'utf8'))
  .join('\n');

/** Some call counts or times it; one that none does is nobody's to read. */
const isRecorded = (name: string): boolean =>
  new RegExp(`\\b(count|gauge|time)\\((call\\.)?nk, '${name}'`).test(source);

describe('the page of metrics and logs', () => {
  it('has every metric with its labels, and no other', () => {
    const metrics = [
      ...Object.entries(COUNTERS).map(([name, labels]) => ({ name, row: line(name, 'counter', labels) })),
      ...Object.entries(GAUGES).map(([name, labels]) => ({ name, row: line(name, 'gauge', labels) })),
      ...Object.entries(TIMERS).map(([name, labels]) => ({ name, row: line(name, 'timer', labels) })),
    ];
    const recorded = metrics.filter(({ name }) => isRecorded(name)).map(({ row }) => row);
    const [, ...rows] = rowsOf(section(page, 'Where are the metrics?'));
    expect(rows.map((cells) => cells.join(' | ')).sort()).toEqual(recorded.sort());
  });

  it('says of each metric what the values of its labels mean', () => {
    const meanings = section(page, 'What do the values of labels mean?');
    const names = Object.keys({ ...COUNTERS, ...GAUGES, ...TIMERS }).filter(isRecorded);
    for (const name of names) expect(meanings).toContain(`- **\`${name}\`**`);
  });

  it.each(Object.entries(LEVELS))(
    'has every log message of the level %s with its meaning, and no other',
    (level, heading) => {
      const described = [...section(page, heading).matchAll(/^- `(Gameye: [^`]+)`\s+\S/gm)].map(
        ([, message = '']) => message,
      );
      const messages = logCalls()
        .filter((call) => call.level === level)
        .map(({ message }) => message);
      expect(messages.length).toBeGreaterThan(0);
      expect(described.sort()).toEqual([...new Set(messages)].sort());
    },
  );
});

it('every metric is recorded somewhere, and only by the functions that never throw', () => {
  for (const [names, call] of [
    [Object.keys(COUNTERS), 'count'],
    [Object.keys(GAUGES), 'gauge'],
    [Object.keys(TIMERS), 'time'],
  ] as const) {
    const unused = names.filter((name) => !new RegExp(`\\b${call}\\((call\\.)?nk, '${name}'`).test(source));
    expect(unused).toEqual([]);
  }
  expect(source.match(/\.metrics\w+\(/g)).toEqual(['.metricsCounterAdd(', '.metricsTimerRecord(', '.metricsGaugeSet(']);
});

it('log messages begin with the name of the product, are sentences, and Nakama formats nothing in them', () => {
  for (const { message } of logCalls()) {
    expect(message).toMatch(/^Gameye: [^%|]+\.$/);
  }
});

it('no field of a log line is called like a field of a format that Nakama logs in', () => {
  // newJSONEncoder in Nakama's server/logger.go, and what Stackdriver reads beside those.
  const json = ['ts', 'level', 'logger', 'caller', 'msg', 'stacktrace'];
  const stackdriver = ['time', 'severity', 'logger', 'caller', 'message', 'stacktrace', 'timestamp', 'httpRequest'];
  const fields = logCalls().flatMap((call) => call.fields);
  expect(fields).toContain('detail');
  expect(fields.filter((field) => [...json, ...stackdriver].includes(field))).toEqual([]);
});
