import { describe, expect, it } from 'vitest';
import type { FaultAction, FaultRule, Simulator } from '../../dev/gameye/simulator.ts';
import { call, EU, listed, run, simulate, simulateForAll, until, US, type Reply } from './helpers.ts';

/** The status, or 'broken' when the connection breaks before the answer is whole. */
async function outcome(request: Promise<Reply>): Promise<number | 'broken'> {
  return request.then(({ status }) => status).catch(() => 'broken' as const);
}

async function hits(
  simulator: Simulator,
  rule: Partial<FaultRule>,
  requests: number,
  path = '/session',
): Promise<number[]> {
  simulator.faults.add({ on: 'always', action: { kind: 'status', status: 503 }, ...rule });
  const hit: number[] = [];
  for (let i = 1; i <= requests; i++) if ((await call(simulator, 'GET', path)).status === 503) hit.push(i);
  return hit;
}

describe('a fault rule strikes', () => {
  it('the requests with the given ordinals, counted since it was added', async () => {
    const simulator = await simulate();
    await listed(simulator);
    expect(await hits(simulator, { on: { ordinals: [1, 3] } }, 5)).toEqual([1, 3]);
  });

  it('the first n requests', async () => {
    expect(await hits(await simulate(), { on: { times: 2 } }, 5)).toEqual([1, 2]);
  });

  it('always, until it is removed', async () => {
    const simulator = await simulate();
    const id = simulator.faults.add({ on: 'always', action: { kind: 'status', status: 500 } });
    expect((await call(simulator, 'GET', '/session')).status).toBe(500);
    expect(simulator.faults.list()).toEqual([expect.objectContaining({ id, seen: 1, hit: 1 })]);
    expect(simulator.faults.remove(id)).toBe(true);
    expect(simulator.faults.remove(id)).toBe(false);
    expect((await call(simulator, 'GET', '/session')).status).toBe(200);
  });

  it('at its rate, and the same requests each time for one seed', async () => {
    const runs = [];
    for (const seed of [7, 7, 8]) runs.push(await hits(await simulate(), { on: { rate: 0.5, seed } }, 60));
    expect(runs[0]!.length).toBeGreaterThan(15);
    expect(runs[0]!.length).toBeLessThan(45);
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).not.toEqual(runs[0]);
  });

  it('one operation only', async () => {
    const simulator = await simulate();
    simulator.faults.add({ operation: 'describe-session', on: 'always', action: { kind: 'status', status: 503 } });
    expect((await run(simulator, { id: 'one' })).status).toBe(201);
    expect((await call(simulator, 'GET', '/session')).status).toBe(200);
    expect((await call(simulator, 'GET', '/session/one')).status).toBe(503);
  });

  it('one region only, also by the region of the session that a request is about', async () => {
    const simulator = await simulate();
    await run(simulator, { id: 'eu', image: 'empty' });
    await run(simulator, { id: 'us', image: 'empty', location: US });
    simulator.faults.add({ region: US, on: 'always', action: { kind: 'status', status: 503 } });
    expect((await run(simulator, { image: 'empty' })).status).toBe(201);
    expect((await run(simulator, { image: 'empty', location: US })).status).toBe(503);
    expect((await call(simulator, 'GET', '/session/eu')).status).toBe(200);
    expect((await call(simulator, 'GET', '/session/us')).status).toBe(503);
    const join = (session: string) => call(simulator, 'PUT', '/session/player/join', { session, players: ['p'] });
    expect([(await join('eu')).status, (await join('us')).status]).toEqual([200, 503]);
  });

  it('a wrong request as it does a right one', async () => {
    const simulator = await simulate();
    simulator.faults.add({ on: 'always', action: { kind: 'status', status: 503 } });
    expect((await call(simulator, 'POST', '/session', { wrong: true })).status).toBe(503);
  });

  it('together with others: waits add up, and the first answer wins', async () => {
    const simulator = await simulate();
    simulator.faults.add({ on: 'always', action: { kind: 'delay', ms: 60 } });
    simulator.faults.add({ on: 'always', action: { kind: 'delay', ms: 60, when: 'after' } });
    simulator.faults.add({ on: 'always', action: { kind: 'status', status: 502 } });
    simulator.faults.add({ on: 'always', action: { kind: 'status', status: 503 } });
    // A rule that answers before processing leaves nothing to wait for afterwards.
    const { status } = await call(simulator, 'GET', '/session');
    const [entry] = simulator.requests();
    expect(status).toBe(502);
    expect(entry!.tookMs).toBeGreaterThanOrEqual(55);
    expect(entry!.fault).toBe('fault-1 delay, fault-2 delay, fault-3 status, fault-4 status');
  });
});

