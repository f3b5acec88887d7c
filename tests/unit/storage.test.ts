import { describe, expect, it, vi } from 'vitest';
import { deleteRow, readRows, replaceRows, SYSTEM_USER, writeRows } from '../../src/nakama/storage';
import { insertInstance, readInstance, removeInstance, updateInstance } from '../../src/instances/store';
import { newInstance, type Instance } from '../../src/instances/instance';
import { configWith } from './support/config';
import { fakeNakama, goError, VERSION_CONFLICT } from './support/nakama';
import { refusal } from './support/refusal';

const write = (key: string, version = '*', collection = 'c') => ({ collection, key, value: { key }, version });

describe('a write', () => {
  it('belongs to the system and is invisible to clients', () => {
    const fake = fakeNakama();
    const storageWrite = vi.spyOn(fake.nk, 'storageWrite');
    writeRows(fake.nk, [write('k')]);
    expect(storageWrite.mock.calls[0]![0]).toEqual([
      {
        collection: 'c',
        key: 'k',
        userId: SYSTEM_USER,
        value: { key: 'k' },
        version: '*',
        permissionRead: 0,
        permissionWrite: 0,
      },
    ]);
  });
  it('is sorted, and the versions come back in the order that was asked', () => {
    const fake = fakeNakama();
    const answers = writeRows(fake.nk, [write('b'), write('a', '*', 'd'), write('a')]);
    expect(fake.events).toMatchObject([{ keys: ['c/a', 'c/b', 'd/a'] }]);
    const [b] = readRows(fake.nk, 'c', ['b']);
    const [d] = readRows(fake.nk, 'd', ['a']);
    const [a] = readRows(fake.nk, 'c', ['a']);
    expect(answers).toEqual([b!.version, d!.version, a!.version]);
    expect(new Set(answers).size).toBe(2); // Equal content has an equal version.
  });
  it('finds the versions whatever the order of the answers', () => {
    const fake = fakeNakama();
    const original = fake.nk.storageWrite;
    fake.nk.storageWrite = (writes) => original(writes).reverse();
    const [a, b] = writeRows(fake.nk, [write('a'), write('b')]) as string[];
    expect(readRows(fake.nk, 'c', ['a', 'b']).map((row) => row.version)).toEqual([a, b]);
  });
  it('of several rows is all or nothing', () => {
    const fake = fakeNakama();
    fake.put('c', 'b', {});
    expect(writeRows(fake.nk, [write('a'), write('b')])).toBe('conflict');
    expect(fake.rows()).toEqual(['c/b']);
  });
  it.each([VERSION_CONFLICT, 'error running multi update: Storage write rejected - version check failed.'])(
    'tells a conflict by its text: %s',
    (text) => {
      const fake = fakeNakama();
      fake.before = () => {
        throw goError(text);
      };
      expect(writeRows(fake.nk, [write('a')])).toBe('conflict');
      expect(replaceRows(fake.nk, [write('a')], { collection: 'c', key: 'b', version: 'v' })).toBe('conflict');
    },
  );
  it.each(['pq: connection refused', 'context canceled', 'permission denied'])('throws other errors: %s', (text) => {
    const fake = fakeNakama();
    fake.before = () => {
      throw goError(text);
    };
    expect(() => writeRows(fake.nk, [write('a')])).toThrow(text);
    expect(() => deleteRow(fake.nk, 'c', 'a', 'v')).toThrow(text);
    expect(() => readRows(fake.nk, 'c', ['a'])).toThrow(text);
    expect(() => replaceRows(fake.nk, [write('a')], { collection: 'c', key: 'b', version: 'v' })).toThrow(text);
  });
  it('may replace a row of another collection, both or neither', () => {
    const fake = fakeNakama();
    const version = fake.put('c', 'old', {});
    const gone = { collection: 'c', key: 'old', version: 'stale' };
    expect(replaceRows(fake.nk, [write('new', '*', 'd')], gone)).toBe('conflict');
    expect(fake.rows()).toEqual(['c/old']);
    expect(replaceRows(fake.nk, [write('new', '*', 'd')], { ...gone, version })).toBe('');
    expect(fake.rows()).toEqual(['d/new']);
  });
});

describe('a delete', () => {
  it('needs the version that was read', () => {
    const fake = fakeNakama();
    const version = fake.put('c', 'a', { n: 1 });
    expect(deleteRow(fake.nk, 'c', 'a', 'older')).toBe('conflict');
    expect(deleteRow(fake.nk, 'c', 'a', version)).toBe('deleted');
    expect(deleteRow(fake.nk, 'c', 'a', version)).toBe('conflict');
  });
});

describe('instances', () => {
  const session = { id: 's1', region: 'eu', maxPlayers: 2, metadata: {}, startedAtMs: 0 };
  const one = newInstance(configWith(), session, { host: 'h', ports: { '1/udp': 2 } }, {})!;
  /** Somebody else writes the instance before each of the first `times` writes. */
  const contested = (times: number) => {
    const fake = fakeNakama();
    insertInstance(fake.nk, one);
    let left = times;
    fake.before = (event) => {
      if ((event.kind === 'write' || event.kind === 'delete') && left-- > 0) {
        fake.put('_gameye_instances', 's1', { ...one, metadata: { by: `other ${left}` } });
      }
    };
    return fake;
  };
  const draining = (instance: Instance): Instance => ({ ...instance, status: 'draining' });

  it('are inserted once', () => {
    const fake = fakeNakama();
    expect(insertInstance(fake.nk, one)).toBe('inserted');
    expect(insertInstance(fake.nk, { ...one, status: 'x' })).toBe('conflict');
    expect(readInstance(fake.nk, 's1')?.value).toEqual(one);
  });
  it('are changed again when somebody was faster, upon what that one wrote', () => {
    const fake = contested(3);
    expect(updateInstance(fake.nk, 's1', draining)).toMatchObject({ status: 'draining', metadata: { by: 'other 0' } });
    expect(readInstance(fake.nk, 's1')?.value).toMatchObject({ status: 'draining', metadata: { by: 'other 0' } });
  });
  it('are not tried for ever', () => {
    const fake = contested(1_000_000);
    expect(refusal(() => updateInstance(fake.nk, 's1', draining))).toMatchObject({ code: 10 });
    expect(refusal(() => removeInstance(fake.nk, 's1'))).toMatchObject({ code: 10 });
  });
  it('are not written when the change refuses, or changes nothing', () => {
    const fake = contested(0);
    const before = fake.events.length;
    expect(updateInstance<Instance | string>(fake.nk, 's1', () => 'full')).toBe('full');
    expect(updateInstance(fake.nk, 's1', (instance) => instance)).toEqual(one);
    expect(fake.events.slice(before).filter((event) => event.kind === 'write')).toEqual([]);
  });
  it('that do not exist are not changed', () => {
    expect(updateInstance(fakeNakama().nk, 's1', draining)).toBeUndefined();
  });
  it('are removed whatever version they are at, and again without an error', () => {
    const fake = contested(3);
    removeInstance(fake.nk, 's1');
    removeInstance(fake.nk, 's1');
    expect(fake.rows()).toEqual([]);
  });
});
