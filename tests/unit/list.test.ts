import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { list as listed } from '../../src/fleet/list';
import type { Call } from '../../src/nakama/caller';
import type { Instance } from '../../src/records';
import { callOn } from './support/fleet';
import { DATABASE_GONE, fakeNakama, goError, type FakeNakama } from './support/nakama';
import { putInstance } from './support/records';
import { refusal } from './support/refusal';

let fake: FakeNakama;
let call: Call;
beforeEach(() => {
  fake = fakeNakama();
  call = callOn(fake);
});

/** A page, as whoever asks for it by RPC reads it. */
function list(...asked: Parameters<typeof listed>): { instances: Instance[]; cursor: string } {
  return JSON.parse(listed(...asked).text) as { instances: Instance[]; cursor: string };
}

/** All pages, one after the other; `between` may change what comes. */
function pages(limit: number, order?: string[], query = '', between: () => void = () => undefined): Instance[][] {
  const seen: Instance[][] = [];
  let cursor = '';
  do {
    const page = list(call, query, limit, cursor, order);
    seen.push(page.instances);
    cursor = page.cursor;
    between();
  } while (cursor !== '' && seen.length < 100);
  return seen;
}
const ids = (found: Instance[]): string[] => found.map(({ id }) => id);

describe('fleet_list', () => {
  const field = fc.constantFrom('player_count', 'open_seats', 'create_time');
  const order = fc
    .uniqueArray(field, { minLength: 1, maxLength: 3 })
    .chain((fields) =>
      fc
        .array(fc.boolean(), { minLength: fields.length, maxLength: fields.length })
        .map((down) => fields.map((one, i) => (down[i] ? `-${one}` : one))),
    );

  it('shows every instance once, in the order asked for, however long the pages are', () => {
    // Few different values, so that many are equal; times that differ by less than a millisecond.
    const rows = fc.array(fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 3 })), { maxLength: 12 });
    fc.assert(
      fc.property(rows, order, fc.integer({ min: 1, max: 5 }), (given, asked, limit) => {
        fake.query('DELETE FROM gameye_instance');
        for (const [i, [players, tick]] of given.entries()) {
          putInstance(fake, { id: `s${i}`, max_players: 3, unseated: players });
          fake.query(
            `UPDATE gameye_instance SET create_time = to_timestamp(1700000000) + $2::int4 * interval '1 microsecond' WHERE id = $1`,
            [`s${i}`, tick],
          );
        }
        const seen = pages(limit, asked);
        expect(seen.slice(0, -1).every((page) => page.length === limit)).toBe(true);
        expect(ids(seen.flat()).sort()).toEqual(given.map((_one, i) => `s${i}`).sort());
        const keyed = seen
          .flat()
          .map(({ id, player_count }) => ({ player_count, tick: given[Number(id.slice(1))]![1] }));
        for (let i = 1; i < keyed.length; i++) {
          const [before, after] = [keyed[i - 1]!, keyed[i]!];
          const differences = asked.map((one) => {
            const sign = one.startsWith('-') ? -1 : 1;
            if (one.endsWith('create_time')) return sign * (after.tick - before.tick);
            return (one.endsWith('player_count') ? sign : -sign) * (after.player_count - before.player_count);
          });
          expect(differences.find((difference) => difference !== 0) ?? 0).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 40 },
    );
  });
  it('shows the fullest first when no order is asked for, and of those the newest', () => {
    for (const [id, unseated, age] of [
      ['old', 1, 9],
      ['new', 1, 1],
      ['full', 2, 5],
    ] as const) {
      putInstance(fake, { id, unseated });
      fake.query('UPDATE gameye_instance SET create_time = to_timestamp($2::int4) WHERE id = $1', [
        id,
        1_700_000_000 - age,
      ]);
    }
    expect(ids(list(call, '', 10, '').instances)).toEqual(['full', 'new', 'old']);
  });
  it('ends with an empty cursor, also when the last page is full', () => {
    for (const id of ['s1', 's2', 's3', 's4']) putInstance(fake, { id });
    expect(pages(2)).toHaveLength(2);
    expect(pages(4)).toHaveLength(1);
    expect(list(call, '', 1000, '')).toMatchObject({ cursor: '' });
  });
  it('shows nobody twice and leaves nobody out when instances come and go between its pages', () => {
    for (let i = 10; i < 20; i++) putInstance(fake, { id: `s${i}` });
    let n = 0;
    const seen = pages(3, ['player_count'], '', () => {
      fake.query('DELETE FROM gameye_instance WHERE id = $1', [`s${10 + n}`]);
      putInstance(fake, { id: `r${n++}`, max_players: 9, unseated: 5 });
    });
    const shown = ids(seen.flat());
    expect(new Set(shown).size).toBe(shown.length);
    expect(shown).toEqual(expect.arrayContaining(['s15', 's16', 's17', 's18', 's19']));
  });
  it('shows what a query describes', () => {
    putInstance(fake, { id: 'duel', metadata: { mode: 'duel' } });
    putInstance(fake, { id: 'full', metadata: { mode: 'duel' }, unseated: 2 });
    putInstance(fake, { id: 'race', metadata: { mode: 'race' }, region: 'us' });
    const query = '+value.metadata.mode:duel +value.open_seats:>=1';
    expect(ids(list(call, query, 10, '').instances)).toEqual(['duel']);
    expect(ids(list(call, '*', 10, '').instances).sort()).toEqual(['duel', 'full', 'race']);
    expect(ids(pages(1, undefined, '+value.metadata.mode:duel').flat()).sort()).toEqual(['duel', 'full']);
  });
  it('shows instances of its fleet only', () => {
    putInstance(fake);
    fake.query(`UPDATE gameye_instance SET fleet = 'other'`);
    expect(list(call, '', 10, '')).toEqual({ instances: [], cursor: '' });
  });
  it('shows metadata as it is, and no field that an instance does not have', () => {
    const metadata = { nothing: null, 'a "b" \\': { deep: [null, 1.5] }, __proto: 'x' };
    putInstance(fake, { metadata });
    const [shown] = list(call, '', 10, '').instances;
    expect(shown?.metadata).toEqual(metadata);
    for (const field of ['empty_since_ms', 'pool', 'open', 'visited', 'expires_at_ms', 'allocation_id']) {
      expect(shown).not.toHaveProperty(field);
    }
  });

  it('shows what fleet_get shows, seats included', () => {
    putInstance(fake, {}, { u1: 'joined' });
    expect(list(call, '', 10, '').instances).toMatchObject([
      { id: 's1', connection_info: { ip_address: '1.2.3.4', port: 20001 }, seats: { u1: { state: 'joined' } } },
    ]);
  });
  it.each([
    ['+value.region:', '"query"'],
    ['value.colour:/(/', '"query"'],
  ])('refuses the query %s with a sentence that names it', (query, words) => {
    const { code, message } = refusal(() => list(call, query, 10, ''));
    expect([code, message]).toEqual([3, expect.stringContaining(words)]);
  });
  it('refuses a made-up cursor, or one of another order', () => {
    for (const id of ['s1', 's2', 's3']) putInstance(fake, { id });
    const { cursor } = list(call, '', 1, '', ['open_seats']);
    for (const other of ['nonsense', `${cursor}x`]) {
      expect(
        refusal(() => list(call, '', 1, other)),
        other,
      ).toMatchObject({ code: 3 });
    }
    expect(refusal(() => list(call, '', 1, cursor, ['-create_time'])).code).toBe(3);
  });
  it('refuses with 14 when the database fails, as that is no mistake of the caller', () => {
    fake.before = () => {
      throw goError(DATABASE_GONE);
    };
    expect(refusal(() => list(call, '', 10, '')).code).toBe(14);
  });
});
