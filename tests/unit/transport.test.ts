import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/gameye/failure';
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

describe('a request', () => {
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

describe('an error of the connection', () => {
  const url = 'HTTP request error: Post "https://api.test/session": ';
  it.each([
    ['nobody listens', `${url}dial tcp 127.0.0.1:1: connect: connection refused`],
    ['an unknown host', `${url}dial tcp: lookup api.test: no such host`],
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
    ['a timeout of the dial', `${url}dial tcp 10.0.0.1:443: i/o timeout`],
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
    ['TLS to a plain server', `${url}http: server gave HTTP response to HTTPS client`],
  ])('leaves open what happened: %s', (_sentence, text) => {
    const outcome = ask(goError(text));
    expect(outcome.kind).toBe('unknown');
    expect(failureOf(outcome)).toEqual({ kind: 'unknown', operation: 'session-run', message: text });
  });
  it('is told on one line, bounded', () => {
    expect(failureOf(ask(goError(`a\nb\t ${'x'.repeat(5000)}`))).message).toMatch(/^a b x{490,500}$/);
  });
});

describe('a 2xx', () => {
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

describe('another status', () => {
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
    [302, 'unknown'],
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
    [['3600'], 3_600_000],
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
