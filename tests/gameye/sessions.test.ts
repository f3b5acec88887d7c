import { describe, expect, it } from 'vitest';
import { SCOPES } from '../../dev/gameye/settings.ts';
import { call, EU, listed, run, simulate, simulateForAll, US } from './helpers.ts';

describe('list and describe', () => {
  it('give labels back the way Gameye does: each a JSON text, with the container’s environment', async () => {
    const simulator = await simulate();
    const labels = { nakama_fleet: 'default', map: 'dust "2"' };
    const { json: created } = await run(simulator, { id: 'one', labels, env: { SEAT_SECRET: 's' } });
    const [{ json: described }, { json: list }] = await Promise.all([
      call(simulator, 'GET', '/session/one'),
      call(simulator, 'GET', '/session'),
    ]);
    for (const entry of [described, list.sessions[0]]) {
      expect(JSON.parse(entry.labels.tags)).toEqual(labels);
      expect(JSON.parse(entry.labels.env)).toEqual({
        SEAT_SECRET: 's',
        GAMEYE_SESSION_ID: 'one',
        GAMEYE_HOST: '127.0.0.1',
        GAMEYE_PORT_UDP_7777: String(created.ports[0].host),
        GAMEYE_PORT_TCP_8080: String(created.ports[1].host),
      });
      expect(typeof entry.labels.gameye).toBe('string');
    }
  });

  it('name the ports in a map, where the start answers an array, and the creation in milliseconds', async () => {
    const simulator = await simulate();
    const { json: created } = await run(simulator, { id: 'one' });
    const { json } = await call(simulator, 'GET', '/session/one');
    expect(json.port).toEqual({ '7777/udp': created.ports[0].host, '8080/tcp': created.ports[1].host });
    expect(Math.abs(json.created - Date.now())).toBeLessThan(60_000);
    expect(json).toMatchObject({ image: 'sleeper', tag: '1.0.0', location: EU, host: '127.0.0.1', status: 'running' });
    expect(json.players).toEqual({ joined: [], joinedCount: 0 });
  });

  it('list running sessions only, and all of them on request', async () => {
    const simulator = await simulate();
    for (const id of ['a', 'b', 'c']) await run(simulator, { id, image: 'empty' });
    await call(simulator, 'DELETE', '/session/b');
    expect(await listed(simulator)).toEqual(['a', 'c']);
    expect(await listed(simulator, '?all=false')).toEqual(['a', 'c']);
    expect(await listed(simulator, '?all=true')).toEqual(['a', 'b', 'c']);
  });
});

describe('the simulator’s list of sessions', () => {
  const simulator = simulateForAll({}, async (simulator) => {
    await run(simulator, { id: 'a', image: 'empty', labels: { map: 'dust' } });
    await run(simulator, { id: 'b', image: 'empty', labels: { map: 'dust', mode: 'solo' }, location: US });
    await run(simulator, { id: 'c', image: 'empty', labels: { map: 'Dust' } });
    await run(simulator, { id: 'd', version: '0.9.0' });
    await call(simulator, 'PUT', '/session/player/join', { session: 'a', players: ['p'] });
    await call(simulator, 'PUT', '/session/player/join', { session: 'b', players: ['q', 'r'] });
  });

  it.each([
    ['location=us-east-1', ['b']],
    ['image=empty', ['a', 'b', 'c']],
    ['image=other', []],
    ['tag=0.9.0', ['d']],
    ['host=127.0.0.1', ['a', 'b', 'c', 'd']],
    ['host=127.0.0.2', []],
    ['filter[map]=dust', ['a', 'b']],
    ['filter[map]=Dust', ['c']],
    ['filter[map]=dust&filter[mode]=solo', ['b']],
    ['filter[env]=', []],
    ['playerCount[lt]=1', ['c', 'd']],
    ['playerCount[gt]=0', ['a', 'b']],
    ['playerCount[gt]=0&playerCount[lt]=2', ['a']],
    ['playerCount[lt]=2&location=eu-central-1', ['a', 'c', 'd']],
  ])('can be filtered by %s', async (query, expected) => {
    expect(await listed(simulator(), `?${query}`)).toEqual(expected);
  });

  it.each([
    'all=yes',
    'al=true',
    'all=true&all=true',
    'playerCount[lt]=two',
    'playerCount[le]=2',
    'playerCount=2',
    'filter[]=x',
  ])('refuses the query %s instead of ignoring it', async (query) => {
    expect((await call(simulator(), 'GET', `/session?${query}`)).status).toBe(422);
  });
});

