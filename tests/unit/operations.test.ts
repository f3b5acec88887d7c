import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newAllocation } from '../../src/allocation/allocation';
import type { AllocationRequest } from '../../src/allocation/request';
import { tagExists } from '../../src/gameye/session-api';
import { newInstance, type Instance } from '../../src/instances/instance';
import type { Call } from '../../src/nakama/caller';
import { listRows, visitRows } from '../../src/nakama/pages';
import { drain } from '../../src/operations/drain';
import { checkHealth } from '../../src/operations/health';
import { MODULE_VERSION } from '../../src/operations/module-version';
import { fleetStatus } from '../../src/operations/status';
import { terminate } from '../../src/operations/terminate';
import { overrideVersion, requireVersion, versionInForce, withVersion } from '../../src/operations/version';
import { configWith } from './support/config';
import { answer } from './support/gameye';
import { ALLOCATIONS, INSTANCES } from './support/life';
import { context, fakeNakama, goError, type FakeNakama, type HttpRequest } from './support/nakama';
import { refusal } from './support/refusal';

const CONTROL = '_gameye_control';
const config = configWith({ GAMEYE_API_IMAGE_VERSION: '1.0' });
const request: AllocationRequest = { user_ids: [], max_players: 2, latencies: [], metadata: {} };

let fake: FakeNakama;
let call: Call;
let now: number;
beforeEach(() => {
  now = 1_700_000_000_000;
  vi.spyOn(Date, 'now').mockImplementation(() => now);
  fake = fakeNakama();
  call = { ctx: context(), logger: fake.logger, nk: fake.nk, config };
});
afterEach(() => void vi.restoreAllMocks());

const reads = (): number => fake.events.filter((event) => event.kind === 'read').length;
const set = (version: string, image = 'my-game') =>
  fake.put(CONTROL, 'version', { image, version, set_at: '2026-01-01T00:00:00.000Z' });

function store(id: string, more: Partial<Instance> = {}): void {
  const session = { id, region: 'eu', maxPlayers: 4, metadata: {}, startedAtMs: 0 };
  const made = newInstance(config, session as never, { host: '1.2.3.4', ports: { '7777/udp': 1 } }, {})!;
  fake.put(INSTANCES, id, { ...made, ...more });
}

describe('the version in force', () => {
  it('is read once in two seconds for all workers of a process', () => {
    for (let i = 0; i < 200; i++) expect(versionInForce(fake.nk, config)).toBe('1.0');
    expect(reads()).toBe(1);
    set('2.0');
    now += 1999;
    expect(versionInForce(fake.nk, config)).toBe('1.0');
    now += 2;
    expect(versionInForce(fake.nk, config)).toBe('2.0');
    expect(versionInForce(fake.nk, config)).toBe('2.0');
    expect(reads()).toBe(2);
  });
  it('is that of its image only: after a change of GAMEYE_API_IMAGE the configured one counts again', () => {
    set('2.0', 'another-game');
    expect(versionInForce(fake.nk, config)).toBe('1.0');
  });
  it('changes at once on the node where it is set', () => {
    expect(versionInForce(fake.nk, config)).toBe('1.0');
    expect(overrideVersion(fake.nk, config, '2.0', now)).toEqual({ version: '2.0', previous: '1.0' });
    expect(versionInForce(fake.nk, config)).toBe('2.0');
    expect(overrideVersion(fake.nk, config, undefined, now)).toEqual({ version: '1.0', previous: '2.0' });
    expect(fake.stored(CONTROL, 'version')).toBeUndefined();
    expect(versionInForce(fake.nk, config)).toBe('1.0');
  });
  it('is set over what another node set in the meantime, and given up when that goes on', () => {
    let interruptions = 1;
    fake.before = ({ kind }) => {
      if (kind === 'write' && interruptions-- > 0) set(`1.${interruptions + 20}`);
    };
    expect(overrideVersion(fake.nk, config, '2.0', now)).toEqual({ version: '2.0', previous: '1.20' });
    interruptions = 1000;
    expect(refusal(() => overrideVersion(fake.nk, config, '3.0', now))).toMatchObject({ code: 10 });
  });
  it('becomes part of a request, unless the request has its own version or image', () => {
    set('2.0');
    expect(withVersion(fake.nk, config, request)).toEqual({ ...request, version: '2.0' });
    for (const own of [{ version: '3.0' }, { image: 'other' }, { image: 'my-game', version: '4' }]) {
      expect(withVersion(fake.nk, config, { ...request, ...own })).toEqual({ ...request, ...own });
    }
    expect(withVersion(fakeNakama().nk, configWith(), request), 'Gameye decides').toEqual(request);
  });
  it('is an error of the database when that fails: nothing is started with a wrong version', () => {
    fake.before = () => {
      throw goError('pq: the database system is shutting down');
    };
    expect(() => versionInForce(fake.nk, config)).toThrow('shutting down');
  });
});

