import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { noteReport } from '../../src/database/control';
import type { Call } from '../../src/nakama/caller';
import { checkHealth } from '../../src/operations/health';
import { configWith, SEAT_SECRET } from './support/config';
import { answer } from './support/gameye';
import { DATABASE_GONE, fakeNakama, goError, type FakeNakama, type HttpRequest } from './support/nakama';
import { config, storeVersion, serverAt } from './support/operations';

let fake: FakeNakama;
let call: Call;
let now: number;
beforeEach(() => {
  now = 1_700_000_000_000;
  ({ fake, call } = serverAt(() => now));
});
afterEach(() => void vi.restoreAllMocks());

const set = (version: string) => storeVersion(fake, version);

describe('the health check', () => {
  const fine = ({ method, url }: HttpRequest) => {
    if (url.startsWith('https:')) throw goError(`HTTP request error: Get "${url}": dial tcp: connection refused`);
    if (method === 'post') return answer(422, { message: 'location is missing' });
    if (method === 'delete') return answer(404, {});
    if (url.includes('/available-location/')) {
      return answer(200, {
        locations: [
          { id: 'eu-central-1', ips: [] },
          { id: 'us-east-1', ips: [] },
        ],
      });
    }
    return url.includes('/tag/') ? answer(200, { exists: true }) : answer(200, { sessions: [] });
  };
  const oks = () => Object.fromEntries(checkHealth(call).checks.map((one) => [one.check, one.ok]));

  it('sends nothing that could start or stop a session', () => {
    fake.http = fine;
    expect(checkHealth(call).healthy).toBe(true);
    const sent = fake.requests.map(({ method, url, body }) => ({ method, path: url.slice(18), body }));
    expect(sent.find(({ method }) => method === 'post')).toMatchObject({ body: {} });
    expect(sent.find(({ method }) => method === 'post')?.path).toMatch(/^\/session\?filter/);
    expect(sent.find(({ method }) => method === 'delete')?.path).toMatch(/^\/session\/[0-9a-f-]{36}$/);
    expect(sent[0]?.path).toMatch(/^\/session\?filter%5Bnakama_fleet%5D=[0-9a-f-]{36}$/);
  });
  it.each([
    ['nobody listens', undefined, { storage: true, api: false }],
    ['it fails', () => answer(503, {}), { storage: true, api: false }],
    ['it has no sessions', () => answer(404, {}), { storage: true, api: false }],
    ['it is another service', () => answer(200, { hello: 1 }), { storage: true, api: false }],
    ['it is a login page', () => ({ code: 200, headers: {}, body: '<html>' }), { storage: true, api: false }],
    ['it limits requests', () => answer(429, {}), { storage: true, api: true, token: 'unknown' }],
    ['it does not know the token', () => answer(401, {}), { storage: true, api: true, token: false }],
  ])('asks the Session API nothing more when %s', (_when, reply, expected) => {
    if (reply) fake.http = reply;
    expect(oks()).toEqual(expected);
    expect(fake.requests).toHaveLength(1);
  });
  it.each([
    ['post', answer(402, { message: 'quota' }), 'session:start', false, 'quota'],
    ['post', answer(403, {}), 'session:start', false, 'session:start'],
    ['post', answer(500, {}), 'session:start', 'unknown', 'try again'],
    ['post', answer(201, {}), 'session:start', 'unknown', 'try again'],
    ['delete', answer(403, {}), 'session:stop', false, 'session:stop'],
    ['delete', answer(500, {}), 'session:stop', 'unknown', 'try again'],
  ])('judges a %s that is answered with %j', (method, reply, check, ok, words) => {
    fake.http = (sent) => (sent.method === method ? reply : fine(sent));
    const health = checkHealth(call);
    expect(health.checks.find((one) => one.check === check)).toMatchObject({
      ok,
      advice: expect.stringContaining(words),
    });
    expect(health.healthy).toBe(ok !== false);
  });
  it.each([
    ['a list, as after a redirect that makes a GET of it', answer(200, { sessions: [] })],
    ['a list of all sessions', answer(200, { sessions: [{ id: 'x'.repeat(300_000) }] })],
    ['a redirect that nobody follows', { code: 301, headers: {}, body: '<html>' }],
  ])('tells a URL that redirects, and what to set instead: a start is answered with %s', (_what, reply) => {
    fake.http = (sent) => (sent.method === 'post' ? reply : fine(sent));
    const { healthy, checks } = checkHealth(call);
    expect(healthy).toBe(false);
    expect(checks.map(({ check, ok }) => [check, ok])).toEqual([
      ['storage', true],
      ['api', false],
    ]);
    expect(checks[1]?.advice).toMatch(/redirects.*set it to https:\/\/gameye\.test\.$/);
    expect(JSON.stringify(fake.log)).toContain('redirected');
  });
  it('tells an http:// URL whose API answers at https://, where a redirect would keep the method', () => {
    fake.http = (sent) => fine({ ...sent, url: sent.url.replace('https:', 'http:') });
    const { healthy, checks } = checkHealth(call);
    expect(healthy).toBe(false);
    expect(checks[1]).toMatchObject({ check: 'api', ok: false });
    expect(checks[1]?.advice).toContain('https://gameye.test');
    expect(checks.filter(({ ok }) => ok !== true)).toHaveLength(1);
  });
  it.each([
    ['x509: certificate signed by unknown authority', /authority/],
    ['http: server gave HTTP response to HTTPS client', /does not speak TLS/],
  ])('names the cause when no connection can be trusted: %s', (text, advice) => {
    fake.http = ({ url }) => {
      throw goError(`HTTP request error: Get "${url}": ${text}`);
    };
    const { healthy, checks } = checkHealth(call);
    expect(healthy).toBe(false);
    expect(checks[1]).toMatchObject({ check: 'api', ok: false });
    expect(checks[1]?.advice).toMatch(advice);
    expect(fake.requests).toHaveLength(1);
  });
  describe('about reports of game servers', () => {
    const reports = () => {
      const config = configWith({ GAMEYE_SEAT_SECRET: SEAT_SECRET, GAMEYE_NAKAMA_URL: 'http://localhost:7350' });
      const { healthy, checks } = checkHealth({ ...call, config });
      return { healthy, check: checks.find(({ check }) => check === 'reports') };
    };
    beforeEach(() => void (fake.http = fine));

    it('says that no game server has reported yet, and stays healthy', () => {
      const { healthy, check } = reports();
      expect(healthy).toBe(true);
      expect(check).toMatchObject({ ok: 'unknown', advice: expect.stringContaining('http://localhost:7350') });
    });
    it('says so until a game server of this fleet has reported, on whatever node', () => {
      const other = fakeNakama(fake);
      noteReport(other.nk, 'ranked');
      expect(reports().check).toMatchObject({ ok: 'unknown' });
      const third = fakeNakama(fake);
      for (let i = 0; i < 3; i++) noteReport(third.nk, 'default');
      expect(third.events).toHaveLength(1);
      expect(reports()).toMatchObject({ healthy: true, check: { check: 'reports', ok: true } });
    });
    it('says nothing where game servers cannot report', () => {
      expect(checkHealth(call).checks.map(({ check }) => check)).not.toContain('reports');
    });
  });
  it('goes on with the configured version when the database fails, and says so', () => {
    fake.http = fine;
    fake.before = ({ kind }) => {
      if (kind === 'sql') throw goError(DATABASE_GONE);
    };
    expect(oks()).toMatchObject({ storage: false, api: true, version: true });
  });
  it('asks for the version in force, not for the configured one', () => {
    set('2.0');
    fake.http = fine;
    checkHealth(call);
    const tags = fake.requests.filter(({ url }) => url.includes('/tag/')).map(({ url }) => url.split('/').pop());
    expect(tags).toEqual(['2.0', '2.0']);
  });
  it('ends before Nakama cuts off the answer, and knows nothing of what it had no time for', () => {
    const since = now;
    fake.http = (sent) => {
      now += sent.timeoutMs;
      return fine(sent);
    };
    const health = checkHealth(call);
    expect(now - since).toBeLessThan(9000);
    expect(health.healthy).toBe(true);
    expect(health.checks.filter(({ check }) => check === 'version').map(({ ok }) => ok)).toEqual([
      'unknown',
      'unknown',
    ]);
  });
  it('never tells the token, also when the API repeats it', () => {
    fake.http = () => answer(401, { message: `bad token ${config.apiToken}` });
    expect(JSON.stringify([checkHealth(call), fake.log])).not.toContain(config.apiToken);
  });
});
