import { describe, expect, it } from 'vitest';
import { registerInstanceIndex } from '../../src/instances/queries';
import { isAtLeast, listIndex } from '../../src/nakama/version';
import type { Initializer } from '../../src/nakama/runtime';
import { context, fakeNakama } from './support/nakama';

const on = (version: string) => context({ version });

describe('a version', () => {
  it.each([
    ['3.21.1', false, false],
    ['3.22.0', true, false],
    ['3.22.0+abc123', true, false],
    ['3.23.9', true, false],
    ['3.24.0', true, true],
    ['3.100.0', true, true],
    ['4.0.0', true, true],
    ['2.99.99', false, false],
    ['v3.24.1-rc1', true, true],
    ['dev', true, true],
    ['', true, true],
  ])('%s is at least 3.22: %s, 3.24: %s', (version, first, second) => {
    expect(isAtLeast(on(version), 3, 22)).toBe(first);
    expect(isAtLeast(on(version), 3, 24)).toBe(second);
  });
  it('compares patches', () => {
    expect(isAtLeast(on('3.21.1'), 3, 21, 1)).toBe(true);
    expect(isAtLeast(on('3.21.0'), 3, 21, 1)).toBe(false);
  });
});

describe('a storage index', () => {
  const registered = (version: string): unknown[] => {
    let args: unknown[] = [];
    const initializer = { registerStorageIndex: (...given: unknown[]) => void (args = given) };
    registerInstanceIndex(on(version), initializer as unknown as Initializer, false);
    return args;
  };
  it('is registered without sortable fields to 3.21', () => {
    const args = registered('3.21.1');
    expect(args).toEqual([
      '_gameye_instances_idx',
      '_gameye_instances',
      '',
      expect.any(Array),
      expect.any(Number),
      false,
    ]);
    expect(args[3]).toEqual(expect.arrayContaining(['id', 'status', 'region', 'player_count', 'open_seats']));
  });
  it.each(['3.22.0', '3.40.0'])('is registered with sortable fields on %s', (version) => {
    const args = registered(version);
    expect(args).toHaveLength(7);
    expect(args[4]).toEqual(expect.arrayContaining(['player_count', 'create_time']));
    expect(args.slice(5)).toEqual([expect.any(Number), false]);
  });

  const object = { collection: 'c', key: 'k', userId: 'u', version: 'v', value: {}, createTime: 0, updateTime: 0 };
  const query = (version: string, answer: unknown, cursor?: string) => {
    const fake = fakeNakama();
    fake.indexAnswer = () => answer;
    const page = listIndex(on(version), fake.nk, 'i', '+value.a:b', 7, ['-value.n'], cursor);
    return { page, args: fake.indexQueries[0] };
  };
  it.each([
    ['3.21.1', ['i', '+value.a:b', 7]],
    ['3.22.0', ['i', '+value.a:b', 7, ['-value.n']]],
    ['3.23.0', ['i', '+value.a:b', 7, ['-value.n']]],
  ])('answers a list on %s', (version, args) => {
    expect(query(version, [object], 'c1')).toEqual({ page: { objects: [object] }, args });
    expect(query(version, null).page).toEqual({ objects: [] });
  });
  it.each(['3.24.0', '3.40.0+73ad9c1'])('answers a page on %s', (version) => {
    const result = query(version, { objects: [object], cursor: 'c2' }, 'c1');
    expect(result).toEqual({
      page: { objects: [object], cursor: 'c2' },
      args: ['i', '+value.a:b', 7, ['-value.n'], undefined, 'c1'],
    });
    expect(query(version, { objects: null, cursor: null }).page).toEqual({ objects: [] });
    expect(query(version, { objects: [], cursor: '' }).page).toEqual({ objects: [] });
  });
});
