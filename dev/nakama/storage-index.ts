import type { Queryable } from './database.ts';
import type { Log } from './log.ts';
import { addField, parseQuery, type Document, type FieldValue } from './query.ts';
import type { StorageId, StorageObject } from './storage-types.ts';

export interface IndexDefinition {
  name: string;
  collection: string;
  /** "" for every key of the collection. */
  key: string;
  fields: string[];
  sortableFields: string[];
  maxEntries: number;
  indexOnly: boolean;
}

/** Decides whether an object belongs into an index (registerStorageIndexFilter). */
export type IndexFilter = (index: string, object: StorageObject) => Promise<boolean>;

interface Entry {
  object: StorageObject;
  /** The indexed fields only, as JSON: what an `indexOnly` index returns. */
  json: string;
  document: Document;
  updated: number;
}

interface Index {
  definition: IndexDefinition;
  /** By identity; the most recently written last, which is the order of a query without one. */
  entries: Map<string, Entry>;
}

const identity = (id: StorageId): string => `${id.collection}.${id.key}.${id.userId}`;

/**
 * Storage indexes of this process: other nodes' writes are not seen until they are read back. Loaded when the server
 * starts, without waiting for it, and kept up to date by this process's own writes.
 */
export class StorageIndexes {
  private readonly indexes = new Map<string, Index>();
  private clock = 0;
  private filter: IndexFilter | null = null;
  private readonly filtered = new Set<string>();

  constructor(private readonly log: Log) {}

  create(definition: IndexDefinition): void {
    if (definition.name === '') throw new Error("storage index 'name' must be set");
    if (definition.collection === '') throw new Error("storage index 'collection' must be set");
    if (definition.maxEntries < 1) throw new Error("storage Index 'max_entries' must be > 0");
    if (definition.fields.length < 1)
      throw new Error("storage Index 'fields' must contain at least one top level key to index");
    if (this.indexes.has(definition.name))
      throw new Error(`cannot create index: index with name "${definition.name}" already exists`);
    this.indexes.set(definition.name, { definition, entries: new Map() });
    this.log.info('Initialized storage engine index', { configuration: definition });
  }

  setFilter(filter: IndexFilter, indexes: string[]): void {
    this.filter = filter;
    for (const name of indexes) this.filtered.add(name);
  }

  async write(objects: StorageObject[]): Promise<void> {
    for (const object of objects) {
      for (const index of this.indexes.values()) {
        const { collection, key, name } = index.definition;
        if (collection !== object.collection || (key !== '' && key !== object.key)) continue;
        if (this.filter !== null && this.filtered.has(name.toLowerCase())) {
          let keep: boolean;
          try {
            keep = await this.filter(name, object);
          } catch (error) {
            const text = (error as Error).message;
            this.log.error('Error invoking custom Storage Index Filter function', { index_name: name, error: text });
            continue;
          }
          if (!keep) {
            index.entries.delete(identity(object));
            continue;
          }
        }
        this.put(index, object);
      }
    }
  }

  private put(index: Index, object: StorageObject): void {
    const { fields, maxEntries } = index.definition;
    const value = JSON.parse(object.value) as Record<string, unknown>;
    const kept = Object.fromEntries(fields.filter((field) => field in value).map((field) => [field, value[field]]));
    // An object with none of the fields is left alone, even when an older state of it is in the index.
    if (Object.keys(kept).length === 0) return;
    const document: Document = new Map<string, FieldValue[]>();
    for (const field of ['collection', 'key', 'version'] as const) document.set(field, [object[field]]);
    document.set('user_id', [object.userId]);
    document.set('read', [object.permissionRead]);
    document.set('write', [object.permissionWrite]);
    document.set('create_time', [{ dateMs: object.createTime * 1000 }]);
    document.set('update_time', [{ dateMs: object.updateTime * 1000 }]);
    addField(document, 'value', kept);
    index.entries.delete(identity(object));
    index.entries.set(identity(object), { object, json: JSON.stringify(kept), document, updated: (this.clock += 1) });
    if (index.entries.size > Math.floor(maxEntries * 1.1)) {
      // Oldest first, as many as there are above the limit.
      for (const id of [...index.entries.keys()].slice(0, index.entries.size - maxEntries)) index.entries.delete(id);
    }
  }

  delete(ids: StorageId[]): void {
    for (const id of ids) {
      for (const index of this.indexes.values()) {
        if (index.definition.collection === id.collection) index.entries.delete(identity(id));
      }
    }
  }

