// JSON as Go's encoding/json writes it. What a module signs or sends leaves it in this form.

import { GoTime, exportValue } from './values.ts';

const SHORT: Record<string, string> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function quote(text: string, shortBackspace: boolean): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (SHORT[char] !== undefined) out += SHORT[char];
    else if (shortBackspace && char === '\b') out += '\\b';
    else if (shortBackspace && char === '\f') out += '\\f';
    else if (code < 0x20 || char === '<' || char === '>' || char === '&' || code === 0x2028 || code === 0x2029)
      out += `\\u${code.toString(16).padStart(4, '0')}`;
    else if (code >= 0xd800 && code <= 0xdfff) out += '\\ufffd';
    else out += char;
  }
  return `${out}"`;
}

/**
 * Encodes a value as Go does after Goja exported it: keys sorted, `<>&` escaped, undefined as null.
 * @param version of the server: from 3.23 on, Go's `\b` and `\f` are short.
 * @throws an Error with Go's text for what has no JSON form.
 */
export function goJson(value: unknown, version = '3.40.0'): string {
  const short = Number(version.split('.')[1]) >= 22;
  const write = (item: unknown): string => {
    if (item === null || item === undefined) return 'null';
    switch (typeof item) {
      case 'boolean':
        return String(item);
      case 'string':
        return quote(item, short);
      case 'number':
        if (!Number.isFinite(item)) throw new Error(`json: unsupported value: ${goNumber(item)}`);
        return Object.is(item, -0) ? '-0' : String(item);
      case 'bigint':
        return String(item);
      case 'function':
        throw new Error('json: unsupported type: func(goja.FunctionCall) goja.Value');
      default:
    }
    if (item instanceof GoTime) return quote(String((item as unknown as { toJSON(): string }).toJSON()), short);
    if (item instanceof ArrayBuffer) return '{}';
    if (Array.isArray(item)) return `[${item.map(write).join(',')}]`;
    const keys = Object.keys(item as object).sort(byBytes);
    return `{${keys.map((key) => `${quote(key, short)}:${write((item as Record<string, unknown>)[key])}`).join(',')}}`;
  };
  return write(exportValue(value));
}

// Go sorts keys by their UTF-8 bytes, which is the order of code points, not of UTF-16 units.
function byBytes(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  for (let i = 0; i < left.length && i < right.length; i += 1) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** How Go prints a number that JSON has no form for. */
export function goNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}
