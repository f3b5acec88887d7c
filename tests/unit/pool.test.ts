import { describe, expect, it } from 'vitest';
import { newAllocation } from '../../src/allocation/allocation';
import { decided, poolOf, seekingSeats } from '../../src/backfill/pool';
import type { AllocationRequest } from '../../src/allocation/request';
import { cancel, withoutPlayer } from '../../src/allocation/transitions';
import { setDoor } from '../../src/fleet/fleet-manager';
import type { Instance } from '../../src/instances/instance';
import { earlyPool, fullest, hasRoomFor, isDoorOpen, withDoor, withPlayersTold } from '../../src/instances/pool';
import { configWith } from './support/config';
import { INSTANCES } from './support/life';
import { context, fakeNakama } from './support/nakama';
import { refusal } from './support/refusal';

const NOW = 1_700_000_000_000;
const TTL = 30 * 60_000;
const config = configWith({ GAMEYE_BACKFILL: 'on' });
const { nk, logger } = fakeNakama();
const request: AllocationRequest = { user_ids: ['a', 'b'], max_players: 8, latencies: [], metadata: { mode: 'duel' } };
const instance: Instance = {
  ...{ id: 's', connection_info: { ip_address: '10.0.0.1', dns_name: '', port: 1 }, create_time: '', player_count: 1 },
  ...{ status: 'running', metadata: {}, region: 'eu-central-1', image: 'my-game', version: '', max_players: 4 },
  ...{ open_seats: 3, ports: {}, seats: { old: { state: 'joined' } }, unseated: 0, pool: 'p1' },
};
const seeker = { pool: 'p1', regions: ['eu-central-1'], user_ids: ['a', 'b'] };

describe('requests share a pool', () => {
  const pool = (more: Partial<AllocationRequest>): string => poolOf(nk, config, { ...request, ...more });

  it('when nothing that the game server notices is different', () => {
    expect(pool({ user_ids: ['c'], latencies: [{ user_id: 'c', region: 'x', ms: 1 }] })).toBe(pool({}));
    expect(pool({ metadata: { a: 1, b: { c: 2, d: 3 } } })).toBe(pool({ metadata: { b: { d: 3, c: 2 }, a: 1 } }));
    expect(pool({ metadata: { mode: 'duel', 'gameye.external_id': 'x' } })).toBe(pool({}));
  });

  it.each<[string, Partial<AllocationRequest>]>([
    ['metadata', { metadata: { mode: 'race' } }],
    ['environment', { metadata: { mode: 'duel', 'gameye.env': { A: 'b' } } }],
    ['size', { max_players: 9 }],
    ['version', { version: '2' }],
    ['image', { image: 'other' }],
  ])('unless their %s is another', (_what, more) => {
    expect(pool(more)).not.toBe(pool({}));
    expect(pool({})).toMatch(/^p[0-9a-f]{16}$/);
  });

  it('of the same fleet only', () => {
    const other = configWith({ GAMEYE_BACKFILL: 'on', GAMEYE_FLEET: 'other' });
    expect(poolOf(nk, other, request)).not.toBe(pool({}));
  });
});

describe('an allocation looks for seats', () => {
  const asked = newAllocation('id', request, ['eu-central-1'], 'm', 60_000, NOW);

  it('with backfill, unless its match wants to be alone; without, nothing is different', () => {
    expect(seekingSeats(config, asked).next).toBe('join');
    expect(seekingSeats(configWith(), asked)).toBe(asked);
    const alone = { ...asked, request: { ...request, backfill: false } };
    expect(seekingSeats(config, alone)).toBe(alone);
    expect(decided(nk, config, alone).backfill).toBeUndefined();
    expect(decided(nk, configWith(), asked).backfill).toBeUndefined();
  });

  it('and frees the seats of those who do not come, but not those they had before', () => {
    const backfill = { pool: 'p1', passed: [], vacates: [], guests: [], joins: instance };
    const joined = { ...asked, state: 'joined' as const, backfill, superseded: [{ user_id: 'b', session_id: 's' }] };
    expect(withoutPlayer(joined, 'a', NOW)).toMatchObject({
      state: 'joined',
      request: { user_ids: ['b'] },
      backfill: { vacates: [{ user_id: 'a', session_id: 's' }] },
    });
    // Who is just told an address is not told a reason as well.
    expect(cancel(joined, NOW).told).toBe(false);
    expect(cancel({ ...joined, backfill: { ...backfill, registered: true } }, NOW).told).toBe(true);
    const cancelled = cancel(joined, NOW);
    expect(cancelled).toMatchObject({ state: 'cancelled', abandoned: [] });
    expect(cancelled.backfill).toEqual({
      ...{ pool: 'p1', passed: [], guests: [], vacates: [{ user_id: 'a', session_id: 's' }] },
    });
  });
});

