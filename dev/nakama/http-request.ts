// nk.httpRequest, with the manners and the error texts of Go's net/http.

import { isUtf8 } from 'node:buffer';
import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import type { PeerCertificate } from 'node:tls';
import { gunzipSync } from 'node:zlib';

export interface HttpRequest {
  url: string;
  method: string;
  headers: Record<string, string>;
  /** "" sends none, whatever the method. */
  body: string;
  /** For everything: connecting, redirects and reading the body. */
  timeoutMs: number;
  /** Accepts any certificate. */
  insecure: boolean;
}

export interface HttpResponse {
  code: number;
  /** Canonical names ("Content-Type") and lists of values. */
  headers: Record<string, string[]>;
  body: string;
  /** The bytes of a body that is no UTF-8. */
  raw?: Uint8Array;
}

// Go's default transport keeps two idle connections for each host.
const keepAlive = { keepAlive: true, maxFreeSockets: 2, timeout: 0 };
const agents = {
  'http:': new http.Agent(keepAlive),
  'https:': new https.Agent(keepAlive),
  insecure: new https.Agent({ ...keepAlive, rejectUnauthorized: false }),
};

/** "content-type" → "Content-Type"; names with characters that no header may have stay as they are. */
export function canonicalHeader(name: string): string {
  if (!TOKEN.test(name)) return name;
  return name.toLowerCase().replace(/(^|-)[a-z]/g, (match) => match.toUpperCase());
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/** Go's checks of a URL before it is used; the text of the error, or null. */
function urlProblem(url: string): string | null {
  const parse = (problem: string): string => `HTTP request is invalid: parse ${JSON.stringify(url)}: ${problem}`;
  if (CONTROL.test(url)) return parse('net/url: invalid control character in URL');
  const escape = /%(?![0-9a-fA-F]{2}).{0,2}/s.exec(url);
  if (escape !== null) return parse(`invalid URL escape ${JSON.stringify(escape[0])}`);
  const match = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\/([^/?#]*)/.exec(url);
  const host = match?.[2] ?? '';
  const strange = /[^\w.\-:[\]@%!$&'()*+,;=~]/.exec(host);
  if (strange !== null) return parse(`invalid character ${JSON.stringify(strange[0])} in host name`);
  const port = /:([^\]@]*)$/.exec(host)?.[1];
  if (port !== undefined && !/^\d*$/.test(port)) return parse(`invalid port ${JSON.stringify(`:${port}`)} after host`);
  return null;
}

/** Sends a request. @throws Error whose text is what the module sees as the GoError's message. */
export async function httpRequest(request: HttpRequest): Promise<HttpResponse> {
  const problem = urlProblem(request.url);
  if (problem !== null) throw new Error(problem);
  const deadline = AbortSignal.timeout(request.timeoutMs);
  const headers: http.OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(request.headers)) {
    const canonical = canonicalHeader(name);
    const refuse = (what: string): Error =>
      failed(request.method, request.url, `net/http: invalid header field ${what}`);
    if (!TOKEN.test(name)) throw refuse(`name ${JSON.stringify(canonical)}`);
    if (CONTROL.test(value)) throw refuse(`value for ${JSON.stringify(canonical)}`);
    // Go takes the host from the URL and the length from the body, whatever the headers say.
    if (!['Host', 'Content-Length', 'Transfer-Encoding'].includes(canonical)) headers[canonical] = value;
  }
  headers['User-Agent'] ??= 'Go-http-client/1.1';
  let { method, url, body } = request;
  for (let redirects = 0; ; redirects += 1) {
    const response = await exchange(method, url, headers, body, request.insecure, deadline);
    const location = response.headers.Location?.[0];
    if (location === undefined || ![301, 302, 303, 307, 308].includes(response.code)) return response;
    const next = new URL(location, url);
    if (redirects + 1 >= 10) throw failed(method, next.href, 'stopped after 10 redirects');
    if (response.code < 307 && !['GET', 'HEAD'].includes(method)) {
      method = 'GET';
      body = '';
      delete headers['Content-Type'];
    }
    if (next.hostname !== new URL(url).hostname) {
      for (const name of ['Authorization', 'Www-Authenticate', 'Cookie', 'Cookie2']) delete headers[name];
    }
    headers.Referer ??= url;
    url = next.href;
  }
}

function failed(method: string, url: string, text: string): Error {
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  const shown = url.replace(/^([a-z]+:\/\/[^:@/]*):[^@/]*@/i, '$1:***@');
  return new Error(`HTTP request error: ${verb} ${JSON.stringify(shown)}: ${text}`);
}

async function exchange(
  method: string,
  url: string,
  headers: http.OutgoingHttpHeaders,
  body: string,
  insecure: boolean,
  deadline: AbortSignal,
): Promise<HttpResponse> {
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(url)?.[1]?.toLowerCase() ?? '';
  if (scheme !== 'http' && scheme !== 'https')
    throw failed(method, url, `unsupported protocol scheme ${JSON.stringify(scheme)}`);
  const port = /^[a-z]+:\/\/[^/?#]*:(\d+)/i.exec(url)?.[1];
  if (port !== undefined && Number(port) > 65535) throw failed(method, url, `dial tcp: address ${port}: invalid port`);
  if (!URL.canParse(url)) throw failed(method, url, 'http: no Host in request URL');
  const target = new URL(url);
  const gzip = !('Accept-Encoding' in headers) && method !== 'HEAD';
  const length = body === '' ? {} : { 'Content-Length': Buffer.byteLength(body) };
  const all = { ...headers, ...(gzip ? { 'Accept-Encoding': 'gzip' } : {}), ...length };
  const options = { method, headers: all, signal: deadline, setDefaultHeaders: true };

  let response: http.IncomingMessage;
  let reused = false;
  try {
    response = await new Promise((resolve, reject) => {
      const outgoing =
        scheme === 'http'
          ? http.request(target, { ...options, agent: agents['http:'] }, resolve)
          : https.request(target, { ...options, agent: insecure ? agents.insecure : agents['https:'] }, resolve);
      outgoing.once('error', (error) => {
        reused = outgoing.reusedSocket;
        reject(error);
      });
      outgoing.end(body === '' ? undefined : body);
    });
  } catch (error) {
    // Go sends requests that change nothing once more when a kept connection turns out to be closed; others fail.
    const closed = (error as NodeJS.ErrnoException).code === 'ECONNRESET';
    if (closed && reused && ['GET', 'HEAD'].includes(method) && body === '' && !deadline.aborted)
      return exchange(method, url, headers, body, insecure, deadline);
    throw failed(method, url, failureText(error as NodeJS.ErrnoException, target, deadline));
  }
  return read(response, gzip, deadline);
}

async function read(response: http.IncomingMessage, gzip: boolean, deadline: AbortSignal): Promise<HttpResponse> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch {
    const text = deadline.aborted ? 'context deadline exceeded' : 'unexpected EOF';
    throw new Error(`HTTP response body error: ${text}`);
  }
  const headers: Record<string, string[]> = {};
  for (let i = 0; i < response.rawHeaders.length; i += 2) {
    const name = canonicalHeader(response.rawHeaders[i]!);
    if (name !== 'Transfer-Encoding') (headers[name] ??= []).push(response.rawHeaders[i + 1]!);
  }
  let bytes = Buffer.concat(chunks);
  if (gzip && headers['Content-Encoding']?.[0]?.toLowerCase() === 'gzip') {
    delete headers['Content-Encoding'];
    delete headers['Content-Length'];
    try {
      bytes = gunzipSync(bytes);
    } catch {
      throw new Error('HTTP response body error: gzip: invalid header');
    }
  }
  const text = { code: response.statusCode!, headers, body: bytes.toString('utf8') };
  return isUtf8(bytes) ? text : { ...text, raw: new Uint8Array(bytes) };
}

/** What Go says of a certificate that is for other hosts. */
function otherNames({ cert }: { cert?: PeerCertificate }, host: string): string {
  const kind = isIP(host) === 0 ? 'DNS:' : 'IP Address:';
  const all = (cert?.subjectaltname ?? '').split(', ').filter((name) => name.startsWith(kind));
  if (all.length > 0)
    return `certificate is valid for ${all.map((name) => name.slice(kind.length)).join(', ')}, not ${host}`;
  return isIP(host) === 0
    ? `certificate is not valid for any names, but wanted to match ${host}`
    : `cannot validate certificate for ${host} because it doesn't contain any IP SANs`;
}

function failureText(error: NodeJS.ErrnoException, target: URL, deadline: AbortSignal): string {
  if (deadline.aborted || error.name === 'AbortError') return 'context deadline exceeded';
  const { address, port } = error as { address?: string; port?: number };
  const host = target.hostname.replace(/^\[|\]$/g, '');
  const place = address === undefined ? host : `${isIP(address) === 6 ? `[${address}]` : address}:${port ?? ''}`;
  switch (error.code) {
    case 'ECONNREFUSED':
      return `dial tcp ${place}: connect: connection refused`;
    case 'EHOSTUNREACH':
      return `dial tcp ${place}: connect: no route to host`;
    case 'ENETUNREACH':
      return `dial tcp ${place}: connect: network is unreachable`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `dial tcp: lookup ${host}: no such host`;
    case 'ECONNRESET':
      // Node makes this one up itself when the other side closes without an answer.
      return error.message === 'socket hang up' ? 'EOF' : 'read tcp: read: connection reset by peer';
    case 'EPIPE':
      return 'write tcp: write: broken pipe';
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'EPROTO':
      return 'http: server gave HTTP response to HTTPS client';
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid: ';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `tls: failed to verify certificate: x509: ${otherNames(error as { cert?: PeerCertificate }, host)}`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
    default:
      return error.code?.startsWith('HPE_') === true
        ? `net/http: HTTP/1.x transport connection broken: malformed HTTP response`
        : error.message;
  }
}
