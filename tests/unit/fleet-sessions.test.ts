import { beforeEach, describe, expect, it } from 'vitest';
import { forgetOver } from '../../src/database/allocations';
import { create } from '../../src/fleet/create';
import { get } from '../../src/fleet/get';
import { remove } from '../../src/fleet/remove';
import { join } from '../../src/fleet/join';
import type { Call } from '../../src/nakama/caller';
import { answering, callOn, type Replies } from './support/fleet';
import { answer } from './support/gameye';
import { fakeNakama, goError, type FakeNakama } from './support/nakama';
import { allocationIn, instanceIn, putAllocation, putInstance, rowsIn, seatOf } from './support/records';
import { refusal } from './support/refusal';

const request = {
  user_ids: ['u1'],
  max_players: 2,
  latencies: [],
  metadata: { map: 'dust', 'gameye.env': { A: 'b' } },
};

let fake: FakeNakama;
let call: Call;
let gameye: Replies;

beforeEach(() => {
  fake = fakeNakama();
  call = callOn(fake);
  gameye = {};
  fake.http = answering(() => gameye);
});

function view(more: object = {}) {
  const labels = { tags: '{"nakama_fleet":"default","map":"ice"}' };
  return answer(200, {
    id: 's1',
    status: 'running',
    host: '1.2.3.4',
    port: { '7777/udp': 20001 },
    location: 'eu',
    image: 'i',
    labels,
    ...more,
  });
}

const u1Plays = { u1: 'joined' } as const;

describe('fleet_create', () => {
  it('answers an id at once, after it stored the request and started an allocator', () => {
    const { session_id } = create(call, request);
    // Whether a region is open, which is asked once in two seconds, and the request.
    expect(fake.events.map((event) => event.kind)).toEqual(['sql', 'sql', 'match']);
    expect(allocationIn(fake, session_id)).toMatchObject({ state: 'queued', id: session_id, doc: { request } });
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'starting', session_id });
  });
  it('orders the regions that the caller names by latency', () => {
    const latencies = [
      { user_id: 'u1', region: 'b', ms: 1 },
      { user_id: 'u1', region: 'a', ms: 9 },
    ];
    const { session_id } = create(call, { ...request, regions: ['a', 'b'], latencies });
    expect(allocationIn(fake, session_id)).toMatchObject({ doc: { regions: ['b', 'a'] } });
  });
  it('always starts a session, also where groups are seated in running ones', () => {
    const { session_id } = create({ ...call, config: { ...call.config, backfill: true } }, request);
    expect(allocationIn(fake, session_id)).toMatchObject({ doc: { next: 'run' } });
  });
  it('answers the same session to the same request_id, on any node, whatever became of it and though no more may run', () => {
    const named = { request_id: 'r1', asked: 'x' };
    const { session_id } = create(call, request, named);
    const beside = callOn(fakeNakama(fake));
    expect(create(beside, request, named)).toEqual({ session_id });
    fake.query("UPDATE gameye_allocation SET state = 'over', keep_until = now() + interval '1 day'");
    putInstance(fake, { id: session_id });
    const full = { ...beside, config: { ...call.config, maxSessions: 1 } };
    expect(create(full, request, named)).toEqual({ session_id });
    expect([rowsIn(fake, 'allocation'), fake.events.filter(({ kind }) => kind === 'match').length]).toEqual([1, 1]);
    expect(create(call, request, { ...named, request_id: 'r2' }).session_id).not.toBe(session_id);
  });
  it('refuses another request under the same request_id with 10, and changes nothing', () => {
    create(call, request, { request_id: 'r1', asked: 'x' });
    const rows = fake.query('SELECT * FROM gameye_allocation');
    expect(refusal(() => create(call, request, { request_id: 'r1', asked: 'y' }))).toMatchObject({ code: 10 });
    expect(fake.query('SELECT * FROM gameye_allocation')).toEqual(rows);
  });
  it('forgets a request_id two days after its players were told, but not while its session runs', () => {
    const { session_id } = create(call, request, { request_id: 'r1', asked: 'x' });
    fake.query("UPDATE gameye_allocation SET state = 'over', keep_until = now() - interval '1 second'");
    putInstance(fake, { id: session_id });
    expect([forgetOver(fake.nk, 'default'), rowsIn(fake, 'allocation')]).toEqual([0, 1]);
    fake.query('DELETE FROM gameye_instance');
    expect([forgetOver(fake.nk, 'default'), rowsIn(fake, 'allocation')]).toEqual([1, 0]);
  });
  it('leaves the request to another node when this one shuts down', () => {
    fake.before = (event) => {
      if (event.kind === 'match') throw goError('error creating match: shutdown in progress');
    };
    const { session_id } = create(call, request);
    expect(allocationIn(fake, session_id)).toMatchObject({ state: 'queued' });
  });
  it('leaves nothing behind when no allocator can be started', () => {
    fake.before = (event) => {
      if (event.kind === 'match') throw goError('error creating match: not found');
    };
    expect(refusal(() => create(call, request))).toMatchObject({ code: 14 });
    expect(rowsIn(fake, 'allocation')).toBe(0);
  });
});