describe('an instance takes a group', () => {
  it.each<[string, Partial<Instance>, boolean]>([
    ['that fits', {}, true],
    ['of which one has a seat there', { max_players: 2, seats: { a: { state: 'joined' } } }, true],
    ['unless there are too few seats', { max_players: 2 }, false],
    ['when reservations ran out', { max_players: 2, seats: { old: { state: 'reserved', until_ms: NOW } } }, true],
    ['unless more play than have seats', { unseated: 2 }, false],
    ['unless it drains', { status: 'draining' }, false],
    ['unless it may be gone', { status: 'lost' }, false],
    ['unless it is of another pool', { pool: 'p2' }, false],
    ['unless its door is closed', { pool: 'closed-p1' }, false],
    ['unless its own players were not told yet', { pool: earlyPool('p1') }, false],
    ['unless it is elsewhere', { region: 'us-east-1' }, false],
    ['unless it ends soon', { expires_at_ms: NOW + 4 * 60_000 }, false],
    ['as long as it lasts', { expires_at_ms: NOW + 6 * 60_000 }, true],
  ])('%s', (_what, change, expected) => {
    expect(hasRoomFor({ ...instance, ...change }, seeker, TTL, NOW)).toBe(expected);
  });

  it('before others when it is fuller, and before all when they sit there already', () => {
    const row = (id: string, open_seats: number, seats: Instance['seats'] = {}) => ({
      value: { ...instance, id, open_seats, seats },
    });
    const home = row('home', 7, { a: { state: 'joined' }, b: { state: 'joined' } });
    expect(fullest([row('x', 5), row('y', 2), row('z', 3)], ['a', 'b'])?.value.id).toBe('y');
    expect(fullest([row('x', 5), row('y', 2), home], ['a', 'b'])?.value.id).toBe('home');
    expect(fullest([], ['a'])).toBeUndefined();
  });
});

describe('a door', () => {
  it('closes and opens, and nothing changes when it is so already', () => {
    const closed = withDoor(instance, false);
    expect([isDoorOpen(instance), isDoorOpen(closed), isDoorOpen(withDoor(closed, true))]).toEqual([true, false, true]);
    expect(withDoor(instance, true)).toBe(instance);
    expect(withDoor(closed, false)).toBe(closed);
    expect(withDoor(closed, true)).toEqual(instance);
  });

  it('that its game server closed stays so when the players are told', () => {
    const early = { ...instance, pool: earlyPool('p1') };
    expect(withPlayersTold(early)).toEqual(instance);
    expect(isDoorOpen(withPlayersTold(withDoor(early, false)))).toBe(false);
  });

  it('leads nowhere in a session that takes no part in backfill', () => {
    const fake = fakeNakama();
    const { pool: _pool, ...without } = instance;
    fake.put(INSTANCES, 's', without);
    const call = { ctx: context(), logger, nk: fake.nk, config };
    expect(setDoor(call, 's', false)).toBe(false);
    expect(refusal(() => setDoor(call, 's', true))).toMatchObject({ code: 9 });
    expect(fake.stored(INSTANCES, 's')).toEqual(without);
  });
});
