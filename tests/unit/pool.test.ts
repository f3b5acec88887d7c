import { describe, expect, it } from 'vitest';
import { newAllocation } from '../../src/allocation/allocation';
import { decided } from '../../src/allocation/decide';
import { guestPool, poolOf } from '../../src/allocation/pool';
import type { AllocationRequest } from '../../src/records';
import { configWith } from './support/config';
import { fakeNakama } from './support/nakama';

const NOW = 1_700_000_000_000;
const config = configWith({ GAMEYE_BACKFILL: 'on' });
const { nk } = fakeNakama();
const request: AllocationRequest = { user_ids: ['a', 'b'], max_players: 8, latencies: [], metadata: { mode: 'duel' } };

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

describe('an allocation', () => {
  const asked = newAllocation('id', request, ['eu-central-1', 'us-east-1'], 60_000, NOW);

  it('has a pool with backfill, unless its match wants to be alone', () => {
    const alone = { ...asked, request: { ...request, backfill: false } };
    expect(decided(nk, config, asked).pool).toBe(poolOf(nk, config, request));
    expect(decided(nk, config, alone).pool).toBeUndefined();
    expect(decided(nk, configWith(), asked).pool).toBeUndefined();
  });

  it('waits for a session together with others that the same regions suit, in any order', () => {
    const pooled = decided(nk, config, asked);
    const turned = { ...pooled, regions: ['us-east-1', 'eu-central-1'] };
    expect(guestPool(nk, config, turned)).toBe(guestPool(nk, config, pooled));
    expect(guestPool(nk, config, { ...pooled, regions: ['us-east-1'] })).not.toBe(guestPool(nk, config, pooled));
    expect(guestPool(nk, config, asked)).toBeNull();
  });
});