describe('fleet_get', () => {
  it('takes no session for a stray that starts while it looks', () => {
    let looks = 0;
    fake.after = (event) => {
      // After the first look, for an instance, the worker stores that the session runs.
      if (event.kind === 'sql' && ++looks === 1) putInstance(fake, {}, u1Plays);
    };
    gameye['get'] = () => view();
    expect(get(call, 's1')).toMatchObject({ status: 'running', max_players: 2, player_count: 1 });
  });

  it('shows an allocation under way as an instance without an address', () => {
    putAllocation(fake, request);
    expect(get(call, 'a1')).toMatchObject({
      id: 'a1',
      status: 'starting',
      connection_info: null,
      metadata: { map: 'dust' },
      player_count: 1,
      open_seats: 1,
      region: 'eu',
    });
    expect(JSON.stringify(get(call, 'a1'))).not.toContain('gameye.env');
  });
  it('shows an instance without an address while its game server is not ready, and nobody can join', () => {
    putInstance(fake, { status: 'starting' });
    expect(get(call, 's1')).toMatchObject({ id: 's1', status: 'starting', connection_info: null });
    expect(JSON.stringify(get(call, 's1'))).not.toContain('20001');
    expect(refusal(() => join(call, 's1', ['u2'])).code).toBe(9);
  });
  it.each(['failed', 'cancelled'] as const)('says why a %s allocation will never run', (state) => {
    putAllocation(fake, request, { state, reason: 'no_capacity', told: false });
    expect(refusal(() => get(call, 'a1'))).toEqual({
      code: 5,
      message: 'The session could not be started: no_capacity.',
    });
  });
  it('finds the instance by the id that create answered, when the session got another', () => {
    putInstance(fake, { allocation_id: 'a1' });
    gameye = { get: () => view() };
    expect(get(call, 'a1')).toMatchObject({ id: 's1' });
  });
  it('repairs a record that differs from Gameye, and writes nothing when none does', () => {
    putInstance(fake, {}, u1Plays);
    gameye = { get: () => view() };
    get(call, 's1');
    expect(fake.events.filter((event) => event.kind === 'sql' && /UPDATE|INSERT/.test(event.statement))).toEqual([]);
    gameye = { get: () => view({ status: 'restarting', host: '5.6.7.8' }) };
    expect(get(call, 's1')).toMatchObject({ status: 'restarting', connection_info: { ip_address: '5.6.7.8' } });
    expect(instanceIn(fake)).toMatchObject({ status: 'restarting', seats: { u1: { state: 'joined' } } });
  });
  it('leaves an instance draining, whatever its container says', () => {
    putInstance(fake, { status: 'draining' });
    gameye = { get: () => view({ host: '5.6.7.8' }) };
    expect(get(call, 's1')).toMatchObject({ status: 'draining', connection_info: { ip_address: '5.6.7.8' } });
  });
  it('forgets an instance whose session exited, and frees its players', () => {
    putInstance(fake, {}, u1Plays);
    gameye = { get: () => view({ status: 'exited' }) };
    expect(refusal(() => get(call, 's1')).code).toBe(5);
    expect(instanceIn(fake)).toBeUndefined();
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'left' });
  });
  it('keeps a record whose session Gameye does not know, sends nobody there, and revives it when Gameye knows it again', () => {
    putInstance(fake, {}, u1Plays);
    gameye = { get: () => answer(404, {}) };
    expect(refusal(() => get(call, 's1')).code).toBe(5);
    expect(instanceIn(fake)).toMatchObject({ status: 'lost' });
    expect(refusal(() => join(call, 's1', ['u2'])).code).toBe(9);
    gameye = { get: () => view() };
    expect(get(call, 's1')).toMatchObject({ status: 'running' });
    expect(instanceIn(fake)).toMatchObject({ status: 'running' });
  });
  it.each([
    ['500', () => answer(500, {})],
    ['401', () => answer(401, {})],
    ['HTML', () => ({ code: 200, headers: {}, body: '<html>' })],
  ])('answers the record as it is when Gameye answers %s', (_sentence, reply) => {
    putInstance(fake);
    gameye = { get: reply };
    expect(get(call, 's1')).toMatchObject({ id: 's1', status: 'running' });
    expect(instanceIn(fake)).toBeDefined();
  });
  it('adopts a session of this fleet without a record, and no other', () => {
    gameye = { get: () => view({ players: { joined: ['u7'] } }) };
    expect(get(call, 's1')).toMatchObject({
      id: 's1',
      metadata: { map: 'ice' },
      seats: { u7: { state: 'joined' } },
    });
    expect(instanceIn(fake)).toMatchObject({ id: 's1' });
    fake.query('DELETE FROM gameye_instance');
    for (const labels of [{ tags: '{"nakama_fleet":"other"}' }, {}]) {
      gameye = { get: () => view({ labels }) };
      expect(refusal(() => get(call, 's1')).code).toBe(5);
      expect(instanceIn(fake)).toBeUndefined();
    }
  });
  it('refuses an unknown id with 5, or with 14 when Gameye does not answer', () => {
    gameye = { get: () => answer(404, {}) };
    expect(refusal(() => get(call, 'x')).code).toBe(5);
    gameye = { get: () => answer(503, {}) };
    expect(refusal(() => get(call, 'x')).code).toBe(14);
  });
});

