import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  optionalObject,
  optionalText,
  parsePayload,
  sessionId,
  userIds,
  wholeNumber,
  type Payload,
} from '../../src/fields';
import { refusal } from './support/refusal';

const A = '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6';
const B = '00000000-0000-0000-0000-000000000001';

/** The words of a refusal with code 3. */
function words(act: () => unknown): string {
  const { code, message } = refusal(act);
  expect(code).toBe(3);
  return message;
}

describe('a payload', () => {
  it.each([
    [undefined, {}],
    ['', {}],
    ['{}', {}],
    ['{"a":1,"b":null}', { a: 1 }],
    ['{"a":"\\ud83d\\ude00 😀"}', { a: '😀 😀' }],
    [`{"a":${'['.repeat(30)}${']'.repeat(30)}}`, { a: expect.any(Array) }],
  ])('may be %j', (text, payload) => expect(parsePayload(text, ['a', 'b'])).toEqual(payload));
  it.each([
    ['{"a":', /not JSON/],
    ['hello', /not JSON/],
    ['[]', /must be a JSON object/],
    ['null', /must be a JSON object/],
    ['"{}"', /must be a JSON object/],
    ['7', /must be a JSON object/],
    ['{"c":1}', /Unknown field "c". Known here: a, b\./],
    ['{"a":1,"c":1,"d":2}', /Unknown field "c", "d"/],
    ['{"__proto__":{"a":1}}', /Unknown field "__proto__"/],
    ['{"constructor":1}', /Unknown field "constructor"/],
    ['{"a":"x\\u0000"}', /NUL character/],
    ['{"a":{"b":[{"\\u0000":1}]}}', /NUL character/],
    ['{"a":"\\ud83d"}', /half a surrogate pair/],
    ['{"a":"\\ude00\\ud83d"}', /half a surrogate pair/],
    [`{"a":${'['.repeat(33)}${']'.repeat(33)}}`, /nested too deeply/],
  ])('may not be %s', (text, message) => expect(words(() => parsePayload(text, ['a', 'b']))).toMatch(message));
  it('has null only in fields in which that says something', () => {
    expect(parsePayload('{"a":null,"b":null}', ['a', 'b'], ['b'])).toEqual({ b: null });
    expect(words(() => parsePayload('{"c":null}', ['a']))).toMatch(/Unknown field "c"/);
  });
  it('is repeated only in part by its error', () => {
    expect(words(() => parsePayload(JSON.stringify({ ['x'.repeat(9000)]: 1 }), [])).length).toBeLessThan(200);
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`field${i}`, 1]));
    expect(words(() => parsePayload(JSON.stringify(many), ['a']))).toMatch(/"field9" and more\. Known here: a\.$/);
  });
});

describe('a session id', () => {
  it.each(['a', A, 'x'.repeat(128), 'eu-1:game_2.0'])('may be %s', (id) => expect(sessionId({ id })).toBe(id));
  it.each([undefined, null, '', 7, ['a'], 'x'.repeat(129), 'a b', 'a/b', 'a"', 'ü', 'a\n', '../etc'])(
    'is not %j',
    (id) => expect(words(() => sessionId({ id }))).toMatch(/^"id" must be a session id/),
  );
});

describe('user ids', () => {
  const read = (value: unknown, fewest = 1) => userIds({ users: value } as Payload, 'users', fewest);
  it('come without repetitions, in lower case, in order', () => {
    expect(read([B, A.toUpperCase(), A, B])).toEqual([B, A]);
  });
  it('may be missing where none is needed', () => {
    expect(userIds({}, 'users', 0)).toEqual([]);
    expect(read(null, 0)).toEqual([]);
  });
  it('may be a thousand', () => {
    const many = Array.from({ length: 1001 }, (_, i) => `00000000-0000-0000-0000-${String(i).padStart(12, '0')}`);
    expect(read(many.slice(1))).toHaveLength(1000);
    expect(words(() => read(many))).toBe('"users" must be a list of 1 to 1000 Nakama user ids.');
  });
  it.each([[[]], [null], [A], [{}], [[A, '']], [[A, 7]], [[A, null]], [['x']], [[`${A}0`]], [[A.replace('-', '')]]])(
    'are not %j',
    (value) => expect(words(() => read(value))).toMatch(/^"users" must be a list of 1 to/),
  );
});

describe('a whole number', () => {
  const read = (n: unknown) => wholeNumber({ n }, 'n', 1, 10);
  it.each([1, 5, 10])('may be %d', (n) => expect(read(n)).toBe(n));
  it.each([0, 11, 1.5, -1, NaN, Infinity, '5', null, undefined, [5], true])('is not %j', (n) =>
    expect(words(() => read(n))).toBe('"n" must be a whole number from 1 to 10.'),
  );
});

describe('an optional text', () => {
  const read = (text: unknown) => optionalText({ text }, 'text', 5, 'else');
  it.each([
    ['', ''],
    ['12345', '12345'],
    [undefined, 'else'],
    [null, 'else'],
  ])('%j is %j', (text, result) => expect(read(text)).toBe(result));
  it.each(['123456', 7, {}, ['a'], false])('is not %j', (text) =>
    expect(words(() => read(text))).toMatch(/^"text" must be a text of at most 5/),
  );
});

describe('an optional object', () => {
  it.each([
    [{ a: 1 }, { a: 1 }],
    [{}, {}],
    [undefined, {}],
    [null, {}],
  ])('%j is %j', (value, result) => expect(optionalObject({ o: value }, 'o')).toEqual(result));
  it.each([[[]], ['{}'], [7], [true]])('is not %j', (value) =>
    expect(words(() => optionalObject({ o: value }, 'o'))).toBe('"o" must be a JSON object.'),
  );
});

describe('any JSON', () => {
  it('is read or refused with code 3, never anything else', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const readers = [
          () => sessionId({ f: value }, 'f'),
          () => userIds({ f: value }, 'f', 0),
          () => wholeNumber({ f: value }, 'f', 0, 9),
          () => optionalText({ f: value }, 'f', 9, ''),
          () => optionalObject({ f: value }, 'f'),
          () => parsePayload(JSON.stringify(value), ['a']),
        ];
        for (const read of readers) {
          try {
            read();
          } catch (error) {
            expect(error).toMatchObject({ code: 3, message: expect.any(String) });
          }
        }
      }),
    );
  });
});
