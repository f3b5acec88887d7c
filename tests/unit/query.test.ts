import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { translateQuery } from '../../src/instances/query';
import { concurrent, type Concurrent } from './support/concurrent';
import { ALL, foundBy, from, putRows } from './support/listed';

let db: Concurrent;
beforeAll(async () => {
  db = await concurrent(2);
  await putRows(db);
});
afterAll(() => db.close());
const found = (query: string): Promise<number[]> => foundBy(db, query);

describe('a query', () => {
  it.each<[query: string, rows: number[]]>([
    // Everything and nothing
    ['', ALL],
    [' \n', ALL],
    ['*', ALL],
    ['+*', ALL],
    ['-*', []],
    // Fields, with the prefix of the storage index and without
    ['+value.region:eu-central-1', [1, 2]],
    ['+region:eu-central-1', [1, 2]],
    ['+region:eu-central', []],
    ['+region:EU-CENTRAL-1', []],
    ['id:r3', [3]],
    ['+status:lost', [5]],
    ['+version:1.1.0', [3]],
    ['+mode:""', []],
    ['+version:""', from(5, 20)],
    // Signs
    ['-region:ap', [1, 2, 3, 4, 5]],
    ['-region:ap -status:lost', [1, 2, 3, 4]],
    ['region:eu-central-1 region:eu-west-1', [1, 2, 3]],
    ['region:eu-central-1 region:us-east-1 -status:lost', [1, 2, 4]],
    ['+region:eu-central-1 region:eu-west-1', [1, 2]],
    ['+region:eu-central-1 +mode:race', []],
    ['+mode:race\n  -status:lost', [4]],
    ['*  -region:ap', [1, 2, 3, 4, 5]],
    // Numbers
    ['+player_count:4', [2]],
    ['+player_count:"4"', [2]],
    ['+player_count:>=2', [2, 3, 5]],
    ['+player_count:>2', [2, 5]],
    ['+player_count:<=1 -region:ap', [1, 4]],
    ['+player_count:<1 -region:ap', [1]],
    ['+player_count:>=-1', ALL],
    ['+player_count:>2.5', [2, 5]],
    ['+open_seats:>=4', [1, 4, 5]],
    ['+open_seats:*', ALL],
    ['value.player_count:>=2 -value.metadata.map:dust\\ 2', [2, 5]],
    // Times, as a list shows them
    ['+create_time:>"2026-11-22T08:00:18.123Z"', [19, 20]],
    ['+create_time:>="2026-11-22T08:00:18.123Z"', [18, 19, 20]],
    ['+create_time:<"2026-11-22T08:00:02.123Z"', [1]],
    ['+create_time:<="2026-11-22T10:00:02.123+02:00"', [1, 2]],
    ['+create_time:"2026-11-22T08:00:07.123Z"', [7]],
    ['+create_time:>="2026-11-23"', []],
    ['+create_time:<"9999-12-31T23:59:59-14:00"', ALL],
    ['+create_time:>"0000-01-01T00:00:00+14:00"', ALL],
    // What needs a backslash, or quotes
    ['+image:host\\:5000/my-game', [4]],
    ['+image:"host:5000/my-game"', [4]],
    ['mode:a\\:b', [6]],
    ['mode:a\\^b\\~c', [7]],
    ['mode:say\\ \\"hi\\"', [8]],
    ['mode:"say \\"hi\\""', [8]],
    ['mode:back\\\\slash', [9]],
    ['mode:back\\slash', [9]],
    ['mode:\\+plus', [16]],
    ['mode:\\-minus', [17]],
    ['mode:\\>\\=5', [18]],
    ['mode:"with space"', [19]],
    ['mode:with\\ space', [19]],
    ['mode:ünï☕', [20]],
    // Wildcards; what SQL has for them is ordinary
    ['version:1.1.0*', [3, 4]],
    ['mode:a?b', [6, 12, 13, 14, 15]],
    ['mode:a\\*b', [14]],
    ['mode:a\\?b', [15]],
    ['mode:"a*b"', [14]],
    ['mode:a_b', [12]],
    ['mode:a_*', [12]],
    ['mode:100%', [10]],
    ['mode:*0%', [10]],
    ['mode:*\\**', [14]],
    ['mode:*\\\\*', [9]],
    ['mode:ünï?', [20]],
    ['region:*-1 -mode:duel', [4, 5]],
    ['mode:du', []],
    // Regular expressions match all of a text
    ['mode:/du?el|race/', [1, 2, 3, 4, 5]],
    ['mode:/due/', []],
    ['mode:/a[xyz]b/', [13]],
    ['mode:/\\d+/', [11]],
    ['mode:/a\\\\*b/', [14]],
    ['+region:/[a-z]{2}-(west|east)-1/', [3, 4, 5]],
    // Metadata: texts, numbers, truth values, lists
    ['+value.metadata.map:dust', [1]],
    ['+metadata.map:"dust 2"', [3]],
    ['+metadata.map:dust*', [1, 3]],
    ['+metadata.map:/[d-f]ust.*/', [1, 3]],
    ['+metadata.map:*', [1, 3, 15]],
    ['-metadata.map:*', ALL.filter((n) => ![1, 3, 15].includes(n))],
    ['+metadata.level:3', [1, 2]],
    ['+metadata.level:3.0', [1]],
    ['+metadata.level:>=3', [1, 3, 14]],
    ['+metadata.level:>3 +metadata.level:<10', [14]],
    ['+metadata.level.max:3', [13]],
    ['+metadata.score:-1.5', [11]],
    ['+metadata.score:<0', [11]],
    ['+metadata.levels:4', [10]],
    ['+metadata.tags:b', [5]],
    ['+metadata.tags.0:b', []],
    ['+metadata.on:true', [1, 7]],
    ['+metadata.on:T', [1, 6, 7]],
    ['+metadata.on:F', [2]],
    ['+metadata.on:false', [2]],
    ['+metadata.on:*', [1, 2, 6, 7]],
    ['+metadata.deep.er.x:7', [9]],
    ['+metadata.a\\ \\"key\\\\:yes', [12]],
    ['+metadata.nothing:1', []],
    ['-metadata.level:>=3 -region:ap', [2, 4, 5]],
  ])('%j finds what it describes', async (query, rows) => {
    expect(await found(query)).toEqual(rows);
  });

  const refusals: [query: string, words: string][] = [
    ['region:eu^2', 'boost'],
    ['*^2', 'boost'],
    ['region:eu~', 'fuzzy'],
    ['duel~1', 'fuzzy'],
    ['duel', '"duel" without a field'],
    ['"two words"', 'without a field'],
    [':duel', '":"'],
    [':*', '":"'],
    ['5', 'without a field'],
    ['+', 'without a field'],
    ['colour:red', '"colour"'],
    ['user_id:0', '"user_id"'],
    ['key:a', '"key"'],
    ['value.fleet:other', '"value.fleet"'],
    ['value.value.region:eu', '"value.value.region"'],
    ['metadata:a', '"metadata"'],
    ['+region:eu colour:red', '"colour"'],
    ['metadata.:a', '"metadata."'],
    ['metadata.a..b:a', 'empty name'],
    ['region:', 'no value for the field region'],
    ['player_count:>=', 'no value for the field player_count'],
    ['region:"eu', 'quote that does not end'],
    ['region:eu\\', 'backslash'],
    ['region:a:b', '":"'],
    ['region:"a"b', '"b"'],
    ['region:>=eu', 'region with >='],
    ['player_count:many', 'number for player_count'],
    ['player_count:1*', 'number for player_count'],
    ['player_count:>="many"', 'number for player_count'],
    ['metadata.level:>=high', 'number after >= for metadata.level'],
    ['create_time:>=5', 'time such as'],
    ['create_time:"yesterday"', 'time such as'],
    ['create_time:>"2026-13-01T00:00:00Z"', 'time such as'],
    ['create_time:"2026-11-22 08:00:00"', 'time such as'],
    ['mode:/(/', 'cannot be read'],
    ['mode:/(a)\\\\1/', 'escape'],
    ['mode:/(\\?=a)/', 'group'],
    ['mode:/(?<!a)b/', 'group'],
    ['mode:/[[.a.]]/', 'brackets'],
    ['mode:/[]a]/', 'brackets'],
    ['mode:/a{51}/', '50 times'],
    ['mode:/a{20,}b{0,31}/', '50 times'],
    ['mode:/((a{4}){4}){4}/', 'more than one group'],
    [`mode:/${'a'.repeat(201)}/`, '200 characters'],
    ['mode:/a/ '.repeat(11), '10 regular expressions'],
    ['mode:a '.repeat(51), '50 terms'],
    [`mode:${'a'.repeat(996)}`, '1000 characters'],
    ['mode:a\0b', 'NUL'],
    ['mode:a\ud800b', 'surrogate'],
  ];
  it.each(refusals.map(([query, words]) => [query.slice(0, 40), words, query]))(
    '%j is refused with a sentence that says %j',
    (_shown, words, query) => {
      expect(translateQuery(query, 1)).toEqual({ problem: expect.stringContaining(words) as string });
    },
  );

  it('finds any text in quotes, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme', maxLength: 20 }),
        fc.string({ unit: 'grapheme' }),
        async (text, other) => {
          const query = `+mode:"${text.replace(/["\\]/g, '\\$&')}" +metadata.a:"${text.replace(/["\\]/g, '\\$&')}"`;
          const asked = translateQuery(query, 3);
          if ('problem' in asked) throw new Error(asked.problem);
          const [row] = await db.query<{ same: boolean; different: boolean }>(
            `SELECT bool_or(${asked.sql}) FILTER (WHERE i.mode = $1::text) AS same,
               bool_or(${asked.sql}) FILTER (WHERE i.mode <> $1::text) AS different
             FROM (SELECT t AS mode, jsonb_build_object('a', t) AS metadata FROM (VALUES ($1::text), ($2::text)) x(t)) i`,
            [text, other, ...asked.values],
          );
          expect(row!.same).toBe(true);
          expect(row!.different).not.toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});
