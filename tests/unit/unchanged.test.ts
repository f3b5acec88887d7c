import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../src/instances/instance';
import type { Seats } from '../../src/instances/seats';
import { compare } from '../../src/supervision/reconcile';
import { config, entryOf, instance, listed, MINUTE, NOW, planAfter, type World } from './support/reconcile';
import { OWNER } from './support/nakama';

describe('a comparison after another', () => {
  const seats: Seats = { u1: { state: 'joined' }, u2: { state: 'reserved', until_ms: NOW + 3 * MINUTE } };
  const records = [instance('a', {}, seats), instance('b')];
  const list = [listed('a'), listed('b')];
  const first = planAfter(new Map(), { records, list });
  /** A record that may be looked at only by its key and version. */
  const sealed = (one: Instance): Instance =>
    new Proxy(one, {
      get: (target, key) => {
        if (key === 'id' || key === 'toJSON') return target[key as 'id'];
        throw new Error(`${String(key)} was read`);
      },
    });
  const visit = (world: World, now = NOW) =>
    planAfter(first.unchanged, world, now).tasks.map((task) => [task.do, task.id]);

  it('reads no record that is as it was', () => {
    const comparison = compare(
      config,
      OWNER,
      { entries: new Map(list.map((one) => [one.id, entryOf(one)])), unreadable: 0 },
      first.unchanged,
      false,
      NOW + 1000,
      NOW + 2 * MINUTE,
    );
    for (const record of records) comparison.visit(record.id, JSON.stringify(record), sealed(record));
    expect(comparison.finish(new Set(), {})).toMatchObject({ records: 2, sessions: 2, tasks: [] });
  });
  it('finds what changed in the record, in the list, or with time', () => {
    expect(visit({ records: [instance('a', { status: 'lost' }, seats), instance('b')], list })).toEqual([
      ['repair', 'a'],
    ]);
    expect(visit({ records, list: [listed('a'), listed('b', { status: 'restarting' })] })).toEqual([['repair', 'b']]);
    expect(visit({ records, list: [listed('a')] })).toEqual([['confirm', 'b']]);
    expect(visit({ records, list }, NOW + 4 * MINUTE)).toEqual([['repair', 'a']]);
    expect(visit({ records, list }, NOW + 21 * MINUTE)).toContainEqual(['stop', 'b']);
  });
  it('comes to the same as one that remembers nothing, whatever changed', () => {
    const change = fc.record({
      status: fc.constantFrom('running', 'restarting', 'exited'),
      shown: fc.boolean(),
      ms: fc.nat(40 * MINUTE),
    });
    fc.assert(
      fc.property(change, ({ status, shown, ms }) => {
        const world = { records, list: shown ? [listed('a', { status }), listed('b')] : [listed('b')] };
        expect(planAfter(first.unchanged, world, NOW + ms).tasks).toEqual(planAfter(new Map(), world, NOW + ms).tasks);
      }),
    );
  });
});
