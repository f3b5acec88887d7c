import { describe, expect, it } from 'vitest';
import {
  describeSession,
  joinSession,
  leaveSession,
  readArtifact,
  readLogs,
  runSession,
  stopSession,
} from '../../src/gameye/session-api';
import type { HttpResponse } from '../../src/nakama/runtime';
import { answer } from './support/gameye';
import { fakeNakama, goError } from './support/nakama';

const api = { apiUrl: 'http://api.test', apiToken: 't' };
const run = {
  id: 's1',
  location: 'eu',
  image: 'my-game',
  ttl: '30m',
  env: { A: 'b', B: 'value-of-mine' },
  labels: { l: 'm' },
};

/** Answers the replies in order; a missing one fails the test. */
function apiThatAnswers(...replies: (HttpResponse | Error)[]) {
  const fake = fakeNakama();
  fake.http = () => {
    const reply = replies.shift();
    if (!reply) throw new Error('one request too many');
    if (reply instanceof Error) throw reply;
    return reply;
  };
  return fake;
}

describe('a start at the Session API', () => {
  it('posts the body of the official document', () => {
    const fake = apiThatAnswers(answer(201, { host: 'h', ports: [] }));
    expect(runSession(fake.nk, api, run, 15_000)).toEqual({ kind: 'done', value: { host: 'h', ports: {} } });
    expect(fake.requests[0]).toMatchObject({ url: 'http://api.test/session', method: 'post', timeoutMs: 15_000 });
    expect(fake.requests[0]!.body).toEqual(run);
  });
  it.each([
    ['of a whole answer', { id: 's2', host: 'h', ports: [] }, 's2'],
    ['of an answer without an address', { id: 's2' }, 's2'],
    ['that can be no id', { id: 's 2/../x', host: 'h', ports: [] }, undefined],
    ['that is a value of its environment', { id: 'value-of-mine', host: 'h', ports: [] }, undefined],
    ['that holds the token', { id: 'tok-SECRET-2', host: 'h', ports: [] }, undefined],
  ])('that brought another session is unknown and not repeated; the id of the other: %s', (_sentence, body, other) => {
    const secret = { ...api, apiToken: 'tok-SECRET' };
    const outcome = runSession(apiThatAnswers(answer(201, body)).nk, secret, run, 1);
    expect(outcome).toMatchObject({
      kind: 'unknown',
      failure: { kind: 'not-idempotent', operation: 'session-run', status: 201 },
    });
    expect(outcome.kind !== 'done' && outcome.failure.other_id).toBe(other);
    expect(JSON.stringify(outcome)).not.toContain('tok-SECRET');
  });
  it('is unknown when a 2xx cannot be read', () => {
    expect(runSession(apiThatAnswers(answer(200, {})).nk, api, run, 1)).toMatchObject({ kind: 'unknown' });
    expect(runSession(apiThatAnswers({ code: 201, headers: {}, body: '' }).nk, api, run, 1).kind).toBe('unknown');
  });
  it('is not done when it is answered with a list: a redirect made a GET of it', () => {
    const outcome = runSession(apiThatAnswers(answer(200, { sessions: [] })).nk, api, run, 1);
    expect(outcome).toMatchObject({ kind: 'refused', failure: { kind: 'redirected', set_url: 'https://api.test' } });
  });
  it('is refused when the API says so', () => {
    const outcome = runSession(apiThatAnswers(answer(420, { message: 'full' })).nk, api, run, 1);
    expect(outcome).toMatchObject({ kind: 'refused', failure: { kind: 'no-capacity', message: 'full' } });
  });
});

describe('the description of a session by the Session API', () => {
  it('is asked for with the id encoded', () => {
    const fake = apiThatAnswers(answer(200, { id: 'a/b?c', status: 'running' }));
    expect(describeSession(fake.nk, api, 'a/b?c', 5).kind).toBe('done');
    expect(fake.requests[0]).toMatchObject({
      url: 'http://api.test/session/a%2Fb%3Fc',
      method: 'get',
      body: undefined,
    });
  });
  it('is unknown when it describes another session', () => {
    const fake = apiThatAnswers(answer(200, { id: 's2', status: 'running' }));
    expect(describeSession(fake.nk, api, 's1', 5)).toMatchObject({
      kind: 'unknown',
      failure: { operation: 'describe-session' },
    });
  });
  it('of an ended session is refused with not-found', () => {
    const outcome = describeSession(apiThatAnswers(answer(404, {})).nk, api, 's1', 5);
    expect(outcome).toMatchObject({ kind: 'refused', failure: { kind: 'not-found' } });
  });
});

describe('a 404 that is not the API’s', () => {
  it.each([
    ['a page', { code: 404, headers: {}, body: '<html>default backend - 404</html>' }],
    ['nothing', { code: 404, headers: {}, body: '' }],
    ['a text in quotes', { code: 404, headers: {}, body: '"not found"' }],
  ])('says nothing about a session: %s', (_what, reply) => {
    const asked = [
      describeSession(apiThatAnswers(reply).nk, api, 's1', 5),
      stopSession(apiThatAnswers(reply).nk, api, 's1', 5),
    ];
    for (const outcome of asked) {
      expect(outcome).toMatchObject({ kind: 'unknown', failure: { kind: 'unavailable', status: 404 } });
    }
  });
});

