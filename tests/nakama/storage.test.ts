import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type pg from 'pg';
import { defaultConfig } from '../../dev/nakama/config.ts';
import { migrate, openDatabase } from '../../dev/nakama/database.ts';
import { createLog } from '../../dev/nakama/log.ts';
import { StorageIndexes } from '../../dev/nakama/storage-index.ts';
import { Storage } from '../../dev/nakama/storage.ts';
import type { StorageWrite } from '../../dev/nakama/storage-types.ts';
import { goJson } from '../../dev/nakama/vm/go-json.ts';
import { newDatabase, usePostgres } from './support.ts';

const SYSTEM = '00000000-0000-0000-0000-000000000000';
const REJECTED = 'Storage write rejected - version check failed.';

usePostgres();
let database: pg.Pool;
let storage: Storage;
let indexes: StorageIndexes;
const alice = randomUUID();
const bob = randomUUID();

beforeAll(async () => {
  const config = { ...defaultConfig(), databaseAddress: await newDatabase(), maxOpenConns: 10 };
  await migrate(config.databaseAddress);
  // Again: nodes that start together all migrate.
  await migrate(config.databaseAddress);
  database = await openDatabase(config, () => undefined);
  const log = createLog('error', () => undefined);
  indexes = new StorageIndexes(log);
  indexes.create({
    name: 'i',
    collection: 'indexed',
    key: '',
    fields: ['n', 's'],
    sortableFields: ['n'],
    maxEntries: 100,
    indexOnly: false,
  });
  indexes.create({
    name: 'only',
    collection: 'indexed',
    key: '',
    fields: ['s'],
    sortableFields: [],
    maxEntries: 100,
    indexOnly: true,
  });
  indexes.create({
    name: 'small',
    collection: 'evicted',
    key: '',
    fields: ['n'],
    sortableFields: ['n'],
    maxEntries: 10,
    indexOnly: false,
  });
  storage = new Storage(database, indexes, log);
  for (const id of [alice, bob]) await database.query('INSERT INTO users (id, username) VALUES ($1, $2)', [id, id]);
}, 60_000);
afterAll(() => database.end());

function write(key: string, value: object, more: Partial<StorageWrite> = {}): StorageWrite {
  return { collection: 'c', key, userId: SYSTEM, value: goJson(value), version: '', read: 0, write: 0, ...more };
}
const id = (key: string) => ({ collection: 'c', key, userId: SYSTEM });
const stored = async (key: string): Promise<unknown> => {
  const [object] = await storage.read(null, [id(key)]);
  return object === undefined ? undefined : (JSON.parse(object.value) as unknown);
};

