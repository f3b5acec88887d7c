import type { Nakama } from '../nakama/runtime';

/** 122 bits of an HMAC in the form of a UUID (version 8, RFC 9562: for uses like this one). The same input, the same id. */
export function derivedId(nk: Nakama, input: string, key: string): string {
  const hex = nk.base16Encode(nk.hmacSha256Hash(input, key)).toLowerCase();
  const variant = '89ab'.charAt(parseInt(hex.charAt(16), 16) % 4);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