describe('the check of a version', () => {
  it('asks for the tag in every region, with every part escaped', () => {
    fake.http = () => answer(200, { exists: true });
    requireVersion(call, '1.2');
    expect(fake.requests.map(({ url }) => url)).toEqual([
      'http://gameye.test/tag/eu-central-1/my-game/1.2',
      'http://gameye.test/tag/us-east-1/my-game/1.2',
    ]);
    tagExists(fake.nk, config, 'a/b', 'c?d', 'e#f', 1000);
    expect(fake.requests[2]?.url).toBe('http://gameye.test/tag/a%2Fb/c%3Fd/e%23f');
  });
  it.each([
    [() => answer(200, { exists: false }), 9, 'eu-central-1, us-east-1'],
    [() => answer(404, {}), 9, 'my-game in eu-central-1'],
    [() => answer(403, {}), 9, '"force"'],
    [() => answer(401, {}), 9, 'GAMEYE_API_TOKEN'],
    [() => answer(500, {}), 14, 'GAMEYE_API_URL'],
    [() => answer(200, { exists: 'yes' }), 14, 'readably'],
  ])('refuses what it cannot confirm: %s', (reply, code, words) => {
    fake.http = reply;
    const refused = refusal(() => requireVersion(call, '2.0'));
    expect(refused.code).toBe(code);
    expect(refused.message).toContain(words);
  });
  it('ends before Nakama cuts off the answer, however slow the API is', () => {
    const many = configWith({ GAMEYE_API_REGION: 'a,b,c,d,e' });
    fake.http = ({ timeoutMs }) => {
      now += timeoutMs;
      return answer(200, { exists: true });
    };
    const since = now;
    expect(refusal(() => requireVersion({ ...call, config: many }, '2.0'))).toMatchObject({ code: 14 });
    expect(now - since).toBeLessThan(9000);
  });
});

