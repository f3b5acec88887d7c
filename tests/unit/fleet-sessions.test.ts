import { beforeEach, describe, expect, it } from 'vitest';
import { newAllocation, type Allocation } from '../../src/allocation/allocation';
import { afterStart } from '../../src/allocation/transitions';
import * as fleet from '../../src/fleet/fleet-manager';
import type { Instance } from '../../src/instances/instance';
import type { Call } from '../../src/nakama/caller';
import { answering, callOn, instanceOf, putInstance, type Replies } from './support/fleet';
import { answer } from './support/gameye';
import { ALLOCATIONS, INSTANCES } from './support/life';
import { fakeNakama, goError, type FakeNakama } from './support/nakama';
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
    port: { '7777/udp': 1 },
    location: 'eu',
    image: 'i',
    labels,
    ...more,
  });
}

const storeInstance = (more: Partial<Instance> = {}) => putInstance(fake, more);
const stored = () => instanceOf(fake);

function storeAllocation(more: Partial<Allocation>): void {
  fake.put(ALLOCATIONS, 'a1', { ...newAllocation('a1', request, ['eu'], 'n1', 60_000, 0), ...more });
}

describe('create', () => {
  it('answers an id at once, after it stored the request and started an allocator', () => {
    const { session_id } = fleet.create(call, request);
    expect(fake.events.map((event) => event.kind)).toEqual(['write', 'match']);
    expect(fake.stored(ALLOCATIONS, session_id)).toMatchObject({ state: 'queued', id: session_id, request });
  });
  it('orders the regions that the caller names by latency', () => {
    const latencies = [
      { user_id: 'u1', region: 'b', ms: 1 },
      { user_id: 'u1', region: 'a', ms: 9 },
    ];
    const { session_id } = fleet.create(call, { ...request, regions: ['a', 'b'], latencies });
    expect(fake.stored(ALLOCATIONS, session_id)).toMatchObject({ regions: ['b', 'a'] });
  });
  it('leaves the request to another node when this one shuts down', () => {
    fake.before = (event) => {
      if (event.kind === 'match') throw goError('error creating match: shutdown in progress');
    };
    const { session_id } = fleet.create(call, request);
    expect(fake.stored(ALLOCATIONS, session_id)).toMatchObject({ state: 'queued', told: false });
  });
  it('leaves nothing behind when no allocator can be started', () => {
    fake.before = (event) => {
      if (event.kind === 'match') throw goError('error creating match: not found');
    };
    expect(refusal(() => fleet.create(call, request))).toMatchObject({ code: 14 });
    expect(fake.rows()).toEqual([]);
  });
});

