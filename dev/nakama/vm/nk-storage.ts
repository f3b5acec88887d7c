// The storage functions of `nk`: arguments are checked here as Nakama checks them, the work is done by the main thread.

import type { StorageDelete, StorageId, StorageObject, StorageWrite, WriteAck } from '../storage-types.ts';
import type { Bridge } from './bridge.ts';
import { GoError } from './errors.ts';
import { goJson } from './go-json.ts';
import { absent, define, goMap, integer, isInteger, isMap, mapArray, string, stringArray, uuid } from './values.ts';

type Native = (...args: unknown[]) => unknown;
const SYSTEM = '00000000-0000-0000-0000-000000000000';

/** Objects that Nakama returned as Go maps: their permissions are int32, which its own write functions refuse. */
const hostObjects = new WeakSet<object>();

function hostObject(object: StorageObject): object {
  const { value, ...rest } = object;
  const map = goMap({ ...rest, value: JSON.parse(value) as object });
  hostObjects.add(map);
  return map;
}

function readIds(value: unknown): StorageId[] {
  return mapArray(value, 'expects an array of keys').map((id) => {
    const read: StorageId = { collection: '', key: '', userId: SYSTEM };
    if ('collection' in id) {
      read.collection = string(id.collection, "expects 'collection' value to be a string");
      if (read.collection === '') throw new TypeError("expects 'collection' value to be a non empty string");
    }
    if ('key' in id) read.key = string(id.key, "expects 'key' value to be a string");
    if ('userId' in id) {
      string(id.userId, "expects 'userId' value to be a string");
      read.userId = uuid(id.userId, "expects 'userId' value to be a valid id");
    }
    return read;
  });
}

function nonEmpty(map: Record<string, unknown>, name: string, empty = 'value to be non-empty'): string {
  const text = string(map[name], `expects '${name}' value to be a string`);
  if (text === '') throw new TypeError(`expects '${name}' ${empty}`);
  return text;
}

function permission(map: Record<string, unknown>, name: string): number {
  if (!(name in map)) return 1;
  if (!isInteger(map[name]) || hostObjects.has(map)) throw new TypeError(`expects '${name}' value to be a number`);
  return map[name];
}

/** @param strict multiUpdate's rules: an explicit undefined user or version is refused there, and accepted in storageWrite. */
function writes(value: unknown, version: string, message: string, strict: boolean): StorageWrite[] {
  return mapArray(value, message).map((map) => {
    const write: StorageWrite = { collection: '', key: '', userId: SYSTEM, value: '', version: '', read: 1, write: 1 };
    if ('collection' in map) write.collection = nonEmpty(map, 'collection');
    write.key = nonEmpty(map, 'key');
    if (strict ? 'userId' in map : !absent(map.userId)) {
      string(map.userId, "expects 'userId' value to be a string");
      write.userId = uuid(map.userId, "expects 'userId' value to be a valid id");
    }
    const object = map.value;
    if (!isMap(object)) throw new TypeError("expects 'value' value to be an object");
    try {
      write.value = goJson(object, version);
    } catch (error) {
      throw new TypeError(`failed to convert value: ${(error as Error).message}`);
    }
    if (strict ? 'version' in map : !absent(map.version))
      write.version = nonEmpty(map, 'version', 'value to be a non-empty string');
    write.read = permission(map, 'permissionRead');
    write.write = permission(map, 'permissionWrite');
    if (write.collection === '') throw new TypeError('expects collection to be supplied');
    return write;
  });
}

function deletes(value: unknown): StorageDelete[] {
  return mapArray(value, 'expects an array of keys').map((map) => {
    const remove: StorageDelete = { collection: '', key: '', userId: SYSTEM, version: '' };
    if ('collection' in map) remove.collection = nonEmpty(map, 'collection');
    if ('key' in map) remove.key = nonEmpty(map, 'key');
    if ('userId' in map) {
      string(map.userId, "expects 'userId' value to be a string");
      remove.userId = uuid(map.userId, "expects 'userId' value to be a valid id");
    }
    if ('version' in map) remove.version = nonEmpty(map, 'version', 'value to be a non-empty string');
    if (remove.collection === '') throw new TypeError('expects collection to be supplied');
    if (remove.key === '') throw new TypeError('expects key to be supplied');
    return remove;
  });
}

const acks = (list: unknown): object[] => (list as WriteAck[]).map((ack) => goMap({ ...ack }));