describe('the health check', () => {
  const fine = ({ method, url }: HttpRequest) => {
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
    expect(sent.find(({ method }) => method === 'post')).toEqual({ method: 'post', path: '/session', body: {} });
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
  ])('stops asking when %s', (_when, reply, expected) => {
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
  ])('judges %s answered with %s', (method, reply, check, ok, words) => {
    fake.http = (sent) => (sent.method === method ? reply : fine(sent));
    const health = checkHealth(call);
    expect(health.checks.find((one) => one.check === check)).toMatchObject({
      ok,
      advice: expect.stringContaining(words),
    });
    expect(health.healthy).toBe(ok !== false);
  });
  it('goes on with the configured version when the database fails, and says so', () => {
    fake.http = fine;
    fake.before = ({ kind }) => {
      if (kind === 'read') throw goError('pq: gone');
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

describe('records in pages', () => {
  it('are all visited once, without those of players', () => {
    for (let i = 0; i < 1203; i++) store(`s${i}`);
    fake.put(`${INSTANCES}`, 'fake@player', { id: 'fake' });
    const seen: string[] = [];
    expect(visitRows(fake.nk, INSTANCES, now + 1, (_value, key) => seen.push(key) > 0)).toBe(true);
    expect(new Set(seen).size).toBe(1203);
    expect(reads()).toBe(3);
  });
  it('end with the time', () => {
    for (let i = 0; i < 1203; i++) store(`s${i}`);
    fake.after = () => void (now += 600);
    expect(visitRows(fake.nk, INSTANCES, now + 1000, () => true)).toBe(false);
    expect(reads()).toBe(2);
  });
  it('refuse a cursor of somebody else, and pass on what the database throws', () => {
    expect(listRows(fake.nk, INSTANCES, 10, 'nonsense')).toBe('bad-cursor');
    fake.before = () => {
      throw goError('pq: gone');
    };
    expect(() => listRows(fake.nk, INSTANCES, 10, '')).toThrow('gone');
  });
});

describe('the status', () => {
  it('shows the queue, oldest first and at most a hundred, without what only leads to another id', () => {
    const base = newAllocation('a', request, ['eu'], 'm1', 60_000, now);
    for (let i = 0; i < 105; i++) {
      fake.put(ALLOCATIONS, `a${i}`, { ...base, id: `a${i}`, session_id: `a${i}`, created_at_ms: now - 1000 * i });
    }
    fake.put(ALLOCATIONS, 'z', { ...base, id: 'z', state: 'announced', created_at_ms: 0 });
    const { allocations } = fleetStatus(call, 1000, now);
    expect(allocations).toMatchObject({
      open: 105,
      by_state: { starting: 105 },
      oldest_age_ms: 104_000,
      truncated: false,
    });
    expect(allocations.queue.map(({ allocation }) => allocation)).toEqual(
      Array.from({ length: 100 }, (_, i) => `a${104 - i}`),
    );
    expect(fleetStatus(call, 10, now).allocations).toMatchObject({ open: 10, truncated: true });
  });
  it('tells of each allocation how far it is, what it met, and when the next try and the deadline are', () => {
    const last_failure = { kind: 'no-capacity', operation: 'session-run', message: 'full', status: 420 } as const;
    const base = { ...newAllocation('a', request, ['eu'], 'm1', 60_000, now - 1000), attempts: 2, last_failure };
    fake.put(ALLOCATIONS, 'a', { ...base, next_at_ms: now + 700 });
    expect(fleetStatus(call, 1000, now).allocations.queue).toEqual([
      {
        allocation: 'a',
        session_id: 'a',
        state: 'starting',
        region: 'eu',
        players: request.user_ids.length,
        attempts: 2,
        age_ms: 1000,
        next_try_in_ms: 700,
        deadline_in_ms: 59_000,
        told: false,
        ids_to_stop: 0,
        failure: 'no-capacity',
        operation: 'session-run',
        message: 'full',
        status: 420,
      },
    ]);
  });
  it('names the version of package.json', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(MODULE_VERSION).toBe(version);
  });
});

describe('draining many', () => {
  it('writes a page at a time, stops when the time is up and goes on from its cursor', () => {
    for (let i = 0; i < 250; i++) store(`s${100 + i}`);
    fake.after = ({ kind }) => void (kind === 'write' && (now += 3000));
    const first = drain(call, { region: 'eu' }, false, '');
    expect(first).toMatchObject({ changed: 200, more: true });
    expect(drain(call, { region: 'eu' }, false, first.cursor)).toMatchObject({ changed: 50, more: false, cursor: '' });
    expect(fake.events.filter(({ kind }) => kind === 'write')).toHaveLength(3);
  });
  it('goes one by one through a page of which one changed meanwhile, as far as the time lasts', () => {
    for (let i = 0; i < 30; i++) store(`s${100 + i}`);
    let joined = false;
    fake.before = ({ kind }) => {
      if (kind !== 'write' || joined) return;
      joined = true;
      store('s105', { player_count: 3 });
    };
    fake.after = ({ kind }) => void (kind === 'write' && (now += 300));
    const first = drain(call, { region: 'eu' }, false, '');
    expect(first).toMatchObject({ changed: 17, more: true });
    expect(drain(call, { region: 'eu' }, false, first.cursor)).toMatchObject({ changed: 13, more: false });
    expect(fake.stored(INSTANCES, 's105')).toMatchObject({ player_count: 3, status: 'draining' });
  });
  it('passes over instances that ended, before or meanwhile', () => {
    store('s1', { status: 'exited' });
    store('s2');
    fake.before = ({ kind }) => {
      if (kind === 'write') fake.drop(INSTANCES, 's2');
    };
    expect(drain(call, { region: 'eu' }, false, '')).toMatchObject({ changed: 0 });
  });
});

describe('terminating many', () => {
  it('gives up when the Session API does not work, and passes over a single refusal', () => {
    for (const id of ['s1', 's2', 's3']) store(id);
    fake.http = ({ url }) => answer(url.endsWith('s1') ? 420 : 204, {});
    expect(terminate(call, { region: 'eu' }, true, '')).toMatchObject({
      stopped: 2,
      failed: [{ id: 's1' }],
      more: false,
    });
    store('s2');
    fake.http = () => answer(503, {});
    expect(terminate(call, { region: 'eu' }, true, '')).toMatchObject({
      stopped: 0,
      failed: [{ id: 's1' }],
      more: true,
    });
  });
});
