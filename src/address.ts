/* Addresses in the configuration. The runtime has no URL class. */

/** A user name would end up in error texts, which quote the URL. */
export function isPlainUrl(text: string): boolean {
  return /^https?:\/\/[A-Za-z0-9.:[\]_-]+(\/[^?#@\s]*)?$/.test(text);
}

/** Endings of names that no public name server knows (RFC 6761, 6762, 8375, 9476), and those of clusters. */
const PRIVATE_NAME = /(^|\.)(localhost|local|internal|lan|home\.arpa|test|invalid|svc)$/;
const PRIVATE_IPV4 = /^(0|10|127|169\.254|192\.168|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./;
/** Loopback, unspecified, unique local and link-local. */
const PRIVATE_IPV6 = /^(::1?$|f[cd]|fe[89ab])/;

/** True for the URL of a host that only this machine or its network knows; a name without a dot is one. */
export function isPrivate(url: string): boolean {
  const [, address, name = ''] = /^https?:\/\/(?:\[([^\]]*)\]|([^:/]*))/.exec(url.toLowerCase()) ?? [];
  if (address !== undefined) return PRIVATE_IPV6.test(address);
  return !name.includes('.') || PRIVATE_NAME.test(name) || PRIVATE_IPV4.test(name);
}