describe('a write', () => {
  it("has the MD5 of Go's JSON as its version", async () => {
    const [ack] = await storage.write(null, [write('md5', { b: 1, a: '<x>' })]);
    const text = '{"a":"\\u003cx\\u003e","b":1}';
    expect(ack!.version).toBe(createHash('md5').update(text).digest('hex'));
    expect((await storage.read(null, [id('md5')]))[0]!.version).toBe(ack!.version);
  });

  it('with "*" inserts once', async () => {
    await storage.write(null, [write('star', { n: 1 }, { version: '*' })]);
    await expect(storage.write(null, [write('star', { n: 2 }, { version: '*' })])).rejects.toThrow(REJECTED);
    expect(await stored('star')).toEqual({ n: 1 });
  });

  it('with a version replaces exactly that version', async () => {
    const [first] = await storage.write(null, [write('cas', { n: 1 })]);
    const [second] = await storage.write(null, [write('cas', { n: 2 }, { version: first!.version })]);
    await expect(storage.write(null, [write('cas', { n: 3 }, { version: first!.version })])).rejects.toThrow(REJECTED);
    expect(await stored('cas')).toEqual({ n: 2 });
    expect(second!.version).not.toBe(first!.version);
  });

  it('with a version of something that is not there is rejected', async () => {
    await expect(storage.write(null, [write('nowhere', {}, { version: 'x' })])).rejects.toThrow(REJECTED);
  });

  it('lets one of two win that name the same version at the same time', async () => {
    const [first] = await storage.write(null, [write('race', { n: 0 })]);
    const attempts = Array.from({ length: 8 }, (_, i) =>
      storage.write(null, [write('race', { n: i + 1 }, { version: first!.version })]),
    );
    const results = await Promise.allSettled(attempts);
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
  });

  it('is one transaction for the whole batch', async () => {
    await storage.write(null, [write('batch-b', { n: 1 })]);
    const batch = [write('batch-a', { n: 1 }), write('batch-b', { n: 2 }, { version: '*' })];
    await expect(storage.write(null, batch)).rejects.toThrow(REJECTED);
    expect(await stored('batch-a')).toBeUndefined();
  });

  it('answers in the order of the request', async () => {
    const acks = await storage.write(null, [write('z', { n: 1 }), write('y', { n: 2 })]);
    expect(acks.map((ack) => ack.key)).toEqual(['z', 'y']);
  });

  it('takes writes and deletes together, or neither', async () => {
    await storage.write(null, [write('gone', { n: 1 })]);
    const wrong = [{ ...id('gone'), version: 'x' }];
    await expect(storage.change(null, [write('new', { n: 1 })], wrong)).rejects.toThrow('Storage delete rejected');
    expect(await stored('new')).toBeUndefined();
    await storage.change(null, [write('new', { n: 1 })], [{ ...id('gone'), version: '' }]);
    expect(await stored('gone')).toBeUndefined();
    expect(await stored('new')).toEqual({ n: 1 });
  });

  it('for a user who does not exist fails in the words of the real database driver', async () => {
    await expect(storage.write(null, [write('k', {}, { userId: randomUUID() })])).rejects.toThrow(
      'ERROR: insert or update on table "storage" violates foreign key constraint "storage_user_id_fkey" (SQLSTATE 23503)',
    );
  });
});

describe('permissions', () => {
  it('hide from a player what is not his or not readable', async () => {
    const own = (read: number, userId: string) =>
      write(`p${read}`, { read }, { userId, read, write: 0, collection: 'perm' });
    await storage.write(null, [own(0, alice), own(1, alice), own(2, alice), own(1, bob), own(2, bob)]);
    const all = [0, 1, 2].flatMap((read) =>
      [alice, bob].map((userId) => ({ collection: 'perm', key: `p${read}`, userId })),
    );
    const seen = async (caller: string): Promise<string[]> =>
      (await storage.read(caller, all)).map((o) => `${o.userId === alice ? 'a' : 'b'}${o.permissionRead}`).sort();
    expect(await seen(alice)).toEqual(['a1', 'a2', 'b2']);
    expect(await seen(bob)).toEqual(['a2', 'b1', 'b2']);
    const listed = await storage.list(bob, alice, 'perm', 10, '');
    expect(listed.objects.map((o) => o.permissionRead)).toEqual([2]);
  });

  it('keep a player from writing what only the server may write', async () => {
    await storage.write(null, [write('locked', { n: 1 }, { userId: alice, read: 2, write: 0 })]);
    const attempt = storage.write(alice, [write('locked', { n: 2 }, { userId: alice, read: 2, write: 1 })]);
    await expect(attempt).rejects.toThrow('Storage write rejected - permission denied.');
  });
});

describe('a list', () => {
  it('pages through everything in order of permission, key and owner', async () => {
    const keys = Array.from({ length: 25 }, (_, i) => `k${String(i).padStart(2, '0')}`);
    await storage.write(
      null,
      keys.map((key, i) => write(key, { i }, { collection: 'paged', read: i % 2 })),
    );
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await storage.list(null, null, 'paged', 10, cursor);
      seen.push(...page.objects.map((object) => object.key));
      cursor = page.cursor;
    } while (cursor !== '');
    expect(seen).toEqual([...keys.filter((_, i) => i % 2 === 0), ...keys.filter((_, i) => i % 2 === 1)]);
  });

  it('refuses a cursor that is none', async () => {
    await expect(storage.list(null, null, 'paged', 10, '!!')).rejects.toThrow('Malformed cursor was used.');
  });
});

