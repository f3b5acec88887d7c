import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as fleet from '../../src/fleet/fleet-manager';
import type { Instance } from '../../src/instances/instance';
import type { StorageObject } from '../../src/nakama/runtime';
import { configWith } from './support/config';
import { context, fakeNakama, goError, type FakeNakama } from './support/nakama';
import { refusal } from './support/refusal';

const SYSTEM = '00000000-0000-0000-0000-000000000000';
const VERSIONS = ['3.21.1', '3.22.0', '3.23.0', '3.24.0', '3.40.0+73ad9c1'];

type Stored = Pick<Instance, 'id' | 'player_count' | 'open_seats' | 'create_time'>;

interface IndexModel {
  rows: Stored[];
  /** Ids that the index still knows although another node deleted their rows. */
  gone: Set<string>;
  fails?: (query: string) => string | undefined;
}

/** A storage index with the three signatures: what it is asked in an order or with a cursor it cannot do, it ignores. */
function serveIndex(fake: FakeNakama, version: string, model: IndexModel): void {
  const minor = Number(version.split('.')[1]);
  fake.indexAnswer = (args) => {
    const [, query, limit, order = [], , cursor] = args as [string, string, number, string[]?, string?, string?];
    const failure = model.fails?.(query);
    if (failure !== undefined) throw goError(`failed to lookup storage index: ${failure}`);
    if (limit < 1 || limit > 10_000) throw new TypeError('limit must be 1-10000');
    const sorted = minor >= 22 ? sortedBy(model.rows, order) : model.rows;
    const from = minor >= 24 && cursor ? Number(cursor) : 0;
    const hits = sorted.slice(from, from + limit);
    const objects = hits.filter((row) => !model.gone.has(row.id)).map(object);
    if (minor < 24) return objects;
    return { objects, cursor: sorted.length > from + limit ? String(from + limit) : null };
  };
}

function sortedBy(rows: Stored[], order: string[]): Stored[] {
  const compare = (a: Stored, b: Stored): number => {
    for (const text of order) {
      const field = text.replace(/^-?(value\.)?/, '').replace('_id', 'id') as keyof Stored;
      if (a[field] !== b[field]) return (a[field] < b[field] ? -1 : 1) * (text.startsWith('-') ? -1 : 1);
    }
    return 0;
  };
  return rows.slice().sort(compare);
}

function object(row: Stored): StorageObject {
  const place = { collection: '_gameye_instances', key: row.id, userId: SYSTEM };
  return { ...place, version: 'v', value: { ...row }, createTime: 0, updateTime: 0 };
}

function fleetOf(version: string, model: Partial<IndexModel> & { rows: Stored[] }) {
  const fake = fakeNakama();
  serveIndex(fake, version, { gone: new Set(), ...model });
  const call = { ctx: context({ version }), logger: fake.logger, nk: fake.nk, config: configWith() };
  return { fake, call };
}

const instance = fc.record({
  player_count: fc.nat({ max: 3 }),
  open_seats: fc.nat({ max: 3 }),
  create_time: fc.integer({ min: 0, max: 3 }).map((day) => `2026-11-2${day}T08:00:00.000Z`),
});
const instances = fc
  .array(instance, { maxLength: 40 })
  .map((rows) => rows.map((row, i): Stored => ({ id: `s${String((i * 17) % 41).padStart(2, '0')}`, ...row })));
const order = fc
  .shuffledSubarray(['player_count', 'open_seats', 'create_time'], { minLength: 1 })
  .chain((fields) => fc.tuple(...fields.map((field) => fc.constantFrom(field, `-${field}`))));

function many(count: number): Stored[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `s${String(i).padStart(6, '0')}`,
    player_count: i % 7,
    open_seats: 1,
    create_time: '2026-11-22T08:00:00.000Z',
  }));
}