describe('join and leave', () => {
  it('count the players of a session, each once', async () => {
    const simulator = await simulate();
    await run(simulator, { id: 'one', image: 'empty' });
    const join = (players: string[]) => call(simulator, 'PUT', '/session/player/join', { session: 'one', players });
    expect((await join(['a', 'b', 'a'])).json).toEqual({ count: 2, players: ['a', 'b'] });
    expect((await join(['b', 'c'])).json).toEqual({ count: 3, players: ['b', 'c'] });
    const { json } = await call(simulator, 'GET', '/session/one');
    expect(json.players).toEqual({ joined: ['a', 'b', 'c'], joinedCount: 3 });
    const left = await call(simulator, 'DELETE', '/session/player/leave', { session: 'one', players: ['a', 'nobody'] });
    expect(left.json).toEqual({ count: 2, players: ['a', 'nobody'] });
    expect(simulator.ledger.get('one')).toMatchObject({ players: ['b', 'c'], peakPlayers: 3 });
  });

  it('find the sessions of leaving players when the body names none, as in the official document', async () => {
    const simulator = await simulate();
    for (const id of ['one', 'two', 'three']) {
      await run(simulator, { id, image: 'empty' });
      await call(simulator, 'PUT', '/session/player/join', {
        session: id,
        players: id === 'three' ? ['z'] : ['p', id],
      });
    }
    const { status, json } = await call(simulator, 'DELETE', '/session/player/leave', { players: ['p'] });
    expect([status, json]).toEqual([200, { count: 2, players: ['p'] }]);
    expect(simulator.ledger.entries.map(({ players }) => players)).toEqual([['one'], ['two'], ['z']]);
    expect((await call(simulator, 'DELETE', '/session/player/leave', { players: ['p'] })).status).toBe(404);
  });

  it('do not know a session that has ended', async () => {
    const simulator = await simulate();
    await run(simulator, { id: 'one', image: 'empty' });
    await call(simulator, 'DELETE', '/session/one');
    const body = { session: 'one', players: ['p'] };
    expect((await call(simulator, 'PUT', '/session/player/join', body)).status).toBe(404);
    expect((await call(simulator, 'DELETE', '/session/player/leave', body)).status).toBe(404);
    expect(simulator.ledger.get('one')!.players).toEqual([]);
  });

  it.each([
    ['PUT', 'join', { players: ['p'] }],
    ['PUT', 'join', { session: 'one', players: [1] }],
    ['PUT', 'join', { session: 'one', players: ['p'], more: 1 }],
    ['DELETE', 'leave', { session: 'one' }],
    ['DELETE', 'leave', { session: 1, players: ['p'] }],
  ])('%s %s refuse %j', async (method, verb, body) => {
    const simulator = await simulate();
    await run(simulator, { id: 'one', image: 'empty' });
    expect((await call(simulator, method, `/session/player/${verb}`, body)).status).toBe(422);
  });
});

describe('tokens', () => {
  it.each([
    ['no header', {}, 'no Authorization header'],
    ['another scheme', { authorization: 'Basic c2VjcmV0LXZhbHVl' }, 'of the scheme Basic'],
    ['no scheme', { authorization: 'c2VjcmV0LXZhbHVl' }, 'not "Bearer <token>"'],
    ['an unknown token', { authorization: 'Bearer c2VjcmV0LXZhbHVl' }, 'a bearer token of 16 characters'],
  ])('%s: 401 says what kind of thing came, and never repeats it', async (_what, headers, expected) => {
    const simulator = await simulate();
    const { status, text, json } = await call(
      simulator,
      'GET',
      '/session',
      undefined,
      headers as Record<string, string>,
    );
    expect(status).toBe(401);
    expect(json.details).toContain(expected);
    expect(text).not.toContain('c2VjcmV0');
    expect(JSON.stringify(simulator.requests())).not.toContain('c2VjcmV0');
  });

  it('need no scope to join and leave', async () => {
    const simulator = await simulate({ tokens: { 'sim-token': ['session:start'], weak: [] } });
    await run(simulator, { id: 'one', image: 'empty' });
    const body = { session: 'one', players: ['p'] };
    const headers = { authorization: 'Bearer weak' };
    expect((await call(simulator, 'PUT', '/session/player/join', body, headers)).status).toBe(200);
    expect((await call(simulator, 'DELETE', '/session/player/leave', body, headers)).status).toBe(200);
  });

  it('can lose a scope while the simulator runs', async () => {
    const simulator = await simulate();
    expect((await call(simulator, 'GET', '/session')).status).toBe(200);
    simulator.configure({ tokens: { 'sim-token': ['session:start'] } });
    expect((await call(simulator, 'GET', '/session')).status).toBe(403);
  });

  it('are named by their number in the ledger and the log, where they never appear themselves', async () => {
    const simulator = await simulate({ tokens: { 'first-secret': [], 'second-secret': ['session:start'] } });
    const body = { id: 'one', location: EU, image: 'empty' };
    await call(simulator, 'POST', '/session', body, { authorization: 'Bearer second-secret' });
    expect(simulator.ledger.get('one')!.tokenName).toBe('token-2');
    const { text } = await call(simulator, 'GET', '/_sim/state');
    expect(JSON.stringify([simulator.requests(), simulator.ledger.entries]) + text).not.toContain('-secret');
  });
});

describe('an operation', () => {
  const tokens = { weak: [], ...Object.fromEntries(SCOPES.map((scope) => [scope, [scope]])) };
  const simulator = simulateForAll({ tokens });

  it.each([
    ['session:start', 'POST', '/session', { location: EU, image: 'empty' }],
    ['session:read', 'GET', '/session', undefined],
    ['session:read', 'GET', '/session/one', undefined],
    ['session:stop', 'DELETE', '/session/one', undefined],
    ['regions:read', 'GET', '/available-location/empty', undefined],
    ['regions:read', 'GET', '/tag/eu-central-1/empty/latest', undefined],
    ['logs:read', 'GET', '/logs?id=one', undefined],
    ['artifact:read', 'GET', '/artifacts?session=one&path=/', undefined],
  ])('needs the scope %s: %s %s', async (scope, method, path, body) => {
    const ask = (token: string) => call(simulator(), method, path, body, { authorization: `Bearer ${token}` });
    const { status, json } = await ask('weak');
    expect([status, json.details]).toEqual([403, expect.stringContaining(`"${scope}"`)]);
    expect([401, 403]).not.toContain((await ask(scope)).status);
  });
});

it('the simulator answers a path that it does not know with 404 and the error shape', async () => {
  const { status, json } = await call(await simulate(), 'GET', '/sessions');
  expect(status).toBe(404);
  expect(Object.keys(json).sort()).toEqual([
    'code',
    'details',
    'identifier',
    'message',
    'path',
    'statusCode',
    'timestamp',
  ]);
});