describe('a stop at the Session API', () => {
  it.each([
    ['204', { code: 204, headers: {}, body: '' }, 'stopped'],
    ['200', answer(200, {}), 'stopped'],
    ['409: it had ended', answer(409, {}), 'stopped'],
    ['404: there is none', answer(404, {}), 'absent'],
  ])('is done by %s', (_sentence, reply, value) => {
    const fake = apiThatAnswers(reply);
    expect(stopSession(fake.nk, api, 's1', 5)).toEqual({ kind: 'done', value });
    expect(fake.requests[0]).toMatchObject({ url: 'http://api.test/session/s1', method: 'delete', body: undefined });
  });
  it.each([
    ['401', answer(401, {}), 'refused', 'unauthorized'],
    ['500', answer(500, {}), 'unknown', 'unavailable'],
    ['200 with HTML', { code: 200, headers: {}, body: '<html>' }, 'unknown', 'unknown'],
    [
      'a description: a redirect made a GET of it',
      answer(200, { id: 's1', status: 'running', host: '10.0.0.1', port: {} }),
      'refused',
      'redirected',
    ],
    ['a timeout', goError('context deadline exceeded'), 'unknown', 'unknown'],
  ])('is not done by %s', (_sentence, reply, kind, failure) => {
    const outcome = stopSession(apiThatAnswers(reply).nk, api, 's1', 5);
    expect(outcome).toMatchObject({ kind, failure: { kind: failure, operation: 'session-stop' } });
  });
});

describe('players reported to the Session API', () => {
  it('join with a PUT', () => {
    const fake = apiThatAnswers({ code: 204, headers: {}, body: '' });
    expect(joinSession(fake.nk, api, 's1', ['u1', 'u2'], 5)).toEqual({ kind: 'done', value: true });
    expect(fake.requests[0]).toMatchObject({
      url: 'http://api.test/session/player/join',
      method: 'put',
      body: { session: 's1', players: ['u1', 'u2'] },
    });
  });
  it('are refused when the session is gone', () => {
    expect(joinSession(apiThatAnswers(answer(404, {})).nk, api, 's1', ['u1'], 5).kind).toBe('refused');
  });
  it('leave with a DELETE that names the session, as on Gameye’s pages', () => {
    const fake = apiThatAnswers(answer(200, {}));
    expect(leaveSession(fake.nk, api, 's1', ['u1'], 5)).toEqual({ kind: 'done', value: 'here' });
    expect(fake.requests).toHaveLength(1);
    expect(fake.requests[0]).toMatchObject({
      url: 'http://api.test/session/player/leave',
      method: 'delete',
      body: { session: 's1', players: ['u1'] },
    });
  });
  it('leave without the session when that is refused, as in the official document', () => {
    const fake = apiThatAnswers(answer(422, {}), answer(200, {}));
    expect(leaveSession(fake.nk, api, 's1', ['u1'], 5)).toEqual({ kind: 'done', value: 'everywhere' });
    expect(fake.requests.map((one) => one.body)).toEqual([{ session: 's1', players: ['u1'] }, { players: ['u1'] }]);
  });
  it('have left when Gameye has no such session, or not in it', () => {
    expect(leaveSession(apiThatAnswers(answer(404, {})).nk, api, 's1', ['u1'], 5).kind).toBe('done');
    expect(leaveSession(apiThatAnswers(answer(422, {}), answer(404, {})).nk, api, 's1', ['u1'], 5).kind).toBe('done');
  });
  it.each([
    ['a wrong token', answer(401, {})],
    ['an error', answer(500, {})],
  ])('are not reported twice after %s', (_sentence, reply) => {
    const fake = apiThatAnswers(reply);
    expect(leaveSession(fake.nk, api, 's1', ['u1'], 5).kind).not.toBe('done');
    expect(fake.requests).toHaveLength(1);
  });
});

describe('what a session wrote to its logs and left as artifacts', () => {
  const page = { code: 200, headers: {}, body: '<html>Sign in</html>' };
  it('is asked for as the official document has it', () => {
    const fake = apiThatAnswers({ code: 200, headers: {}, body: 'a\nb' }, { code: 200, headers: {}, body: '' });
    expect(readLogs(fake.nk, api, 'a b', 1)).toEqual({ kind: 'done', value: 'a\nb' });
    readArtifact(fake.nk, api, 'a b', '/var/a&b', 1);
    expect(fake.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'get http://api.test/logs?id=a%20b&follow=false',
      'get http://api.test/artifacts?session=a%20b&path=%2Fvar%2Fa%26b',
    ]);
  });
  it('is unknown when a proxy answers with a page of its own', () => {
    expect(readLogs(apiThatAnswers(page).nk, api, 's1', 1)).toMatchObject({ kind: 'unknown' });
    expect(readArtifact(apiThatAnswers(page).nk, api, 's1', '/', 1)).toMatchObject({ kind: 'unknown' });
    const lost = { ...page, code: 404 };
    expect(readLogs(apiThatAnswers(lost).nk, api, 's1', 1)).toMatchObject({ failure: { kind: 'unavailable' } });
  });
  it('is empty when nothing was written', () => {
    const none = { code: 200, headers: {}, body: '' };
    expect(readLogs(apiThatAnswers(none).nk, api, 's1', 1)).toEqual({ kind: 'done', value: '' });
  });
});