describe('a storage index', () => {
  const list = (query: string, limit = 100, order: string[] = [], cursor = '', name = 'i') =>
    indexes.list((ids) => storage.read(null, ids), null, name, query, limit, order, cursor);
  const keys = async (...args: Parameters<typeof list>): Promise<string[]> =>
    (await list(...args)).objects.map((object) => object.key);

  it('follows writes and deletes, sorts and pages', async () => {
    const entry = (n: number) =>
      write(`n${n}`, { n, s: n % 2 === 0 ? 'even' : 'odd', other: 1 }, { collection: 'indexed' });
    await storage.write(null, [5, 3, 4, 1, 2].map(entry));
    expect(await keys('+value.s:odd', 10, ['value.n'])).toEqual(['n1', 'n3', 'n5']);
    expect(await keys('+value.n:>=2', 10, ['-value.n'])).toEqual(['n5', 'n4', 'n3', 'n2']);
    const first = await list('*', 2, ['value.n']);
    expect(first.objects.map((object) => object.key)).toEqual(['n1', 'n2']);
    expect(await keys('*', 2, ['value.n'], first.cursor)).toEqual(['n3', 'n4']);
    await storage.delete(null, [{ collection: 'indexed', key: 'n3', userId: SYSTEM, version: '' }]);
    expect(await keys('+value.s:odd', 10, ['value.n'])).toEqual(['n1', 'n5']);
  });

  it('answers a cursor only for the query it came from', async () => {
    const { cursor } = await list('*', 1, ['value.n']);
    await expect(list('+value.n:1', 1, ['value.n'], cursor)).rejects.toThrow('invalid cursor: query mismatch');
    await expect(list('*', 2, ['value.n'], cursor)).rejects.toThrow('invalid cursor: limit mismatch');
  });

  it('reads rows back unless it is index-only, and then has the indexed fields only', async () => {
    const row = (await list('+value.n:1')).objects[0]!;
    expect(JSON.parse(row.value)).toEqual({ n: 1, s: 'odd', other: 1 });
    const only = (await list('+value.s:odd', 1, [], '', 'only')).objects[0]!;
    expect(JSON.parse(only.value)).toEqual({ s: 'odd' });
  });

  it('notices what another node deleted when it reads rows back', async () => {
    await storage.write(null, [write('elsewhere', { n: 77 }, { collection: 'indexed' })]);
    await database.query("DELETE FROM storage WHERE key = 'elsewhere'");
    expect(await keys('+value.n:77')).toEqual([]);
  });

  it('keeps the newest entries when there are too many', async () => {
    for (let n = 0; n < 12; n += 1) await storage.write(null, [write(`e${n}`, { n }, { collection: 'evicted' })]);
    const left = await keys('*', 100, ['value.n'], '', 'small');
    expect(left).toHaveLength(10);
    expect(left[0]).toBe('e2');
  });

  it('loads what is stored already', async () => {
    const log = createLog('error', () => undefined);
    const fresh = new StorageIndexes(log);
    fresh.create({
      name: 'i',
      collection: 'indexed',
      key: '',
      fields: ['n'],
      sortableFields: ['n'],
      maxEntries: 100,
      indexOnly: false,
    });
    await fresh.load(database);
    const found = await fresh.list((ids) => storage.read(null, ids), null, 'i', '+value.n:<=2', 10, ['value.n'], '');
    expect(found.objects.map((object) => object.key)).toEqual(['n1', 'n2']);
  });
});
