/*
 * What may be a host: players' clients connect to it, and what is none is never passed on to them.
 */

const LABEL = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
const NAME = new RegExp(`^(?=.{1,253}$)(?:${LABEL}\\.)*${LABEL}$`);
const BYTE = '(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
const IPV4 = new RegExp(`^${BYTE}(?:\\.${BYTE}){3}$`);

/** True for a host name, an IPv4 or an IPv6 address. */
export function isHost(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  if (value.includes(':')) return isIPv6(value);
  // A name whose last part is a number is an address to whoever looks it up.
  return /(^|\.)[0-9]+$/.test(value) ? IPV4.test(value) : NAME.test(value);
}

function isIPv6(text: string): boolean {
  const tail = text.slice(text.lastIndexOf(':') + 1);
  const groups = IPV4.test(tail) ? `${text.slice(0, -tail.length)}0:0` : text;
  const halves = groups.split('::');
  const parts = halves.map((half) => (half === '' ? [] : half.split(':')));
  const all = parts.reduce((before, half) => before.concat(half), []);
  if (!all.every((part) => /^[0-9A-Fa-f]{1,4}$/.test(part))) return false;
  return halves.length === 1 ? all.length === 8 : halves.length === 2 && all.length <= 7;
}