describe('fleet_delete', () => {
  it.each([
    ['stops', 204],
    ['had ended already', 409],
    ['is absent', 404],
  ])('forgets an instance whose session %s', (_sentence, status) => {
    putInstance(fake, {}, u1Plays);
    gameye = { delete: () => ({ code: status, headers: {}, body: '{}' }) };
    expect(remove(call, 's1')).toEqual({});
    expect(instanceIn(fake)).toBeUndefined();
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'left', session_id: '' });
  });
  it('keeps the instance when Gameye does not answer, so that it can be repeated', () => {
    putInstance(fake);
    gameye = { delete: () => answer(500, {}) };
    expect(refusal(() => remove(call, 's1')).code).toBe(14);
    expect(instanceIn(fake)).toBeDefined();
  });
  it.each(['queued', 'starting', 'started'] as const)(
    'cancels an allocation that is %s and whose players wait, also when Gameye does not answer',
    (state) => {
      putAllocation(fake, request, { state, ...(state === 'started' ? { waits: true } : {}) });
      if (state === 'started') putInstance(fake, { id: 'a1', status: 'starting' });
      gameye = { delete: () => answer(500, {}) };
      expect(remove(call, 'a1')).toEqual({});
      expect(allocationIn(fake)).toMatchObject({ cancelled: true });
    },
  );
  it('stops the session of an allocation whose players have their seats, which is cancelled no more', () => {
    putAllocation(fake, {}, { state: 'started', waits: false });
    putInstance(fake, { id: 'a1' }, u1Plays);
    gameye = { delete: () => answer(204, {}) };
    expect(remove(call, 'a1')).toEqual({});
    expect(allocationIn(fake)).toMatchObject({ cancelled: false });
    expect(instanceIn(fake, 'a1')).toBeUndefined();
  });
  it('succeeds for an id that is nowhere, refuses one of another fleet with 5, and stops a stray', () => {
    gameye = { get: () => answer(404, {}) };
    expect(remove(call, 'x')).toEqual({});
    gameye = { get: () => view({ labels: { tags: '{"nakama_fleet":"other"}' } }) };
    expect(refusal(() => remove(call, 's1')).code).toBe(5);
    expect(fake.requests.filter((one) => one.method === 'delete')).toEqual([]);
    gameye = { get: () => view(), delete: () => answer(200, {}) };
    expect(remove(call, 's1')).toEqual({});
    expect(fake.requests.filter((one) => one.method === 'delete')).toHaveLength(1);
  });
  it('refuses an id that nobody knows with 14 when Gameye does not answer', () => {
    gameye = { get: () => answer(500, {}) };
    expect(refusal(() => remove(call, 'x')).code).toBe(14);
  });
});
