// Values that cross from JavaScript to Go and back: Goja's Export, and the argument checks built on it.

/** A Go time.Time as a module sees it: it prints and encodes, and has none of Date's methods. */
export class GoTime {
  constructor(ms: number) {
    const iso = new Date(ms).toISOString();
    const rfc3339 = iso.replace(/\.(\d*?)0*Z$/, (_, digits: string) => (digits === '' ? 'Z' : `.${digits}Z`));
    const text = `${rfc3339.replace('T', ' ').replace('Z', '')} +0000 UTC`;
    Object.defineProperty(this, 'toJSON', { value: () => rfc3339 });
    Object.defineProperty(this, 'toString', { value: () => text });
  }
}

/** A number that Goja keeps as int64. */
export function isInteger(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0);
}

/**
 * Goja's Export: plain data. Map and Set become arrays, class instances lose their class, undefined becomes null,
 * dates become GoTime; functions stay what they are.
 */
export function exportValue(value: unknown, path: unknown[] = []): unknown {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'object') return value;
  if (value instanceof GoTime || value instanceof ArrayBuffer) return value;
  if (value instanceof Date) return new GoTime(value.getTime());
  if (path.includes(value)) throw new TypeError('a value that contains itself cannot leave JavaScript');
  const inside = [...path, value];
  if (Array.isArray(value)) return value.map((item) => exportValue(item, inside));
  if (value instanceof Set) return [...value].map((item) => exportValue(item, inside));
  if (value instanceof Map)
    return [...value].map(([key, item]) => [exportValue(key, inside), exportValue(item, inside)]);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as Uint8Array);
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return value.valueOf();
  const plain: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) define(plain, key, exportValue(item, inside));
  return plain;
}

/** Sets a property whatever the (frozen) prototype says about its name, as Go maps do. */
export function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

/** True for what Goja exports as a map: any object that is not an array, a function, or one of the special classes. */
export function isMap(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const special = [Date, GoTime, Map, Set, ArrayBuffer, Number, String, Boolean];
  return !ArrayBuffer.isView(value) && !special.some((type) => value instanceof type);
}

export function string(value: unknown, message = 'expects string'): string {
  if (typeof value !== 'string') throw new TypeError(message);
  return value;
}

export function integer(value: unknown, message = 'expects number'): number {
  if (!isInteger(value)) throw new TypeError(message);
  return value;
}

export function float(value: unknown): number {
  if (typeof value !== 'number') throw new TypeError('expects number');
  return value;
}

export function boolean(value: unknown, message = 'expects boolean'): boolean {
  if (typeof value !== 'boolean') throw new TypeError(message);
  return value;
}

/** An object whose values are all strings; an undefined value is refused, as it is in Go. */
export function stringMap(value: unknown): Record<string, string> {
  if (!isMap(value)) throw new TypeError('expects object with string keys and values');
  const map: Record<string, string> = {};
  for (const [key, item] of Object.entries(value)) define(map, key, string(item));
  return map;
}

/** An array of objects. */
export function mapArray(value: unknown, message: string): Record<string, unknown>[] {
  if (!Array.isArray(value)) throw new TypeError(message);
  return value.map((item: unknown) => {
    if (item === null || item === undefined) return {};
    if (!isMap(item)) throw new TypeError(message);
    return item;
  });
}

export function stringArray(value: unknown, message: string): string[] {
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) throw new TypeError(message);
  return [...(value as string[])];
}

const UUID = /^(?:urn:uuid:)?\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$/i;

export function uuid(value: unknown, message: string): string {
  const match = typeof value === 'string' ? UUID.exec(value) : null;
  if (match === null) throw new TypeError(message);
  return match.slice(1).join('-').toLowerCase();
}

export function absent(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

/** A Go map as a module enumerates it: in an order that changes from one time to the next. */
export function goMap<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => goMap(item)) as T;
  if (typeof value !== 'object' || value === null || value instanceof ArrayBuffer) return value;
  const entries = Object.entries(value);
  for (let i = entries.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1));
    [entries[i], entries[j]] = [entries[j]!, entries[i]!];
  }
  const map = {};
  for (const [key, item] of entries) define(map, key, goMap(item));
  return map as T;
}