describe('POST /session under a fault', () => {
  const BEFORE: FaultAction[] = [
    { kind: 'drop', when: 'before' },
    { kind: 'status', status: 503 },
    { kind: 'status', status: 502, html: true },
    { kind: 'redirect', status: 301 },
    { kind: 'redirect', status: 308, to: 'http://127.0.0.1:1' },
    { kind: 'echo' },
  ];
  const AFTER: FaultAction[] = [
    { kind: 'drop', when: 'after' },
    { kind: 'status', status: 504, when: 'after' },
    { kind: 'truncate' },
    { kind: 'html' },
    { kind: 'body', body: {} },
    { kind: 'alter', fields: { host: null } },
    { kind: 'delay', ms: 10, when: 'after' },
  ];

  it.each(BEFORE)('starts nothing when the fault strikes before it is processed: %j', async (action) => {
    const simulator = await simulate();
    simulator.faults.add({ operation: 'session-run', on: { times: 1 }, action });
    expect(await outcome(run(simulator, { id: 'one' }))).not.toBe(201);
    expect(simulator.ledger.entries).toEqual([]);
    expect(await outcome(run(simulator, { id: 'one' }))).toBe(201);
  });

  it.each(AFTER)('really starts the session when only the answer suffers: %j', async (action) => {
    const simulator = await simulate();
    simulator.faults.add({ operation: 'session-run', on: { times: 1 }, action });
    await outcome(run(simulator, { id: 'one' }));
    expect(await listed(simulator)).toEqual(['one']);
    expect(await outcome(run(simulator, { id: 'one' }))).toBe(409);
  });

  it('is dropped without an answer', async () => {
    const simulator = await simulate();
    for (const when of ['before', 'after'] as const) {
      simulator.faults.clear();
      simulator.faults.add({ on: 'always', action: { kind: 'drop', when } });
      expect(await outcome(run(simulator, { image: 'empty' }))).toBe('broken');
    }
    expect(simulator.requests().map(({ status }) => status)).toEqual(['dropped', 'dropped']);
    expect(simulator.requests()[1]!.sessionId).toBe(simulator.ledger.entries[0]!.id);
  });

  it('starts the session even when the caller gives up meanwhile', async () => {
    const simulator = await simulate();
    simulator.faults.add({ operation: 'session-run', on: 'always', action: { kind: 'slow-start', ms: 800 } });
    const abort = new AbortController();
    const body = JSON.stringify({ id: 'one', location: EU, image: 'empty' });
    const headers = { authorization: 'Bearer sim-token', 'content-type': 'application/json' };
    const request = fetch(`${simulator.url}/session`, { method: 'POST', body, headers, signal: abort.signal });
    await until('it is starting', () => simulator.ledger.get('one'));
    abort.abort();
    await expect(request).rejects.toThrow();
    await until('it runs', () => simulator.ledger.get('one')!.runningAtMs);
    await until('it is logged', () => simulator.requests()[0]!.callerGone);
  });

  it('takes longer by a slow start, and the session is not running until then', async () => {
    const simulator = await simulate();
    simulator.faults.add({ on: 'always', action: { kind: 'slow-start', ms: 120 } });
    expect((await run(simulator, { id: 'one' })).status).toBe(201);
    const { requestedAtMs, runningAtMs } = simulator.ledger.get('one')!;
    expect(runningAtMs! - requestedAtMs).toBeGreaterThanOrEqual(115);
  });
});

