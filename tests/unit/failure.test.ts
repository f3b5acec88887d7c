import { describe, expect, it } from 'vitest';
import {
  adviceFor,
  classifyStatus,
  isFinal,
  mayHaveHappened,
  reasonFor,
  type FailureKind,
  type Operation,
} from '../../src/gameye/failure';

const OPERATIONS: Operation[] = ['session-run', 'describe-session', 'session-stop', 'join-session', 'leave-session'];

describe('a status of the Session API', () => {
  const table: [number, FailureKind][] = [
    [400, 'invalid'],
    [422, 'invalid'],
    [405, 'invalid'],
    [410, 'invalid'],
    [413, 'invalid'],
    [499, 'invalid'],
    [401, 'unauthorized'],
    [402, 'quota-exceeded'],
    [403, 'forbidden'],
    [404, 'not-found'],
    [409, 'conflict'],
    [420, 'no-capacity'],
    [429, 'no-capacity'],
    [408, 'unknown'],
    [500, 'unavailable'],
    [502, 'unavailable'],
    [503, 'unavailable'],
    [504, 'unavailable'],
    [599, 'unavailable'],
    [100, 'unknown'],
    [202, 'unknown'],
    [301, 'redirected'],
    [302, 'redirected'],
    [307, 'redirected'],
    [308, 'redirected'],
    [303, 'unknown'],
    [304, 'unknown'],
    [0, 'unknown'],
  ];
  const everywhere = table.flatMap(([status, kind]) => OPERATIONS.map((one) => [status, one, kind] as const));
  it.each(everywhere)('%i of %s is %s', (status, operation, kind) => {
    expect(classifyStatus(operation, status, 'words')).toBe(kind);
  });
  it('403 of session-run that speaks of the quota is quota-exceeded', () => {
    expect(classifyStatus('session-run', 403, 'Quota reached')).toBe('quota-exceeded');
  });
  it.each(OPERATIONS.filter((one) => one !== 'session-run'))('403 of %s is never quota-exceeded', (operation) => {
    expect(classifyStatus(operation, 403, 'Quota reached')).toBe('forbidden');
  });
});

describe('a kind of failure', () => {
  // kind, may have happened, final, reason, words of its advice
  const table: [FailureKind, boolean, boolean, string, RegExp][] = [
    ['invalid', false, true, 'misconfigured', /image, version, port and metadata/],
    ['unauthorized', false, true, 'misconfigured', /GAMEYE_API_TOKEN/],
    ['quota-exceeded', false, true, 'quota_exceeded', /quota/],
    ['forbidden', false, true, 'misconfigured', /session:start, session:read and session:stop/],
    ['not-found', false, true, 'misconfigured', /GAMEYE_API_REGION/],
    ['conflict', false, false, 'error', /taken/],
    ['no-capacity', false, false, 'no_capacity', /GAMEYE_API_REGION/],
    ['redirected', false, true, 'misconfigured', /GAMEYE_API_URL redirects.*set it to the URL/],
    ['untrusted', false, true, 'misconfigured', /GAMEYE_API_URL/],
    ['unavailable', true, false, 'unavailable', /GAMEYE_API_URL/],
    ['unknown', true, false, 'timeout', /did not answer in time/],
  ];
  it.each(table)('%s: may have happened %s, final %s, players read %s', (kind, happened, final, reason, advice) => {
    expect(mayHaveHappened(kind)).toBe(happened);
    expect(isFinal(kind)).toBe(final);
    expect(reasonFor(kind)).toBe(reason);
    expect(adviceFor({ kind, operation: 'session-run', message: 'secret words of the API' })).toMatch(advice);
    expect(adviceFor({ kind, operation: 'session-run', message: 'secret words of the API' })).not.toContain('secret');
  });
  it('redirected says which URL to set, as far as that is known', () => {
    const failure = { kind: 'redirected', operation: 'session-run', message: '', set_url: 'https://api.test' } as const;
    expect(adviceFor(failure)).toMatch(/set it to https:\/\/api\.test\.$/);
  });
  it('not-found of another operation is about the session, not the configuration', () => {
    const advice = adviceFor({ kind: 'not-found', operation: 'session-stop', message: '' });
    expect(advice).toBe('The session does not exist (any more).');
  });
});