  /**
   * @param read reads rows back from the database: what an index says is checked against it unless it is `indexOnly`.
   * @param caller null is the server itself.
   */
  async list(
    read: (ids: StorageId[]) => Promise<StorageObject[]>,
    caller: string | null,
    name: string,
    text: string,
    limit: number,
    order: string[],
    cursor: string,
  ): Promise<{ objects: StorageObject[]; cursor: string }> {
    const index = this.indexes.get(name);
    if (index === undefined) throw new Error(`index "${name}" not found`);
    const query = text === '' ? '*' : text;
    const offset = cursor === '' ? 0 : cursorOffset(cursor, query, limit, order);
    const hits = this.search(index, query, order).slice(offset, offset + limit + 1);
    const more = hits.length > limit;
    if (more) hits.pop();
    const next = more ? encodeCursor({ query, offset: offset + limit, limit, order }) : '';
    if (hits.length === 0) return { objects: [], cursor: '' };
    if (index.definition.indexOnly) {
      const visible = hits.filter(
        ({ object }) => caller === null || object.permissionRead === 2 || object.userId === caller,
      );
      return { objects: visible.map((hit) => ({ ...hit.object, value: hit.json })), cursor: next };
    }
    const rows = new Map((await read(hits.map((hit) => hit.object))).map((row) => [identity(row), row]));
    const found = hits.map((hit) => rows.get(identity(hit.object))).filter((row) => row !== undefined);
    const stale = found.filter((row) => index.entries.get(identity(row))?.object.version !== row.version);
    if (stale.length > 0) await this.write(stale);
    return { objects: found, cursor: next };
  }

  private search(index: Index, query: string, order: string[]): Entry[] {
    const matches = parseQuery(query);
    const scored: { entry: Entry; score: number }[] = [];
    for (const entry of index.entries.values()) {
      const score = matches(entry.document);
      if (score !== null) scored.push({ entry, score });
    }
    const keys = order.map((text) => {
      const field = text.replace(/^[-+]/, '');
      const sortable = [
        'create_time',
        'update_time',
        '_score',
        '_id',
        ...index.definition.sortableFields.map((f) => `value.${f}`),
      ];
      if (!sortable.includes(field))
        throw new Error(
          `the embedded runtime sorts by sortable fields only, and "${field}" is not one of index "${index.definition.name}"`,
        );
      return { field, sign: text.startsWith('-') ? -1 : 1 };
    });
    if (keys.length === 0) return scored.sort((a, b) => b.score - a.score).map(({ entry }) => entry);
    const value = ({ entry, score }: (typeof scored)[number], field: string): string | number | undefined => {
      if (field === '_score') return score;
      if (field === '_id') return identity(entry.object);
      if (field === 'update_time') return entry.updated;
      const first = entry.document.get(field)?.[0];
      return typeof first === 'object' ? first.dateMs : first;
    };
    return scored
      .sort((a, b) => {
        for (const { field, sign } of keys) {
          const left = value(a, field);
          const right = value(b, field);
          if (left === right) continue;
          if (left === undefined) return 1;
          if (right === undefined) return -1;
          return left < right ? -sign : sign;
        }
        return 0;
      })
      .map(({ entry }) => entry);
  }

  /** Fills every index from the database: the first `maxEntries` rows by key and owner, not the newest. */
  async load(database: Queryable): Promise<void> {
    for (const index of this.indexes.values()) {
      const { collection, key, maxEntries, name } = index.definition;
      const started = Date.now();
      const rows = await database.query<StorageObject>(
        `SELECT collection, key, user_id AS "userId", value::text AS value, version, read AS "permissionRead",
           write AS "permissionWrite", floor(extract(epoch FROM create_time))::float8 AS "createTime",
           floor(extract(epoch FROM update_time))::float8 AS "updateTime"
         FROM storage WHERE collection = $1 AND ($2 = '' OR key = $2) ORDER BY key, user_id LIMIT $3`,
        [collection, key, maxEntries],
      );
      // What this process wrote meanwhile is newer than these rows.
      await this.write(rows.rows.filter((row) => !index.entries.has(identity(row))));
      this.log.info('Storage index loaded.', { config: { Name: name }, elapsed_time_ms: Date.now() - started });
    }
  }
}

interface Cursor {
  query: string;
  offset: number;
  limit: number;
  order: string[];
}

const encodeCursor = (cursor: Cursor): string => Buffer.from(JSON.stringify(cursor)).toString('base64url');

function cursorOffset(text: string, query: string, limit: number, order: string[]): number {
  let cursor: Cursor;
  try {
    cursor = JSON.parse(Buffer.from(text, 'base64url').toString()) as Cursor;
  } catch {
    throw new Error('invalid cursor');
  }
  if (cursor.query !== query) throw new Error('invalid cursor: query mismatch');
  if (cursor.limit !== limit) throw new Error('invalid cursor: limit mismatch');
  if (cursor.order.join() !== order.join()) throw new Error('invalid cursor: order mismatch');
  return cursor.offset;
}
