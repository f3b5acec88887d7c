/*
 * A room's code, as people say it to each other: eight letters and digits in two groups. 40 random bits: with thousands of rooms
 * one guess in a hundred million finds one.
 */

/** Crockford's: no letter that looks like a digit. */
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const LENGTH = 8;

/** A code from a random UUID, of which the first bits are random. */
export function codeFrom(uuid: string): string {
  let bits = parseInt(uuid.replace(/-/g, '').slice(0, 8) + uuid.slice(-2), 16);
  let code = '';
  for (let i = 0; i < LENGTH; i++) {
    code = LETTERS.charAt(bits % 32) + code;
    bits = Math.floor(bits / 32);
  }
  return `${code.slice(0, 4)}-${code.slice(4)}`;
}

/** The code that somebody typed, in any case, with or without the dash, with O for 0 and I or L for 1; undefined: it is none. */
export function codeIn(text: string): string | undefined {
  const typed = text.slice(0, 40).toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1');
  const isCode = typed.length === LENGTH && typed.split('').every((letter) => LETTERS.includes(letter));
  return isCode ? `${typed.slice(0, 4)}-${typed.slice(4)}` : undefined;
}
