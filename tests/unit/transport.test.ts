import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adviceFor, type Outcome } from '../../src/gameye/failure';
import { send, unreadable, type Reply, type Request } from '../../src/gameye/transport';
import type { HttpResponse } from '../../src/nakama/runtime';
import { answer } from './support/gameye';
import { fakeNakama, goError } from './support/nakama';

const TOKEN = 'tok-SECRET';
const api = { apiUrl: 'https://api.test', apiToken: TOKEN };
const get: Request = { operation: 'describe-session', method: 'get', path: '/session/s1', timeoutMs: 4000.4 };
const post: Request = { operation: 'session-run', method: 'post', path: '/session', body: { id: 's1' }, timeoutMs: 10 };

function ask(reply: HttpResponse | Error, request: Request = post, endpoint = api): Outcome<Reply> {
  const fake = fakeNakama();
  fake.http = () => {
    if (reply instanceof Error) throw reply;
    return reply;
  };
  return send(fake.nk, endpoint, request);
}

function failureOf(outcome: Outcome<unknown>) {
  if (outcome.kind === 'done') throw new Error('it was done');
  return outcome.failure;
}

describe('a request to the Session API', () => {
  it('carries the token, JSON and a whole number of milliseconds', () => {
    const fake = fakeNakama();
    fake.http = () => answer(200, {});
    send(fake.nk, api, post);
    send(fake.nk, api, get);
    const [first, second] = fake.requests;
    expect(first).toEqual({
      url: 'https://api.test/session',
      method: 'post',
      headers: { Accept: 'application/json', Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' },
      body: { id: 's1' },
      timeoutMs: 10,
    });
    expect(second).toMatchObject({ method: 'get', body: undefined, timeoutMs: 4000 });
    expect(Object.keys(second!.headers)).not.toContain('Content-Type');
  });
  it('never has a timeout of 0, which Nakama takes for 5 s', () => {
    const fake = fakeNakama();
    fake.http = () => answer(200, {});
    send(fake.nk, api, { ...get, timeoutMs: 0.2 });
    expect(fake.requests[0]!.timeoutMs).toBe(1);
  });
});

describe('an error of the connection to the Session API', () => {
  const url = 'HTTP request error: Post "https://api.test/session": ';
  it.each([
    ['nobody listens', `${url}dial tcp 127.0.0.1:1: connect: connection refused`],
    ['an unknown host', `${url}dial tcp: lookup api.test: no such host`],
    ['a dial that took too long', `${url}dial tcp 10.0.0.1:443: i/o timeout`],
    ['a proxy that is not there', `${url}proxyconnect tcp: dial tcp 10.0.0.9:3128: connect: no route to host`],
    ['a handshake that took too long', `${url}net/http: TLS handshake timeout`],
    ['a URL that is none', 'HTTP request is invalid: parse "::": missing protocol scheme'],
  ])('means that nothing was sent: %s', (_sentence, text) => {
    const outcome = ask(goError(text));
    expect(outcome.kind).toBe('refused');
    expect(failureOf(outcome)).toEqual({ kind: 'unavailable', operation: 'session-run', message: text });
  });
  it.each([
    ['a timeout', `${url}context deadline exceeded`],
    ['a timeout in the headers', `${url}context deadline exceeded (Client.Timeout exceeded while awaiting headers)`],
    ['a timeout in the body', 'HTTP response body error: context deadline exceeded'],
  ])('leaves open what happened, and whether the request still arrives: %s', (_sentence, text) => {
    const outcome = ask(goError(text));
    expect(outcome.kind).toBe('unknown');
    const timedOut = { kind: 'unknown', operation: 'session-run', message: text, timed_out: true };
    expect(failureOf(outcome)).toEqual(timedOut);
  });
  it.each([
    ['an early end', `${url}EOF`],
    ['an end in the body', 'HTTP response body error: unexpected EOF'],
    ['a reset', `${url}read tcp 10.0.0.2:1->10.0.0.1:443: read: connection reset by peer`],
    ['an idle connection that closed', `${url}http: server closed idle connection`],
    ['a shutdown of this server', `${url}context canceled`],
    [
      'words of the other side',
      `${url}net/http: HTTP/1.x transport connection broken: malformed HTTP response "dial tcp"`,
    ],
  ])('leaves open what happened: %s', (_sentence, text) => {
    const outcome = ask(goError(text));
    expect(outcome.kind).toBe('unknown');
    expect(failureOf(outcome)).toEqual({ kind: 'unknown', operation: 'session-run', message: text });
  });
  it.each([
    [
      'an unknown authority',
      'tls: failed to verify certificate: x509: certificate signed by unknown authority',
      /authority/,
    ],
    ['the same in an older Go', 'x509: certificate signed by unknown authority', /authority/],
    [
      'another host name',
      'tls: failed to verify certificate: x509: certificate is valid for a.test, b.test, not api.test',
      /another host/,
    ],
    [
      'an address that it does not have',
      "tls: failed to verify certificate: x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs",
      /another host/,
    ],
    [
      'no name at all',
      'tls: failed to verify certificate: x509: certificate is not valid for any names, but wanted to match api.test',
      /another host/,
    ],
    [
      'the past',
      'tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-11-28T00:00:00Z is after 2020-01-01T00:00:00Z',
      /expired/,
    ],
  ])('because of a certificate for %s names the cause, and nothing was sent', (_what, text, advice) => {
    const outcome = ask(goError(url + text));
    expect(outcome.kind).toBe('refused');
    expect(failureOf(outcome)).toEqual({ kind: 'untrusted', operation: 'session-run', message: url + text });
    expect(adviceFor(failureOf(outcome))).toMatch(advice);
  });
  it.each([
    ['http: server gave HTTP response to HTTPS client', /does not speak TLS/],
    ['tls: first record does not look like a TLS handshake', /does not speak TLS/],
    ['remote error: tls: handshake failure', /see the log/],
    ['remote error: tls: unrecognized name', /see the log/],
    ['tls: server selected unsupported protocol version 301', /see the log/],
    [
      'net/http: HTTP/1.x transport connection broken: malformed HTTP response "\\x15\\x03\\x01\\x00\\x02\\x02\\x16"',
      /set https:\/\//,
    ],
  ])('without TLS on one side is none that can be trusted: %s', (text, advice) => {
    const outcome = ask(goError(url + text));
    expect(outcome).toMatchObject({ kind: 'refused', failure: { kind: 'untrusted' } });
    expect(adviceFor(failureOf(outcome))).toMatch(advice);
  });
  it('after the handshake leaves open what happened, whatever TLS says of it', () => {
    for (const text of ['local error: tls: bad record MAC', 'remote error: tls: internal error']) {
      expect(ask(goError(url + text))).toMatchObject({ kind: 'unknown', failure: { kind: 'unknown' } });
    }
  });
  it('is told on one line, bounded', () => {
    expect(failureOf(ask(goError(`a\nb\t ${'x'.repeat(5000)}`))).message).toMatch(/^a b x{490,500}$/);
  });
});

describe('a 2xx of the Session API', () => {
  it('brings its JSON', () => {
    expect(ask(answer(201, { id: 's1' }))).toEqual({ kind: 'done', value: { status: 201, body: { id: 's1' } } });
  });
  it('may be empty', () => {
    expect(ask({ code: 204, headers: {}, body: '' })).toEqual({
      kind: 'done',
      value: { status: 204, body: undefined },
    });
  });
  it.each([
    ['HTML', '<html>\n <body>Sign in</body></html>', /^The answer is not JSON: <html> <body>Sign in/],
    ['half of a JSON', '{"id":"s1","po', /^The answer is not JSON/],
    ['a huge body', `"${'x'.repeat(300_000)}"`, /^The answer has 300002 characters/],
  ])('that is %s was probably carried out', (_sentence, body, message) => {
    const outcome = ask({ code: 201, headers: {}, body });
    expect(outcome.kind).toBe('unknown');
    expect(failureOf(outcome)).toMatchObject({ kind: 'unknown', status: 201 });
    expect(failureOf(outcome).message).toMatch(message);
    expect(failureOf(outcome).message.length).toBeLessThan(200);
  });
});

describe('a status of the Session API other than 2xx', () => {
  it('is told in the words of the API, with its identifier', () => {
    const body = {
      message: 'Bad request',
      details: 'see violations',
      identifier: 'req-1',
      violations: [{ field: 'location', description: 'is required' }, { field: 'ttl' }, 7],
    };
    expect(ask(answer(422, body))).toEqual({
      kind: 'refused',
      failure: {
        kind: 'invalid',
        operation: 'session-run',
        status: 422,
        identifier: 'req-1',
        message: 'Bad request: see violations: location is required: ttl',
      },
    });
  });
  it.each([
    [401, 'refused'],
    [404, 'refused'],
    [409, 'refused'],
    [420, 'refused'],
    [500, 'unknown'],
    [503, 'unknown'],
    [408, 'unknown'],
    [304, 'unknown'],
  ])('%i is %s', (status, kind) => {
    expect(ask(answer(status, {}))).toMatchObject({ kind, failure: { status, message: 'no message' } });
  });
  it('may be HTML of a proxy', () => {
    const outcome = ask({ code: 502, headers: {}, body: '<html>Bad Gateway</html>' });
    expect(outcome).toMatchObject({ kind: 'unknown', failure: { kind: 'unavailable', status: 502 } });
  });
  it.each([
    [['7'], 7000],
    [['0.5'], 500],
    [['30'], 30_000],
    [['31'], 30_000],
    [['3600'], 30_000],
    [['3601'], undefined],
    [['0'], undefined],
    [['-1'], undefined],
    [['Wed, 21 Oct 2026 07:28:00 GMT'], undefined],
    ['7', undefined],
    [undefined, undefined],
  ])('Retry-After %j asks for %s ms', (value, ms) => {
    const headers = value === undefined ? {} : { 'Retry-After': value };
    expect(failureOf(ask({ ...answer(429, {}), headers })).retry_after_ms).toBe(ms);
  });
});

describe('a redirect of the Session API', () => {
  const list = answer(200, { sessions: [] });
  const stop: Request = { operation: 'session-stop', method: 'delete', path: '/session/s1', timeoutMs: 10 };
  const description = answer(200, { id: 's1', status: 'running', host: '10.0.0.1' });
  it.each<[string, HttpResponse, Request]>([
    ['a start answered with a list', list, post],
    [
      'a start answered with a list of all sessions',
      { ...list, body: ` { "sessions": ["${'x'.repeat(300_000)}` },
      post,
    ],
    ['a stop answered with a description', description, stop],
    ['a redirect without a place to go to', { code: 302, headers: {}, body: '' }, post],
  ])('is recognised by its answer, and nothing was done: %s', (_what, reply, request) => {
    expect(ask(reply, request)).toMatchObject({ kind: 'refused', failure: { kind: 'redirected', status: reply.code } });
  });
  it('is none when a start or a stop is answered with what it may be answered with', () => {
    expect(ask(answer(201, { sessions: [] })).kind).toBe('done');
    expect(ask(answer(200, { status: 'ok' }), stop).kind).toBe('done');
    expect(ask(list, { ...get, operation: 'session-list' }).kind).toBe('done');
  });
  it.each([
    ['http://api.test', 'https://api.test'],
    ['http://api.test/v1', 'https://api.test/v1'],
    ['http://api.test:80/v1', 'https://api.test/v1'],
    ['http://[::1]', 'https://[::1]'],
    ['http://api.test:8080', undefined],
    ['https://api.test', undefined],
  ])('of %s most likely leads to %s', (apiUrl, url) => {
    expect(failureOf(ask(list, post, { ...api, apiUrl })).set_url).toBe(url);
  });
  it.each([
    ['it goes round', 'https://api.test/session', 'stopped after 10 redirects', 'refused', undefined],
    [
      'nobody listens there',
      'https://other.test/x',
      'dial tcp: lookup other.test: no such host',
      'refused',
      'https://other.test',
    ],
    [
      'its certificate is wrong',
      'https://other.test:8/',
      'x509: certificate signed by unknown authority',
      'refused',
      'https://other.test:8',
    ],
    ['the answer from there is lost', 'https://other.test/x', 'EOF', 'unknown', 'https://other.test'],
  ])('shows in the URL that Go names when it fails: %s', (_when, url, text, kind, to) => {
    const outcome = ask(goError(`HTTP request error: Post "${url}": ${text}`));
    expect(outcome).toMatchObject({ kind, failure: { kind: 'redirected' } });
    expect(failureOf(outcome).set_url).toBe(to);
  });
});

describe('a secret that was sent to the Session API', () => {
  const env = {
    SEAT_SECRET: 'c0ffee'.repeat(8),
    NAKAMA_SERVER_TOKEN: 'ey.J.x"quoted"',
    DB_PASSWORD: 'hunter22\nand "more"',
    MODE: 'ffa',
  };
  const start = { ...post, body: { id: 's1', env } };
  const quoted = JSON.stringify({ body: { env } });
  it.each<[string, HttpResponse | Error]>([
    ['in the details', answer(422, { message: 'no', details: quoted })],
    ['in a violation', answer(422, { violations: [{ field: quoted, description: Object.values(env).join(' ') }] })],
    ['as the identifier', answer(422, { identifier: env.SEAT_SECRET })],
    ['in a page', { code: 200, headers: {}, body: `<pre>${quoted}</pre>` }],
    ['in an error page', { code: 502, headers: {}, body: `<pre>${quoted}</pre>` }],
    ['in an error', goError(`HTTP request error: Post "https://api.test/session": malformed "${env.SEAT_SECRET}"`)],
    ['at the cut', answer(422, { message: `${'.'.repeat(470)}${env.SEAT_SECRET}` })],
  ])('never comes back in a failure, quoted or not: %s', (_where, reply) => {
    const failure = JSON.stringify(failureOf(ask(reply, start)));
    for (const part of ['c0ffee', 'ey.J', 'quoted', 'hunter22']) expect(failure).not.toContain(part);
  });
  it('leaves the rest of the text as it is, short values included', () => {
    const failure = failureOf(ask(answer(422, { message: `MODE ffa, SEAT_SECRET ${env.SEAT_SECRET}` }), start));
    expect(failure.message).toBe('MODE ffa, SEAT_SECRET [secret]');
  });
  it('is in nothing that is read from an answer, however it is written', () => {
    const escaped = env.SEAT_SECRET.replace(/c/g, '\\u0063');
    const token = TOKEN.replace('t', '\\u0074');
    for (const text of [env.SEAT_SECRET, escaped, TOKEN, token]) {
      const outcome = ask({ code: 201, headers: {}, body: `{"host":"${text}","id":"${text}"}` }, start);
      expect(JSON.stringify(outcome)).not.toMatch(/c0ffee|tok-SECRET/);
    }
  });
  it('takes nothing away from an answer that has a setting of the container in it', () => {
    const body = { host: '10.0.0.1', id: 's1' };
    const outcome = ask(answer(201, body), { ...post, body: { env: { HOST: '10.0.0.1', SEAT_SECRET: 's1' } } });
    expect(outcome).toEqual({ kind: 'done', value: { status: 201, body } });
  });
});

describe('the API token', () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9_-]{12,60}$/);
  const place = fc.constantFrom('message', 'details', 'identifier', 'violation', 'html', 'error', 'html-200');
  it('never appears in a failure, not even a part of it, wherever the API repeats it', () => {
    fc.assert(
      fc.property(secret, place, fc.integer({ min: 0, max: 520 }), (token, where, before) => {
        const text = `${'.'.repeat(before)}${token} and more`;
        const body = {
          message: where === 'message' ? text : '',
          details: where === 'details' ? text : '',
          identifier: where === 'identifier' ? text : 'i',
          violations: where === 'violation' ? [{ field: text, description: text }] : [],
        };
        const reply =
          where === 'error'
            ? goError(text)
            : where.startsWith('html')
              ? { code: where === 'html' ? 500 : 200, headers: {}, body: text }
              : answer(422, body);
        const failure = JSON.stringify(failureOf(ask(reply, post, { ...api, apiToken: token })));
        for (let i = 0; i + 8 <= token.length; i++) expect(failure).not.toContain(token.slice(i, i + 8));
      }),
      { numRuns: 2000 },
    );
  });
  it('is taken out of what a reader complains of', () => {
    const outcome = unreadable(api, 'session-run', 201, `host ${TOKEN}`);
    expect(failureOf(outcome).message).toBe('host [token]');
  });
});
