/*
 * What may be in a text. Postgres takes no NUL, and JSON with half a surrogate pair is none to it: one such character would
 * refuse a whole record. Texts from outside are checked where they come in: payloads are refused, other texts are mended.
 */

/** True when a text has a NUL character or half a surrogate pair. */
export function isUnstorable(text: string): boolean {
  return text.includes('\0') || text !== mended(text);
}

/** True when a value has such a text anywhere, also in a key. */
export function hasUnstorable(value: unknown): boolean {
  if (typeof value === 'string') return isUnstorable(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, inner]) => isUnstorable(key) || hasUnstorable(inner));
}

/** The text, cut to a length, with a replacement character for whatever cannot be stored. */
export function storable(text: string, longest: number): string {
  return mended(text.slice(0, longest));
}

function mended(text: string): string {
  // Most texts need nothing, and a loop over each of their characters would be slow in this runtime.
  if (!/[\0\ud800-\udfff]/.test(text)) return text;
  let result = '';
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const next = text.charCodeAt(i + 1);
    const isPair = unit >= 0xd800 && unit <= 0xdbff && next >= 0xdc00 && next <= 0xdfff;
    if (isPair) result += text.charAt(i) + text.charAt(++i);
    else result += unit === 0 || (unit >= 0xd800 && unit <= 0xdfff) ? '\ufffd' : text.charAt(i);
  }
  return result;
}

/** True for a region's name as Gameye has them; others are nobody's. */
export function isRegionName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(text);
}

/** An answer that is JSON already: reading a long one only to write it again takes longer than all the rest. */
export class ReadyJson {
  constructor(readonly text: string) {}
}
