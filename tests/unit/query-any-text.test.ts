import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { translateQuery } from '../../src/instances/query';
import { concurrent, type Concurrent } from './support/concurrent';
import { ALL, foundBy, putRows } from './support/listed';

let db: Concurrent;
beforeAll(async () => {
  db = await concurrent(2);
  await putRows(db);
});
afterAll(() => db.close());
const found = (query: string): Promise<number[]> => foundBy(db, query);

/** All that a statement may get from a query: names and operators of the code, and placeholders. */
const VOCABULARY = new RegExp(
  `^(?:${[
    'true|false|AND|OR|NOT|IN|LIKE|IS NOT NULL|CASE WHEN|THEN|END|coalesce|to_jsonb|jsonb_typeof',
    `extract\\(epoch FROM i\\.create_time\\) \\* 1000\\)::int8`,
    `i\\.(?:id|status|region|version|image|mode|player_count|open_seats|metadata)\\b`,
    `\\$\\d+::(?:text|float8)(?:::text\\[\\])?|::float8|'number'`,
    `>=|<=|#>>|#>|@>|[()=<>~, ]`,
  ].join('|')})*$`,
);

const piece = fc.oneof(
  fc.constantFrom(...'+-:<>=*?/"\\^~ \n$\';{}[](),.|%_', '--', '/*', '$1', '::', "' OR 1=1 --", '\\x', '\0', '\ud800'),
  fc.constantFrom(
    'value.',
    'region',
    'player_count',
    'create_time',
    'metadata.',
    'mode',
    'a',
    '1',
    '2026-11-22',
    'true',
  ),
  fc.string({ unit: 'binary', maxLength: 3 }),
);
const field = fc.constantFrom(
  'mode',
  'value.region',
  'player_count',
  'open_seats',
  'create_time',
  'metadata.level',
  'id',
);
const pieces = fc.array(piece, { maxLength: 8 }).map((parts) => parts.join(''));
const term = fc.oneof(
  fc
    .tuple(field, fc.constantFrom('', '>', '>=', '<', '<='), pieces)
    .map(([name, sign, rest]) => `${name}:${sign}${rest}`),
  fc.tuple(field, pieces).map(([name, rest]) => `${name}:/${rest.replace(/ /g, '\\ ')}/`),
  fc.tuple(field, pieces).map(([name, rest]) => `${name}:"${rest.replace(/["\\]/g, '\\$&')}"`),
  fc.tuple(pieces, pieces).map(([name, rest]) => `metadata.${name}:${rest}`),
);

describe('a query, whatever it says,', () => {
  const signed = fc.tuple(fc.constantFrom('', '+', '-'), term).map(([sign, one]) => sign + one);
  const any = fc.oneof(
    pieces,
    fc.array(signed, { minLength: 1, maxLength: 5 }).map((terms) => terms.join(' ')),
  );

  it('becomes fixed words and placeholders that are all bound, and the database takes it or refuses a regular expression', async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(any, async (query) => {
        const asked = translateQuery(query, 3);
        if ('problem' in asked) return;
        expect(asked.sql).toMatch(VOCABULARY);
        const places = new Set((asked.sql.match(/\$\d+/g) ?? []).map((place) => Number(place.slice(1))));
        expect([...places].sort((a, b) => a - b)).toEqual(asked.values.map((_value, i) => i + 3));
        const run = db.query(
          `SELECT id FROM gameye_instance i WHERE fleet = $1::text AND (${asked.sql}) LIMIT $2::int4`,
          ['f', 100, ...asked.values],
        );
        const state = await run.then(
          () => 'taken',
          (error: unknown) => (error as { code?: string }).code,
        );
        expect(['taken', '2201B']).toContain(state);
        if (state === 'taken') taken += 1;
      }),
      { numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(200);
  });

  it('finds with a term after - exactly the rows that it does not find with that term after +', async () => {
    let shared = 0;
    await fc.assert(
      fc.asyncProperty(term, async (one) => {
        const asked = translateQuery(`+${one}`, 1);
        if ('problem' in asked || asked.sql.split('coalesce').length > 2) return;
        const both = await Promise.all([found(`+${one}`), found(`-${one}`)]).catch((error: unknown) => {
          expect((error as { code?: string }).code).toBe('2201B');
        });
        if (!both) return;
        expect(both.flat().sort((a, b) => a - b)).toEqual(ALL);
        shared += 1;
      }),
      { numRuns: 500 },
    );
    expect(shared).toBeGreaterThan(50);
  });
});
