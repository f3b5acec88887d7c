/*
 * What became of a request that got no answer. Nakama passes on Go's texts (net/http, net, crypto/tls, crypto/x509), and they
 * are the only sign. What follows the URL in them is looked at from its start, because the other side writes the rest of some.
 */

/** `untrusted`: no TLS connection that can be trusted. `redirected`: to another host, which is what failed. */
export interface Broken {
  kind: 'unavailable' | 'untrusted' | 'redirected' | 'unknown';
  /** The request never left, so it was certainly not carried out. */
  nothingSent: boolean;
  /** The request may still be on its way. */
  timedOut: boolean;
  /** Where a redirect led to, without a path. */
  redirectedTo?: string;
}

const NOT_CONNECTED =
  /^(proxyconnect tcp: )?dial (tcp|udp)\b|^net\/http: TLS handshake timeout|^HTTP request is invalid/;

const UNTRUSTED = new RegExp(
  [
    '^(tls: failed to verify certificate: )?x509: ',
    '^http: server gave HTTP response to HTTPS client',
    '^tls: (first record does not look like a TLS handshake|server selected unsupported|no supported)',
    '^remote error: tls: (handshake failure|protocol version|unrecognized name|certificate required|bad certificate|unknown certificate|access denied)',
    // Plain HTTP to a port of TLS: the answer is an alert of TLS.
    '^net/http: HTTP/1.x transport connection broken: malformed HTTP response "\\\\x15\\\\x03',
  ].join('|'),
);

const LOST_ON_THE_WAY = /^stopped after \d+ redirects|^failed to parse Location header/;

/** What a text of Go says of a request to a URL. */
export function whatBroke(message: string, url: string): Broken {
  // Go names the URL that it asked last.
  const [, asked, cause = message] = /^HTTP request error: \w+ "((?:[^"\\]|\\.)*)": ([\s\S]*)$/.exec(message) ?? [];
  const timedOut = /deadline exceeded|i\/o timeout/.test(message);
  if (LOST_ON_THE_WAY.test(cause)) return { kind: 'redirected', nothingSent: true, timedOut: false };
  const untrusted = UNTRUSTED.test(cause);
  const nothingSent = untrusted || NOT_CONNECTED.test(cause);
  const end = { nothingSent, timedOut: timedOut && !nothingSent };
  const target = asked === undefined ? undefined : originOf(asked);
  if (target !== undefined && target !== originOf(url)) return { kind: 'redirected', ...end, redirectedTo: target };
  return { kind: untrusted ? 'untrusted' : nothingSent ? 'unavailable' : 'unknown', ...end };
}

/** Scheme, host and port; undefined for what is no URL. */
function originOf(url: string): string | undefined {
  return /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(url)?.[0].toLowerCase();
}

/**
 * The same URL with https://, which is where a redirect of http:// most likely leads. Undefined for another one, and for one
 * with a port of its own.
 */
export function secureTwin(apiUrl: string): string | undefined {
  const [, host, path = ''] = /^http:\/\/(\[[^\]]*\]|[^/:]*)(?::80)?(\/.*)?$/.exec(apiUrl) ?? [];
  return host === undefined ? undefined : `https://${host}${path}`;
}

/** What to do about a connection that cannot be trusted, by Go's text. */
export function tlsAdvice(message: string): string {
  if (/unknown authority|not trusted/.test(message)) {
    return 'The certificate of GAMEYE_API_URL is signed by an authority that Nakama does not know: add it to the certificates of its machine or container.';
  }
  if (/expired|not yet valid/.test(message)) {
    return 'The certificate of GAMEYE_API_URL has expired, or the clock of this machine is wrong.';
  }
  if (/ valid for |IP SANs|not valid for any names/.test(message)) {
    return 'The certificate of GAMEYE_API_URL is that of another host: check the host name.';
  }
  if (/HTTP response to HTTPS|first record/.test(message)) {
    return 'GAMEYE_API_URL is https://, but that port does not speak TLS: check the port, or set http://.';
  }
  if (/malformed HTTP response/.test(message)) {
    return 'GAMEYE_API_URL is http://, but that port speaks TLS: set https://.';
  }
  return 'No TLS connection to GAMEYE_API_URL comes about: see the log of Nakama.';
}
