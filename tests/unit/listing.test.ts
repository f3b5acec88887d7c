import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { comparedOnly, withoutSecrets } from '../../src/gameye/listing';
import { fakeNakama, type FakeNakama } from './support/nakama';
import { listed, NOW, plan, store, type Entry } from './support/reconcile';

const TOKEN = 'tok-api-1';
const SECRETS = ['seat-secret-1', 'server-token-1', TOKEN];
const env = { SEAT_SECRET: SECRETS[0], NAKAMA_SERVER_TOKEN: SECRETS[1], MORE: 'a "b" \\ c\n{"env":"x"}' };

const withLabels = (more: Entry): Entry => {
  const entry = listed('a');
  return { ...entry, labels: { ...(entry['labels'] as object), ...more } };
};
const text = (...sessions: unknown[]): string => JSON.stringify({ sessions });
/** The same JSON, written in another way. */
const rewritten = (body: string, change: (body: string) => string): string => {
  const other = change(body);
  expect(JSON.parse(other)).toEqual(JSON.parse(body));
  expect(other).not.toBe(body);
  return other;
};

let fake: FakeNakama;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW });
  fake = fakeNakama();
  store(fake, 'a');
});
afterEach(() => void vi.useRealTimers());

const bodies: [string, string][] = [
  ['as Gameye shows it', text(withLabels({ env: JSON.stringify(env) }))],
  ['an object', text(withLabels({ env }))],
  ['a list', text(withLabels({ env: Object.values(env) }))],
  ['of no label', text({ ...listed('a'), env: JSON.stringify(env) })],
  ['of another name', text(withLabels({ environment: JSON.stringify(env) }))],
  ['in an entry beside others that are none', text(1, null, withLabels({ env }), 'x')],
  [
    'with spaces',
    rewritten(text(withLabels({ env: JSON.stringify(env) })), (body) => body.replace('"env":', '"env" \n : \t')),
  ],
  [
    'with an escaped name',
    rewritten(text(withLabels({ env: JSON.stringify(env) })), (body) => body.replace('"env":', '"\\u0065nv":')),
  ],
  ['and the API token is repeated', text(withLabels({ env: JSON.stringify(env), note: `Bearer ${TOKEN}` }))],
  ['and the API token is its image', text({ ...withLabels({ env }), status: TOKEN, host: TOKEN })],
];

describe('the environment of containers in a list of sessions', () => {
  it.each(bodies)('never reaches a statement: %s', (_form, body) => {
    for (const kept of [withoutSecrets(body, TOKEN), comparedOnly(body, TOKEN)]) {
      for (const secret of SECRETS) expect(kept).not.toContain(secret);
    }
  });
  it.each(bodies.slice(0, 5))('does not keep the list from being compared: %s', (_form, body) => {
    const kept = withoutSecrets(body.replace('"id":"a"', '"id":"stray"'), TOKEN);
    expect(plan(fake, undefined, { body: kept })).toMatchObject({
      distrust: 'shows_none',
      tasks: [{ do: 'confirm', id: 'a' }],
    });
    expect(plan(fake, undefined, { body: withoutSecrets(body, TOKEN) })).toEqual({
      tasks: [],
      strays: {},
      more: false,
    });
  });
  it('never reaches a statement, whatever it is and wherever', () => {
    const secret = fc.constantFrom(...SECRETS.slice(0, 2));
    const value = fc.oneof(secret, fc.jsonValue(), fc.dictionary(fc.string(), secret));
    fc.assert(
      fc.property(fc.array(value), fc.string({ unit: 'binary' }), (values, name) => {
        const environment = { [name]: values, SEAT_SECRET: SECRETS[0], NAKAMA_SERVER_TOKEN: SECRETS[1] };
        const body = text(
          withLabels({ env: JSON.stringify(environment) }),
          withLabels({ env: environment, [name]: name }),
        );
        const kept = withoutSecrets(body, TOKEN);
        expect(JSON.parse(kept)).toHaveProperty('sessions.length', 2);
        expect(SECRETS.filter((one) => kept.includes(one))).toEqual([]);
      }),
    );
  });
});

describe('a session in the list with a text that Postgres refuses', () => {
  const bad = (body: string): string => withoutSecrets(body, TOKEN);
  it.each<[string, string]>([
    ['NUL', '\\u0000'],
    ['the first half of a pair', '\\ud83d'],
    ['the second half of a pair', '\\uDE00'],
    ['a pair', '\\ud83d\\ude00'],
  ])('costs nobody else anything: %s', (_what, escaped) => {
    const odd = JSON.stringify(listed('odd', { status: 'X', image: 'X' }))
      .split('X')
      .join(escaped);
    const body = `{"sessions":[${JSON.stringify(listed('a'))},${odd},${JSON.stringify(listed('stray'))}]}`;
    expect(plan(fake, undefined, { body: bad(body) })).toMatchObject({ strays: { stray: NOW, odd: NOW } });
  });
  it.each<[string, string]>([
    ['a number that is too large', `{"id":"odd","created":1${'0'.repeat(140_000)}}`],
    ['an exponent that is too large', '{"id":"odd","created":1e999999}'],
    ['values that are nested too deeply', `{"id":"odd","more":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ])('costs nobody else anything when only what is compared is read: %s', (_what, odd) => {
    const body = `{"sessions":[${JSON.stringify(listed('a'))},${odd},${JSON.stringify(listed('stray'))}]}`;
    expect(plan(fake, undefined, { body: bad(body) })).toMatchObject({ distrust: 'failed' });
    expect(plan(fake, undefined, { body: comparedOnly(body, TOKEN) })).toMatchObject({ strays: { stray: NOW } });
  });
});

describe('an answer that is no list of sessions', () => {
  it.each([
    '',
    '<html>',
    '{"sessions":[{"id":"\0"}]}',
    '[]',
    '{"sessions":{}}',
    '{"sessions":[{"id":"a"',
    'null',
    '{"env":{}',
  ])('leads to no list: %s', (body) => {
    expect(plan(fake, undefined, { body: withoutSecrets(body, TOKEN) }).distrust).toBe('failed');
    expect(plan(fake, undefined, { body: comparedOnly(body, TOKEN) }).distrust).toBe('failed');
  });
});
