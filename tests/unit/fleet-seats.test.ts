import { beforeEach, describe, expect, it } from 'vitest';
import * as fleet from '../../src/fleet/fleet-manager';
import type { Instance } from '../../src/instances/instance';
import type { Call } from '../../src/nakama/caller';
import { answering, callOn, instanceOf, putInstance, type Replies } from './support/fleet';
import { answer } from './support/gameye';
import { fakeNakama, type FakeNakama } from './support/nakama';
import { refusal } from './support/refusal';

let fake: FakeNakama;
let call: Call;
let gameye: Replies;

beforeEach(() => {
  fake = fakeNakama();
  call = callOn(fake);
  gameye = {};
  fake.http = answering(() => gameye);
});

const storeInstance = (more: Partial<Instance> = {}) => putInstance(fake, more);
const stored = () => instanceOf(fake);

describe('join', () => {
  it('reserves seats and tells Gameye', () => {
    storeInstance();
    gameye = { put: () => answer(200, {}) };
    expect(fleet.join(call, 's1', ['u2'])).toMatchObject({
      instance_info: { player_count: 2, open_seats: 0 },
      session_info: [{ user_id: 'u2', session_id: 's1' }],
    });
    expect(stored()?.seats).toMatchObject({ u1: { state: 'joined' }, u2: { state: 'reserved' } });
  });
  it('takes all or none, and changes nothing when the instance is full', () => {
    storeInstance();
    expect(refusal(() => fleet.join(call, 's1', ['u2', 'u3'])).code).toBe(8);
    expect(Object.keys(stored()!.seats)).toEqual(['u1']);
    expect(fake.requests).toEqual([]);
  });
  it('takes as many as fit when asked, in their order, and says who; those who have a seat count as fitting', () => {
    storeInstance({ max_players: 3 });
    gameye = { put: () => answer(200, {}) };
    const { instance_info, session_info } = fleet.join(call, 's1', ['u2', 'u3', 'u4', 'u1'], true);
    expect(session_info.map((one) => one.user_id)).toEqual(['u2', 'u3', 'u1']);
    expect(instance_info).toMatchObject({ player_count: 3, open_seats: 0 });
    expect(fake.requests[0]?.body).toMatchObject({ players: ['u2', 'u3', 'u1'] });
    expect(refusal(() => fleet.join(call, 's1', ['u4', 'u5'], true)).code).toBe(8);
    expect(refusal(() => fleet.join(call, 's1', ['u4', 'u1'])).code).toBe(8);
    expect(Object.keys(stored()!.seats)).toEqual(['u1', 'u2', 'u3']);
  });
  it('gives way with 10 when others are faster all the time', () => {
    storeInstance();
    let round = 0;
    fake.before = (event) => {
      if (event.kind === 'write') storeInstance({ unseated: -++round });
    };
    expect(refusal(() => fleet.join(call, 's1', ['u2'])).code).toBe(10);
    expect(round).toBeGreaterThan(100);
    expect(fake.requests).toEqual([]);
  });
  it('lets those in again who have a seat, also when the instance is full or overfull', () => {
    storeInstance({ max_players: 1 });
    gameye = { put: () => answer(200, {}) };
    expect(fleet.join(call, 's1', ['u1']).instance_info.player_count).toBe(1);
    storeInstance({ max_players: 1, unseated: 5 });
    expect(fleet.join(call, 's1', ['u1']).instance_info.player_count).toBe(6);
    expect(refusal(() => fleet.join(call, 's1', ['u2'])).code).toBe(8);
  });
  it('gives the seat of a reservation that ran out to somebody else', () => {
    storeInstance({ seats: { u1: { state: 'reserved', until_ms: 1 }, u9: { state: 'joined' } } });
    gameye = { put: () => answer(200, {}) };
    expect(Object.keys(fleet.join(call, 's1', ['u2']).instance_info.seats)).toEqual(['u9', 'u2']);
  });
  it.each(['draining', 'exited', 'dead'])('is refused with 9 by one that is %s', (status) => {
    storeInstance({ status });
    expect(refusal(() => fleet.join(call, 's1', ['u2'])).code).toBe(9);
  });
  it('is refused with 5 when Gameye has no such session, and with 9 from then on', () => {
    storeInstance();
    gameye = { put: () => answer(404, {}) };
    expect(refusal(() => fleet.join(call, 's1', ['u2'])).code).toBe(5);
    expect(stored()).toMatchObject({ status: 'lost' });
    expect(refusal(() => fleet.join(call, 's1', ['u2'])).code).toBe(9);
  });
  it('stands when Gameye cannot be told', () => {
    storeInstance();
    gameye = { put: () => answer(500, {}) };
    expect(fleet.join(call, 's1', ['u2']).instance_info.player_count).toBe(2);
    expect(fake.log).toMatchObject([{ level: 'warn' }]);
  });
  it('never gives a seat twice when two join at once', () => {
    storeInstance();
    let raced = false;
    fake.before = (event) => {
      if (event.kind !== 'write' || raced) return;
      raced = true;
      fleet.join(call, 's1', ['u3']);
    };
    gameye = { put: () => answer(200, {}) };
    expect(refusal(() => fleet.join(call, 's1', ['u2'])).code).toBe(8);
    expect(Object.keys(stored()!.seats)).toEqual(['u1', 'u3']);
  });
});

describe('leave, confirm and update', () => {
  it('leave frees seats; repeating it changes nothing', () => {
    storeInstance();
    gameye = { delete: () => answer(200, {}) };
    expect(fleet.leave(call, 's1', ['u1', 'x']).instance_info).toMatchObject({ player_count: 0, open_seats: 2 });
    expect(fleet.leave(call, 's1', ['u1']).instance_info).toMatchObject({ player_count: 0 });
    expect(fake.events.filter((event) => event.kind === 'write')).toHaveLength(1);
  });
  it('confirm makes reserved seats joined', () => {
    storeInstance({ seats: { u2: { state: 'reserved', until_ms: Date.now() + 9000 } } });
    expect(fleet.confirm(call, 's1', ['u2']).instance_info.seats).toEqual({ u2: { state: 'joined' } });
  });
  it('update sets the count and merges metadata', () => {
    storeInstance();
    const metadata = { round: 2, 'gameye.env': { A: 'b' } };
    expect(fleet.update(call, 's1', 2, metadata).instance_info).toMatchObject({ player_count: 2, open_seats: 0 });
    expect(stored()?.metadata).toEqual({ map: 'dust', round: 2 });
    expect(fleet.update(call, 's1', undefined, { map: 'ice' }).instance_info).toMatchObject({
      player_count: 2,
      metadata: { map: 'ice', round: 2 },
    });
  });
  it('say 5 when there is no such instance', () => {
    for (const act of [
      () => fleet.leave(call, 'x', ['u1']),
      () => fleet.confirm(call, 'x', ['u1']),
      () => fleet.update(call, 'x', 1, {}),
    ]) {
      expect(refusal(act).code).toBe(5);
    }
  });
});
