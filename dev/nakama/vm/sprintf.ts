// Go's fmt.Sprintf for the values that a module can pass to the logger.

import { GoTime, exportValue, isInteger } from './values.ts';

type Value = unknown;

function typeName(value: Value): string {
  if (value === null) return '<nil>';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return isInteger(value) ? 'int64' : 'float64';
  if (typeof value === 'function') return 'func(goja.FunctionCall) goja.Value';
  if (value instanceof GoTime) return 'time.Time';
  return Array.isArray(value) ? '[]interface {}' : 'map[string]interface {}';
}

function float(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  if (exponent >= -4 && exponent < 21) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}

function plain(value: Value): string {
  if (value === null) return '<nil>';
  if (typeof value === 'number') return isInteger(value) ? String(value) : float(value);
  if (typeof value === 'function') return '0x1';
  if (Array.isArray(value)) return `[${value.map(plain).join(' ')}]`;
  if (typeof value === 'object' && !(value instanceof GoTime)) {
    const map = value as Record<string, Value>;
    const keys = Object.keys(map).sort();
    return `map[${keys.map((key) => `${key}:${plain(map[key])}`).join(' ')}]`;
  }
  return String(value);
}

function wrong(verb: string, value: Value): string {
  if (value === null) return `%!${verb}(<nil>)`;
  return `%!${verb}(${typeName(value)}=${plain(value)})`;
}

function pad(text: string, flags: string, width: number): string {
  if (text.length >= width) return text;
  if (flags.includes('-')) return text.padEnd(width);
  if (!flags.includes('0')) return text.padStart(width);
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  return sign + text.slice(sign.length).padStart(width - sign.length, '0');
}

function verb(name: string, flags: string, precision: number | undefined, value: Value): string {
  const number = Number(value);
  const signed = (text: string): string => (flags.includes('+') && !text.startsWith('-') ? `+${text}` : text);
  switch (name) {
    case 'v':
      return plain(value);
    case 's': {
      if (value === null) return '%!s(<nil>)';
      if (typeof value === 'number' || typeof value === 'boolean') return wrong('s', value);
      const text = plain(value);
      return precision === undefined ? text : [...text].slice(0, precision).join('');
    }
    case 'q':
      return typeof value === 'string' ? JSON.stringify(value) : wrong('q', value);
    case 'd':
      return isInteger(value) ? signed(String(value)) : wrong('d', value);
    case 'f':
    case 'F':
      return typeof value === 'number' && !isInteger(value)
        ? signed(number.toFixed(precision ?? 6))
        : wrong(name, value);
    case 'e':
    case 'g':
      if (typeof value !== 'number' || isInteger(value)) return wrong(name, value);
      return signed(name === 'e' ? number.toExponential(precision ?? 6) : float(number));
    case 't':
      return typeof value === 'boolean' ? String(value) : wrong('t', value);
    case 'x':
    case 'X': {
      let text: string;
      if (isInteger(value)) text = value.toString(16);
      else if (typeof value === 'string') text = encodeURIComponentBytes(value);
      else return wrong(name, value);
      return name === 'X' ? text.toUpperCase() : text;
    }
    case 'T':
      return typeName(value);
    default:
      return wrong(name, value);
  }
}

function encodeURIComponentBytes(text: string): string {
  return encodeURIComponent(text)
    .replace(/%([0-9A-F]{2})|./g, (match, hex: string | undefined) => hex ?? match.charCodeAt(0).toString(16))
    .toLowerCase();
}

/** Formats as Go does, its complaints about wrong, missing and extra arguments included. */
export function sprintf(format: string, args: unknown[]): string {
  const values = args.map((arg) => exportValue(arg));
  let used = 0;
  const text = format.replace(/%([-+# 0]*)(\d*)(?:\.(\d*))?([\s\S]?)/g, (_, flags, width, precision, name: string) => {
    if (name === '') return '%!(NOVERB)';
    if (name === '%') return '%';
    if (used >= values.length) return `%!${name}(MISSING)`;
    const value = values[used];
    used += 1;
    const digits = precision === undefined ? undefined : Number(precision);
    return pad(verb(name, String(flags), digits, value), String(flags), Number(width));
  });
  if (used >= values.length) return text;
  const extra = values.slice(used).map((value) => (value === null ? '<nil>' : `${typeName(value)}=${plain(value)}`));
  return `${text}%!(EXTRA ${extra.join(', ')})`;
}