/** @param version of the server: storageIndexList has had three forms, storageWriteRetry exists since 3.39. */
export function storageFunctions(bridge: Bridge, version: string): Record<string, Native> {
  const minor = Number(version.split('.')[1]);
  const functions: Record<string, Native> = {
    storageRead: (ids) => {
      const list = readIds(ids);
      if (list.length === 0) return [];
      const objects = bridge.call('storageRead', [list], 'failed to read storage objects: ') as StorageObject[];
      return objects.map(hostObject);
    },
    storageWrite: (list) => {
      if (absent(list)) throw new TypeError('expects a valid array of data');
      const ops = writes(list, version, 'expects an array of storage write objects', false);
      return acks(bridge.call('storageWrite', [ops], 'failed to write storage objects: '));
    },
    storageDelete: (list) => {
      bridge.call('storageDelete', [deletes(list)], 'failed to remove storage: ');
    },
    storageList: (owner, collection, limit, cursor, caller) => {
      let userId: string | null = null;
      if (!absent(owner)) userId = uuid(string(owner), 'expects empty or valid user id');
      const name = absent(collection) ? '' : string(collection);
      const count = absent(limit) ? 100 : integer(limit);
      if (count < 0) throw new TypeError('limit must not be negative');
      const from = absent(cursor) ? '' : string(cursor);
      const callerId = absent(caller) ? null : uuid(string(caller), 'expects caller id to be valid identifier');
      const page = bridge.call(
        'storageList',
        [callerId, userId, name, count, from],
        'failed to list storage objects: ',
      ) as { objects: StorageObject[]; cursor: string };
      return { objects: page.objects.map(hostObject), cursor: page.cursor === '' ? null : page.cursor };
    },
    multiUpdate: (accounts, writeList, deleteList, wallets) => {
      const unsupported = [accounts, wallets].some((list) => Array.isArray(list) && list.length > 0);
      if (unsupported) throw new Error('the embedded runtime implements nk.multiUpdate for storage only');
      const ops = absent(writeList)
        ? []
        : writes(writeList, version, 'expects storageObjects to be an array of storage write objects', true);
      const removes = absent(deleteList) ? [] : deletes(deleteList);
      const list = bridge.call('multiUpdate', [ops, removes], 'error running multi update: ');
      return { storageWriteAcks: acks(list), walletUpdateAcks: [] };
    },
    storageIndexList: (index, query, limit, ...rest) => {
      const name = string(index);
      const text = string(query);
      const count = absent(limit) ? 100 : integer(limit);
      if (count < 1 || count > 10_000) throw new TypeError('limit must be 1-10000');
      const [order, caller, cursor] = minor >= 22 ? rest : [undefined, rest[0]];
      const sort = absent(order) ? [] : stringArray(order, 'expects an array of strings');
      const callerId = absent(caller) ? null : uuid(string(caller), 'expects caller id to be valid identifier');
      const from = absent(cursor) || minor < 24 ? '' : string(cursor);
      const page = bridge.call(
        'storageIndexList',
        [callerId, name, text, count, sort, from],
        'failed to lookup storage index: ',
      ) as { objects: StorageObject[]; cursor: string };
      const objects = page.objects.map((object) => ({ ...object, value: goMap(JSON.parse(object.value) as object) }));
      return minor >= 24 ? { objects, cursor: page.cursor === '' ? null : page.cursor } : objects;
    },
  };
  if (minor >= 39) define(functions, 'storageWriteRetry', writeRetry(bridge, version));
  return functions;
}

const { wait } = Atomics;
const never = new Int32Array(new SharedArrayBuffer(4));
const pause = (ms: number): void => void wait(never, 0, 0, ms);

function writeRetry(bridge: Bridge, version: string): Native {
  const prefix = 'failed to write storage objects with retry: ';
  return (ids, update, retries) => {
    if (absent(ids)) throw new TypeError('expects an array of keys');
    const list = readIds(ids);
    if (list.length === 0) return [];
    if (typeof update !== 'function') throw new TypeError('expects a valid update function');
    const most = integer(retries);
    if (most < 0 || most > 10) throw new TypeError('max retries must be a value between 0 and 10');
    for (let attempt = 0; attempt <= most; attempt += 1) {
      const objects = (bridge.call('storageRead', [list], prefix) as StorageObject[]).map(hostObject);
      let result: unknown;
      try {
        result = (update as Native)(objects);
      } catch (error) {
        throw new GoError(`failed to update storage objects: ${String(error)}`);
      }
      if (absent(result)) throw new TypeError('expects a valid array of data');
      const ops = writes(result, version, 'expects an array of storage write objects', false);
      try {
        return acks(bridge.call('storageWrite', [ops], prefix));
      } catch (error) {
        if (!(error as Error).message.endsWith('version check failed.')) throw error;
        pause(Math.min(2 << attempt, 20) + Math.floor(Math.random() * 10));
      }
    }
    throw new GoError(`${prefix}Storage write retries exhausted.`);
  };
}
