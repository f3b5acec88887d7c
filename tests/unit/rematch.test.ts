import { beforeEach, describe, expect, it } from 'vitest';
import { leaveSeats } from '../../src/database/seats';
import type { Call } from '../../src/nakama/caller';
import { wantRematch } from '../../src/players/rematch';
import { rematch } from '../../src/players/rooms';
import { standing } from '../../src/players/standing';
import { callOn } from './support/fleet';
import { fakeNakama, type FakeNakama } from './support/nakama';
import {
  FLEET,
  allocationIn,
  instanceIn,
  putAllocation,
  putInstance,
  rowsIn,
  seatOf,
  type InstanceLike,
} from './support/records';
import { refusal } from './support/refusal';

let fake: FakeNakama;
let call: Call;
beforeEach(() => {
  fake = fakeNakama();
  call = callOn(fake);
});
const EU = 'eu-central-1';
const US = 'us-east-1';
const match = (more: Partial<InstanceLike> = {}): void =>
  putInstance(fake, { region: US, max_players: 4, ...more }, { u1: 'joined', u2: 'joined', u3: fake.clock() + 50_000 });
const started = (): ReturnType<typeof allocationIn> =>
  allocationIn(fake, String(fake.query('SELECT id FROM gameye_allocation')[0]?.['id']));

describe('a rematch of a match', () => {
  it('starts when everybody who sits in it has asked for it, and those who left do not count', () => {
    match();
    expect(wantRematch(call, 'u1')).toEqual({ status: 'waiting', wanted_by: ['u1'], missing: ['u2', 'u3'] });
    expect(wantRematch(call, 'u1')).toEqual({ status: 'waiting', wanted_by: ['u1'], missing: ['u2', 'u3'] });
    leaveSeats(fake.nk, FLEET, 's1', ['u3']);
    expect(rowsIn(fake, 'allocation')).toBe(0);
    expect(wantRematch(call, 'u2')).toEqual({ status: 'starting' });
    expect(started()).toMatchObject({
      doc: { regions: [US, EU], request: { user_ids: ['u1', 'u2'], max_players: 4, backfill: false } },
    });
    for (const user of ['u1', 'u2']) expect(standing(call, user)).toMatchObject({ state: 'starting' });
    expect(instanceIn(fake)).toMatchObject({ seats: {}, status: 'draining' });
    expect(wantRematch(call, 'u1'), 'also when the answer was lost').toEqual({ status: 'starting' });
    expect(rowsIn(fake, 'allocation')).toBe(1);
  });

  it('is the same mode, and the same version while that is served', () => {
    call = { ...call, config: { ...call.config, modes: { duel: { version: '1.4' } } } };
    match({ mode: 'duel', version: '1.4' });
    for (const user of ['u1', 'u2', 'u3']) wantRematch(call, user);
    expect(started()).toMatchObject({ doc: { request: { mode: 'duel', version: '1.4' } } });
  });

  it('has the version that is in force when nobody serves the old one any more', () => {
    match({ version: '1.3' });
    for (const user of ['u1', 'u2', 'u3']) wantRematch(call, user);
    expect(started()?.doc).not.toHaveProperty('request.version');
  });

  it.each<[string, () => void, string]>([
    ['whoever sits nowhere', () => undefined, 'stranger'],
    ['the players of a room, whose host decides', () => match({ host: 'u1' }), 'u1'],
    ['a player who is the last one', () => putInstance(fake, {}, { u1: 'joined' }), 'u1'],
    [
      'those whose session ends',
      () => {
        match();
        fake.query("UPDATE gameye_instance SET ending = 'server'");
      },
      'u1',
    ],
  ])('is refused to %s', (_who, arrange, user) => {
    arrange();
    expect(refusal(() => wantRematch(call, user)).code).toBe(9);
    expect(rowsIn(fake, 'allocation')).toBe(0);
  });

  it('starts nothing for a player who waits for something else already', () => {
    match();
    putAllocation(fake, { user_ids: ['u4'] });
    expect(wantRematch(call, 'u4')).toEqual({ status: 'starting' });
    expect([rowsIn(fake, 'allocation'), seatOf(fake, 'u1')]).toMatchObject([1, { state: 'joined' }]);
  });

  it('can be asked for only so often in a minute', () => {
    match();
    for (let i = 0; i < 60; i++) wantRematch(call, 'u1');
    expect(refusal(() => wantRematch(call, 'u1')).code).toBe(8);
  });
});

it('a rematch of a room keeps the version that its players have', () => {
  call = { ...call, config: { ...call.config, version: '1.4' } };
  match({ host: 'u1', version: '1.4' });
  rematch(call, 'u1');
  expect(started()).toMatchObject({ doc: { request: { version: '1.4', room: {} } } });
});