describe('get', () => {
  it('does not take a session that starts between two looks for a stranger', () => {
    const allocation = newAllocation('s1', request, ['eu'], 'm1', 60_000, Date.now());
    fake.put(ALLOCATIONS, 's1', allocation);
    let reads = 0;
    fake.after = (event) => {
      // After the first look at instance and allocation, the worker stores that the session runs.
      if (event.kind === 'read' && ++reads === 2) {
        fake.put(ALLOCATIONS, 's1', afterStart(allocation, { host: '1.2.3.4', ports: { '7777/udp': 1 } }, false, 0));
      }
    };
    gameye['get'] = () => view();
    expect(fleet.get(call, 's1')).toMatchObject({ status: 'running', max_players: 2, player_count: 1 });
  });

  it('shows an allocation under way as an instance without an address', () => {
    storeAllocation({ state: 'starting' });
    expect(fleet.get(call, 'a1')).toMatchObject({
      id: 'a1',
      status: 'starting',
      connection_info: null,
      metadata: { map: 'dust' },
      player_count: 1,
      open_seats: 1,
      region: 'eu',
    });
    expect(JSON.stringify(fleet.get(call, 'a1'))).not.toContain('gameye.env');
  });
  it.each(['failed', 'cancelled'] as const)('says why a %s one will never run', (state) => {
    storeAllocation({ state, reason: 'no_capacity' });
    expect(refusal(() => fleet.get(call, 'a1'))).toEqual({
      code: 5,
      message: 'The session could not be started: no_capacity.',
    });
  });
  it('stores the instance of a session that just started', () => {
    storeAllocation({
      state: 'started',
      session_id: 's1',
      started: { host: '1.2.3.4', ports: { '7777/udp': 1 }, at_ms: 0 },
    });
    gameye = { get: () => view() };
    expect(fleet.get(call, 'a1')).toMatchObject({ id: 's1', seats: { u1: { state: 'reserved' } } });
    expect(stored()).toMatchObject({ id: 's1' });
  });
  it('finds the instance by the id that create answered, when the session got another', () => {
    storeAllocation({ state: 'announced', session_id: 's1' });
    storeInstance();
    gameye = { get: () => view() };
    expect(fleet.get(call, 'a1')).toMatchObject({ id: 's1' });
  });
  it('repairs what changed at Gameye, and writes nothing when nothing did', () => {
    storeInstance();
    gameye = { get: () => view() };
    fleet.get(call, 's1');
    expect(fake.events.filter((event) => event.kind === 'write')).toEqual([]);
    gameye = { get: () => view({ status: 'restarting' }) };
    expect(fleet.get(call, 's1')).toMatchObject({ status: 'restarting' });
    expect(stored()).toMatchObject({ status: 'restarting' });
  });
  it('forgets an instance whose session exited', () => {
    storeInstance();
    gameye = { get: () => view({ status: 'exited' }) };
    expect(refusal(() => fleet.get(call, 's1')).code).toBe(5);
    expect(stored()).toBeUndefined();
  });
  it('keeps a record that Gameye does not know, but sends nobody there, and revives it when it was a mistake', () => {
    storeInstance();
    gameye = { get: () => answer(404, {}) };
    expect(refusal(() => fleet.get(call, 's1')).code).toBe(5);
    expect(stored()).toMatchObject({ status: 'lost' });
    expect(refusal(() => fleet.join(call, 's1', ['u2'])).code).toBe(9);
    gameye = { get: () => view() };
    expect(fleet.get(call, 's1')).toMatchObject({ status: 'running' });
    expect(stored()).toMatchObject({ status: 'running' });
  });
  it.each([
    ['500', () => answer(500, {})],
    ['401', () => answer(401, {})],
    ['HTML', () => ({ code: 200, headers: {}, body: '<html>' })],
  ])('answers the record as it is when Gameye answers %s', (_sentence, get) => {
    storeInstance();
    gameye = { get };
    expect(fleet.get(call, 's1')).toMatchObject({ id: 's1', status: 'running' });
    expect(stored()).toBeDefined();
  });
  it('adopts a session of this fleet without a record, and no other', () => {
    gameye = { get: () => view({ players: { joined: ['u7'] } }) };
    expect(fleet.get(call, 's1')).toMatchObject({
      id: 's1',
      metadata: { map: 'ice' },
      seats: { u7: { state: 'joined' } },
    });
    expect(stored()).toMatchObject({ id: 's1' });
    fake.drop(INSTANCES, 's1');
    for (const labels of [{ tags: '{"nakama_fleet":"other"}' }, {}]) {
      gameye = { get: () => view({ labels }) };
      expect(refusal(() => fleet.get(call, 's1')).code).toBe(5);
      expect(stored()).toBeUndefined();
    }
  });
  it('of an unknown id says 5, or 14 when Gameye does not answer', () => {
    gameye = { get: () => answer(404, {}) };
    expect(refusal(() => fleet.get(call, 'x')).code).toBe(5);
    gameye = { get: () => answer(503, {}) };
    expect(refusal(() => fleet.get(call, 'x')).code).toBe(14);
  });
});

describe('delete', () => {
  it.each([
    ['stops', 204],
    ['had ended already', 409],
    ['is absent', 404],
  ])('forgets an instance whose session %s', (_sentence, status) => {
    storeInstance();
    gameye = { delete: () => ({ code: status, headers: {}, body: '' }) };
    expect(fleet.remove(call, 's1')).toEqual({});
    expect(stored()).toBeUndefined();
  });
  it('keeps the instance when Gameye does not answer, so that it can be repeated', () => {
    storeInstance();
    gameye = { delete: () => answer(500, {}) };
    expect(refusal(() => fleet.remove(call, 's1')).code).toBe(14);
    expect(stored()).toBeDefined();
  });
  it.each(['queued', 'starting', 'started'] as const)(
    'cancels an allocation that is %s, also when Gameye does not answer',
    (state) => {
      storeAllocation({ state });
      gameye = { delete: () => answer(500, {}) };
      expect(fleet.remove(call, 'a1')).toEqual({});
      expect(fake.stored(ALLOCATIONS, 'a1')).toMatchObject({ state: 'cancelled' });
    },
  );
  it('of an id that is nowhere is a success, of another fleet 5, of a stray of ours a stop', () => {
    gameye = { get: () => answer(404, {}) };
    expect(fleet.remove(call, 'x')).toEqual({});
    gameye = { get: () => view({ labels: { tags: '{"nakama_fleet":"other"}' } }) };
    expect(refusal(() => fleet.remove(call, 's1')).code).toBe(5);
    expect(fake.requests.filter((one) => one.method === 'delete')).toEqual([]);
    gameye = { get: () => view(), delete: () => answer(200, {}) };
    expect(fleet.remove(call, 's1')).toEqual({});
    expect(fake.requests.filter((one) => one.method === 'delete')).toHaveLength(1);
  });
  it('of an id that nobody knows says 14 when Gameye does not answer', () => {
    gameye = { get: () => answer(500, {}) };
    expect(refusal(() => fleet.remove(call, 'x')).code).toBe(14);
  });
});