describe('an answer under a fault', () => {
  it('can be a page of HTML with the status it would have had, or another one', async () => {
    const simulator = await simulate();
    simulator.faults.add({ on: { ordinals: [1] }, action: { kind: 'html' } });
    simulator.faults.add({ on: { ordinals: [2] }, action: { kind: 'status', status: 502, html: true } });
    for (const expected of [200, 502]) {
      const { status, type, text } = await call(simulator, 'GET', '/session');
      expect([status, type]).toEqual([expected, 'text/html']);
      expect(text).toContain('<html>');
    }
  });

  it('is an ErrorResponse when a fault sets its status', async () => {
    const simulator = await simulate();
    simulator.faults.add({ on: 'always', action: { kind: 'status', status: 429 } });
    expect((await call(simulator, 'GET', '/session')).json).toMatchObject({
      statusCode: 429,
      identifier: expect.any(String),
    });
  });

  it('can break off in the middle of its body', async () => {
    const simulator = await simulate();
    await run(simulator, { image: 'empty' });
    simulator.faults.add({ on: 'always', action: { kind: 'truncate' } });
    const headers = { authorization: 'Bearer sim-token' };
    const response = await fetch(`${simulator.url}/session`, { headers });
    expect(response.status).toBe(200); // the headers arrive
    await expect(response.text()).rejects.toThrow();
    await run(simulator, { id: 'two', image: 'empty' }).catch(() => undefined);
    expect(await outcome(call(simulator, 'DELETE', '/session/two'))).toBe('broken'); // no body to cut: dropped
    expect(simulator.ledger.get('two')!.ended).toBe('stop');
  });

  it('can have any body at all, with any status', async () => {
    const simulator = await simulate();
    await run(simulator, { image: 'empty' });
    simulator.faults.add({ on: { ordinals: [1] }, action: { kind: 'body', body: { sessions: [] } } });
    simulator.faults.add({ on: { ordinals: [2] }, action: { kind: 'body', body: null, status: 206 } });
    expect(await listed(simulator)).toEqual([]);
    expect(await call(simulator, 'GET', '/session')).toMatchObject({ status: 206, text: 'null' });
    expect(await listed(simulator)).toHaveLength(1);
  });

  it('can have other fields than it would have, in a list those of each session', async () => {
    const simulator = await simulate();
    simulator.faults.add({ on: 'always', action: { kind: 'alter', fields: { host: 'no host', id: null } } });
    expect((await run(simulator, { id: 'one', image: 'empty' })).json).toMatchObject({
      host: 'no host',
      id: null,
      ports: [{ container: 7777 }],
    });
    expect((await call(simulator, 'GET', '/session/one')).json).toMatchObject({ host: 'no host', status: 'running' });
    const { sessions } = (await call(simulator, 'GET', '/session')).json as { sessions: object[] };
    expect(sessions).toMatchObject([{ host: 'no host', id: null, location: EU }]);
    expect((await call(simulator, 'DELETE', '/session/one')).status).toBe(204);
  });

  it('can be a refusal that quotes the whole request', async () => {
    const simulator = await simulate();
    simulator.faults.add({ on: { ordinals: [1] }, action: { kind: 'echo' } });
    simulator.faults.add({ on: { ordinals: [2] }, action: { kind: 'echo', status: 500 } });
    for (const expected of [422, 500]) {
      const { status, json } = await run(simulator, { env: { PASSWORD: 'hunter2' } });
      expect([status, json.details]).toEqual([expected, expect.stringContaining('"PASSWORD":"hunter2"')]);
    }
  });

  it('can be a redirect, to the same path here or at another server', async () => {
    const simulator = await simulate();
    simulator.faults.add({ on: { ordinals: [1] }, action: { kind: 'redirect' } });
    simulator.faults.add({ on: { ordinals: [2] }, action: { kind: 'redirect', status: 307, to: 'http://other.test' } });
    const locations = [];
    for (let i = 0; i < 2; i++) {
      const headers = { authorization: 'Bearer sim-token' };
      const answer = await fetch(`${simulator.url}/session?image=x`, { headers, redirect: 'manual' });
      locations.push([answer.status, answer.headers.get('location')]);
    }
    expect(locations).toEqual([
      [301, '/session?image=x'],
      [307, 'http://other.test/session?image=x'],
    ]);
  });

  it('can come late', async () => {
    const simulator = await simulate();
    simulator.faults.add({ on: 'always', action: { kind: 'delay', ms: 100 } });
    const before = Date.now();
    await call(simulator, 'GET', '/session');
    expect(Date.now() - before).toBeGreaterThanOrEqual(95);
  });

  it('of a list can be that of a while ago', async () => {
    const simulator = await simulate();
    await run(simulator, { id: 'old', image: 'empty' });
    const mark = simulator.ledger.get('old')!.runningAtMs!;
    await until('a while has passed', () => Date.now() > mark + 400);
    await run(simulator, { id: 'new', image: 'empty' });
    await call(simulator, 'DELETE', '/session/old');
    expect(await listed(simulator)).toEqual(['new']);
    const id = simulator.faults.add({ on: 'always', action: { kind: 'stale-list', ageMs: Date.now() - mark - 10 } });
    expect(await listed(simulator)).toEqual(['old']);
    simulator.faults.remove(id);
    simulator.faults.add({ on: 'always', action: { kind: 'stale-list', ageMs: 60_000 } });
    expect(await listed(simulator, '?all=true')).toEqual([]);
  });
});

describe('a fault rule with a mistake', () => {
  const simulator = simulateForAll();

  it.each([
    [{ on: 'always' }, 'action.kind must be'],
    [{ on: 'always', action: { kind: 'constructor' } }, 'action.kind must be'],
    [{ action: { kind: 'html' } }, 'on must be'],
    [{ on: { rate: 2 }, action: { kind: 'html' } }, 'on must be'],
    [{ on: { ordinals: [0] }, action: { kind: 'html' } }, 'on must be'],
    [{ on: 'always', action: { kind: 'drop' } }, 'action.when'],
    [{ on: 'always', action: { kind: 'delay', ms: '5' } }, 'action.ms'],
    [{ on: 'always', action: { kind: 'status', status: 99 } }, 'action.status'],
    [{ on: 'always', action: { kind: 'redirect', status: 300 } }, 'action.status'],
    [{ on: 'always', action: { kind: 'redirect', to: '/elsewhere' } }, 'action.to'],
    [{ on: 'always', action: { kind: 'echo', status: 200 } }, 'action.status'],
    [{ on: 'always', action: { kind: 'alter', fields: [] } }, 'action.fields'],
    [{ on: 'always', action: { kind: 'html', ms: 1 } }, 'unknown field action.ms'],
    [{ on: 'always', operation: 'run', action: { kind: 'html' } }, 'operation must be'],
    [{ on: 'always', when: 'before', action: { kind: 'html' } }, 'unknown field when'],
  ])('%j is refused, and the refusal says why', async (rule, expected) => {
    expect(() => simulator().faults.add(rule as FaultRule)).toThrow(expected);
    const { status, json } = await call(simulator(), 'POST', '/_sim/faults', rule);
    expect(status).toBe(422);
    expect(json.message).toContain(expected);
    expect(simulator().faults.list()).toEqual([]);
  });
});
