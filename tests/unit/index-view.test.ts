import { beforeEach, describe, expect, it } from 'vitest';
import { isIndexed } from '../../src/nakama/indexed';
import { writeRows } from '../../src/nakama/storage';
import { refreshIndexView } from '../../src/supervision/index-view';
import { INSTANCES } from './support/life';
import { fakeNakama, type FakeNakama } from './support/nakama';

let fake: FakeNakama;
/** What the rows were last written at, in the database's seconds. */
let written: number;

beforeEach(() => {
  fake = fakeNakama();
  written = 2000;
  const list = fake.nk.storageList.bind(fake.nk);
  fake.nk.storageList = (...args) => {
    const page = list(...args);
    return { ...page, objects: page.objects?.map((object) => ({ ...object, updateTime: written })) ?? [] };
  };
});

const refresh = (sinceMs = 1_000_000) => refreshIndexView(fake.nk, sinceMs, Date.now() + 5000);
const writes = (): string[] => fake.events.flatMap((event) => (event.kind === 'write' ? event.keys : []));

describe("a node's index", () => {
  it('takes in what another node wrote, once, and changes nothing', () => {
    const version = fake.put(INSTANCES, 'a', { id: 'a', player_count: 1 });
    expect(refresh()).toEqual({ indexed: 1, done: true });
    expect(refresh()).toEqual({ indexed: 0, done: true });
    expect(writes()).toEqual([`${INSTANCES}/a`]);
    expect(fake.stored(INSTANCES, 'a')).toEqual({ id: 'a', player_count: 1 });
    expect(isIndexed(fake.nk, 'a', version)).toBe(true);
    fake.put(INSTANCES, 'a', { id: 'a', player_count: 2 });
    expect(refresh()).toEqual({ indexed: 1, done: true });
  });

  it('needs nothing for what this node wrote itself, or loaded at its start', () => {
    writeRows(fake.nk, [{ collection: INSTANCES, key: 'mine', value: { id: 'mine' }, version: '*' }]);
    fake.put(INSTANCES, 'loaded', { id: 'loaded' });
    written = 999;
    const before = writes().length;
    expect(refresh()).toEqual({ indexed: 0, done: true });
    expect(writes()).toHaveLength(before);
  });

  it('takes the rest in when one record changes meanwhile, and that one with the next pass', () => {
    for (const id of ['a', 'b', 'c']) fake.put(INSTANCES, id, { id });
    let raced = false;
    fake.before = (event) => {
      if (event.kind !== 'write' || raced) return;
      raced = true;
      fake.put(INSTANCES, 'b', { id: 'b', player_count: 3 });
    };
    expect(refresh()).toEqual({ indexed: 2, done: true });
    expect(fake.stored(INSTANCES, 'b')).toEqual({ id: 'b', player_count: 3 });
    expect(refresh()).toEqual({ indexed: 1, done: true });
  });

  it('takes in a bounded number at a time', () => {
    for (let i = 0; i < 1200; i++) fake.put(INSTANCES, `s${i}`, { id: `s${i}` });
    expect(refresh()).toEqual({ indexed: 500, done: false });
    expect(refresh()).toEqual({ indexed: 500, done: false });
    expect(refresh()).toEqual({ indexed: 200, done: true });
  });
});