describe.each(VERSIONS)('a list on Nakama %s', (version) => {
  it('shows everything exactly once over its pages, in the order asked for', () => {
    const scenario = fc.record({
      rows: instances,
      order: fc.option(order, { nil: undefined }),
      limit: fc.integer({ min: 1, max: 12 }),
      gone: fc.array(fc.nat({ max: 40 })),
    });
    fc.assert(
      fc.property(scenario, ({ rows, order, limit, gone }) => {
        const missing = new Set(gone.map((i) => `s${String(i).padStart(2, '0')}`));
        const { call } = fleetOf(version, { rows, gone: missing });
        const seen: string[] = [];
        let cursor = '';
        do {
          const page = fleet.list(call, '', limit, cursor, order);
          expect(page.instances.length).toBeLessThanOrEqual(limit);
          seen.push(...page.instances.map((one) => one.id));
          cursor = page.cursor;
        } while (cursor !== '');
        const expected = sortedBy(rows, [...(order ?? ['-player_count', '-create_time']), 'id']);
        expect(seen).toEqual(expected.filter((row) => !missing.has(row.id)).map((row) => row.id));
      }),
    );
  });

  it('refuses with 3 a cursor of another query, order or limit, and one that was damaged', () => {
    const { call, fake } = fleetOf(version, { rows: many(5) });
    const { cursor } = fleet.list(call, '+value.a:b', 2, '', ['player_count']);
    expect(cursor).not.toBe('');
    const asked = fake.indexQueries.length;
    const attempts: [string, number, string, string[]][] = [
      ['+value.a:c', 2, cursor, ['player_count']],
      ['+value.a:b', 3, cursor, ['player_count']],
      ['+value.a:b', 2, cursor, ['-player_count']],
      ['+value.a:b', 2, cursor.slice(1), ['player_count']],
      ['+value.a:b', 2, cursor.replace(/^(.)\d+/, '$1-7'), ['player_count']],
      ['+value.a:b', 2, `${cursor}0`, ['player_count']],
      ['+value.a:b', 2, 'b64', ['player_count']],
    ];
    for (const [query, limit, bad, order] of attempts) {
      const { code, message } = refusal(() => fleet.list(call, query, limit, bad, order));
      expect({ code, message }).toEqual({ code: 3, message: expect.stringContaining('"cursor"') });
    }
    expect(fake.indexQueries).toHaveLength(asked);
    expect(fleet.list(call, '+value.a:b', 2, cursor, ['player_count']).instances).toHaveLength(2);
  });

  it('refuses with 3 a query that the index cannot read', () => {
    const fails = (query: string) => (query === '*' ? undefined : 'parse error: syntax error');
    const { call } = fleetOf(version, { rows: [], fails });
    expect(refusal(() => fleet.list(call, '((', 10, ''))).toMatchObject({
      code: 3,
      message: expect.stringContaining('syntax error'),
    });
  });

  it('is not blamed on the query when the database fails', () => {
    const { call } = fleetOf(version, { rows: [], fails: () => 'dial tcp 127.0.0.1:5432: connection refused' });
    expect(() => fleet.list(call, '+value.a:b', 10, '')).toThrow('connection refused');
  });

  it('never shows a record that a player wrote into the collection', () => {
    const { call, fake } = fleetOf(version, { rows: many(1) });
    const honest = fake.indexAnswer;
    const forged = { ...object(many(1)[0]!), userId: '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6' };
    fake.indexAnswer = (args) => {
      const answer = honest(args) as StorageObject[] | { objects: StorageObject[] };
      (Array.isArray(answer) ? answer : answer.objects).push(forged);
      return answer;
    };
    expect(fleet.list(call, '~1', 10, '').instances).toHaveLength(1);
    for (const [, query] of fake.indexQueries) expect(query).toMatch(/^-user_id:\/\.\*\[1-9a-f\]\.\*\/( |$)/);
  });
});

describe('a list that is too long for an old Nakama', () => {
  it.each(['3.22.0', '3.23.0'])('says on %s after 10000 that it cannot go on', (version) => {
    const { call } = fleetOf(version, { rows: many(10_050) });
    let cursor = '';
    const seen = new Set<string>();
    for (let page = 0; page < 11 && seen.size < 10_000; page++) {
      const answer = fleet.list(call, '', 999, cursor);
      answer.instances.forEach((one) => seen.add(one.id));
      cursor = answer.cursor;
    }
    expect(seen.size).toBe(10_000);
    expect(cursor).not.toBe('');
    const { code, message } = refusal(() => fleet.list(call, '', 999, cursor));
    expect({ code, message }).toEqual({ code: 9, message: expect.stringContaining('narrow the query') });
  });
  it('says on 3.21 that it cannot sort, instead of showing a wrong order', () => {
    const { call } = fleetOf('3.21.1', { rows: many(10_000) });
    expect(refusal(() => fleet.list(call, '', 10, '')).code).toBe(9);
    const fewer = fleetOf('3.21.1', { rows: many(9_999) });
    const { instances } = fleet.list(fewer.call, '', 10, '');
    expect(instances.every((one) => one.player_count === 6)).toBe(true);
  });
});
