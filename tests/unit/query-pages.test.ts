import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cursorAfter, SORTABLE, translateOrder, type LastRow } from '../../src/instances/query';
import { concurrent, type Concurrent } from './support/concurrent';
import { putListed } from './support/listed';

let db: Concurrent;
beforeAll(async () => {
  db = await concurrent(2);
});
afterAll(() => db.close());

type Sorted = LastRow & { create_time: string };

async function page(order: string[] | undefined, cursor: string, limit: number): Promise<Sorted[]> {
  const sorted = translateOrder('*', order, cursor, 2);
  if ('problem' in sorted) throw new Error(sorted.problem);
  const after = sorted.after ?? { sql: 'true', values: [] };
  return db.query<Sorted>(
    `SELECT id, player_count, open_seats, (extract(epoch FROM create_time) * 1000000)::int8::text AS create_time
     FROM gameye_instance i WHERE fleet = 'g' AND (${after.sql}) ORDER BY ${sorted.orderBy} LIMIT $1::int4`,
    [limit, ...after.values],
  );
}

/** Every order by one to three fields, in both directions. */
const ORDERS = ((): string[][] => {
  const longer = (order: string[]): string[][] =>
    SORTABLE.filter((one) => !order.some((used) => used.endsWith(one)))
      .flatMap((one) => [
        [...order, one],
        [...order, `-${one}`],
      ])
      .flatMap((next) => [next, ...longer(next)]);
  return longer([]);
})();

describe('the pages of fleet_list', () => {
  let added = 0;
  const seed = async (): Promise<void> => {
    await db.query(`DELETE FROM gameye_instance WHERE fleet = 'g'`);
    for (let i = 0; i < 20; i++) {
      // Many are equal in each of the three, and times differ by microseconds.
      await putListed(db, 'g', `g${i}`, { players: i % 3, seats: 2 + (i % 2) }, i % 4);
    }
    added = 0;
  };
  const putMore = async (): Promise<void> => {
    await putListed(db, 'g', `gn${added}`, { players: added % 3 }, added % 4);
    added += 1;
  };

  it.each([undefined, ...ORDERS])('by %j have every row once, in order, also while others are added', async (order) => {
    await seed();
    const seen: Sorted[] = [];
    for (let cursor = ''; ;) {
      const rows = await page(order, cursor, 6);
      seen.push(...rows);
      if (rows.length < 6) break;
      cursor = cursorAfter('*', order, rows[rows.length - 1]!);
      await putMore();
    }
    const ids = seen.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => !id.startsWith('gn'))).toHaveLength(20);
    const keys = [...(order ?? ['-player_count', '-create_time']), 'id'];
    const sorted = [...seen].sort((a, b) => {
      for (const key of keys) {
        const name = key.replace(/^-/, '') as keyof LastRow;
        if (a[name] !== b[name]) return (a[name] < b[name] ? -1 : 1) * (key.startsWith('-') ? -1 : 1);
      }
      return 0;
    });
    expect(ids).toEqual(sorted.map(({ id }) => id));
  });

  const last: LastRow = { id: 'g1', player_count: 1, open_seats: 1, create_time: '1764000000123456' };
  const good = cursorAfter('*', ['player_count', 'create_time'], last);
  const after = (cursor: string, query = '*', order = ['player_count', 'create_time']): object =>
    translateOrder(query, order, cursor, 1);

  it('take a cursor with the query and the order that it is of, and no other', () => {
    const refused = { problem: expect.stringContaining('same query and order') as string };
    expect(after(good)).toHaveProperty('after');
    expect(after(good, 'mode:a')).toEqual(refused);
    expect(after(good, '*', ['player_count', '-create_time'])).toEqual(refused);
    expect(after(good, '*', ['open_seats', 'create_time'])).toEqual(refused);
    expect(after(good, '*', ['create_time', 'player_count'])).toEqual(refused);
    expect(after(good, '*', ['player_count'])).toEqual(refused);
  });

  it('refuse to be sorted by what is no field of a list', () => {
    expect(after('', '*', ['id; DROP TABLE gameye_instance'])).toHaveProperty('problem');
    expect(after('', '*', ['--player_count'])).toHaveProperty('problem');
  });

  it('refuse a made-up cursor, or take one that the database can work with', async () => {
    const mark = (JSON.parse(good) as string[])[0];
    const parts = fc.tuple(
      fc.constant(mark),
      fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constantFrom(2 ** 31, -(2 ** 31), 1e300, null)),
      fc.oneof(
        fc.nat().map(String),
        fc.string(),
        fc.constantFrom('-1', '1e9', 'now', '', 5, '9'.repeat(17), '9'.repeat(19)),
      ),
      fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\0', '\ud800', "' OR true --")),
    );
    const forged = fc.oneof(
      fc.string(),
      fc.json(),
      parts.map((all) => JSON.stringify(all)),
    );
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(forged, async (cursor) => {
        const sorted = translateOrder('*', ['player_count', 'create_time'], cursor, 1);
        if ('problem' in sorted || !sorted.after) return;
        taken += 1;
        const { sql, values } = sorted.after;
        expect(sql).not.toMatch(/OR true|--|;/);
        await db.query(`SELECT id FROM gameye_instance i WHERE ${sql} ORDER BY ${sorted.orderBy}`, values);
      }),
      { numRuns: 1000 },
    );
    expect(taken).toBeGreaterThan(10);
  });
});
