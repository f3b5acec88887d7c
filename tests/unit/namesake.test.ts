import { describe, expect, it } from 'vitest';
import { holder } from '../../src/allocation/ownership';
import type { Call } from '../../src/nakama/caller';
import { processId } from '../../src/nakama/process-id';
import { watchName } from '../../src/supervision/namesake';
import { configWith } from './support/config';
import { context, fakeNakama, type FakeNakama } from './support/nakama';

const callOf = (fake: FakeNakama, node = 'n1'): Call => ({
  ctx: context({ node, matchId: `m.${node}` }),
  logger: fake.logger,
  nk: fake.nk,
  config: configWith(),
});

describe('two Nakama nodes with one name', () => {
  it('hold their leases each for itself', () => {
    const first = fakeNakama();
    const second = fakeNakama(first);
    expect(processId(first.nk)).not.toBe(processId(second.nk));
    expect(processId(first.nk)).toBe(processId(first.nk));
    expect(holder(callOf(first))).not.toBe(holder(callOf(second)));
  });

  it('are warned about once by each of them, as soon as each has seen the other alive', () => {
    const first = fakeNakama();
    const second = fakeNakama(first);
    watchName(callOf(first));
    watchName(callOf(second));
    expect([first.log, second.log]).toEqual([[], []]);
    for (let i = 0; i < 3; i++) {
      watchName(callOf(first));
      watchName(callOf(second));
    }
    for (const { log } of [first, second]) {
      expect(log).toMatchObject([{ level: 'warn', fields: { node: 'n1' } }]);
      expect(log[0]?.message).toContain('--name');
    }
  });

  it('are not warned about when one has ended before the other starts', () => {
    const before = fakeNakama();
    for (let i = 0; i < 3; i++) watchName(callOf(before));
    const after = fakeNakama(before);
    for (let i = 0; i < 3; i++) watchName(callOf(after));
    expect(after.log).toEqual([]);
  });
});

describe('Nakama nodes with names of their own', () => {
  it('are not warned about', () => {
    const first = fakeNakama();
    const second = fakeNakama(first);
    for (let i = 0; i < 3; i++) {
      watchName(callOf(first, 'n1'));
      watchName(callOf(second, 'n2'));
    }
    expect([first.log, second.log]).toEqual([[], []]);
  });

  it('leave nothing behind for ever: a name is forgotten an hour after its process', () => {
    const fake = fakeNakama();
    watchName(callOf(fake, 'n1'));
    fake.query(`UPDATE gameye_control SET until = now() - interval '1 minute' WHERE key = 'node:n1'`);
    watchName(callOf(fakeNakama(fake), 'n2'));
    expect(fake.query('SELECT key FROM gameye_control ORDER BY key')).toEqual([{ key: 'node:n2' }]);
  });
});
