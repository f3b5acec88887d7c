import type { Context, Initializer, Nakama, StorageObject } from './runtime';

/** What a page of an index query looks like here, whatever the server's version answers. */
export interface IndexPage {
  objects: StorageObject[];
  /** Undefined at the last page, and always before Nakama 3.24, which gives none. */
  cursor?: string;
}

/** True when `ctx.version` ("3.40.0+73ad9c1") is at least major.minor.patch. An unreadable version counts as newest. */
export function isAtLeast(ctx: Context, major: number, minor: number, patch = 0): boolean {
  const match = /(\d+)\.(\d+)\.(\d+)/.exec(ctx.version);
  if (!match) return true;
  const found = [Number(match[1]), Number(match[2]), Number(match[3])];
  const wanted = [major, minor, patch];
  for (let i = 0; i < 3; i++) {
    const difference = (found[i] ?? 0) - (wanted[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** Registers a storage index; `sortableFields` exist since Nakama 3.22 (runtime_javascript_init.go). */
export function registerStorageIndex(
  ctx: Context,
  initializer: Initializer,
  index: { name: string; collection: string; fields: string[]; sortable: string[]; maxEntries: number },
): void {
  if (isAtLeast(ctx, 3, 22)) {
    initializer.registerStorageIndex(
      index.name,
      index.collection,
      '',
      index.fields,
      index.sortable,
      index.maxEntries,
      false,
    );
    return;
  }
  const old = initializer as unknown as {
    registerStorageIndex(n: string, c: string, k: string, f: string[], max: number, indexOnly: boolean): void;
  };
  old.registerStorageIndex(index.name, index.collection, '', index.fields, index.maxEntries, false);
}

/**
 * Queries a storage index. Three signatures exist: without order (to 3.21), with order (3.22, 3.23), with order and
 * cursor (from 3.24, the only one that answers an object). A caller id of undefined means the system, which sees all.
 */
export function listIndex(
  ctx: Context,
  nk: Nakama,
  index: string,
  query: string,
  limit: number,
  order: string[],
  cursor?: string,
): IndexPage {
  if (isAtLeast(ctx, 3, 24)) {
    const page = nk.storageIndexList(index, query, limit, order, undefined, cursor) as {
      objects: StorageObject[] | null;
      cursor: string | null;
    };
    return { objects: page.objects ?? [], ...(page.cursor ? { cursor: page.cursor } : {}) };
  }
  const objects = isAtLeast(ctx, 3, 22)
    ? nk.storageIndexList(index, query, limit, order)
    : nk.storageIndexList(index, query, limit);
  return { objects: (objects as StorageObject[] | null) ?? [] };
}
