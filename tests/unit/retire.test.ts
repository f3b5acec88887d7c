import { describe, expect, it } from 'vitest';
import { newInstance, recount, type Instance } from '../../src/instances/instance';
import type { Seats } from '../../src/instances/seats';
import { retirement } from '../../src/supervision/retire';
import { configWith } from './support/config';

const NOW = 1_700_000_000_000;
const MINUTE = 60_000;
const config = configWith();

function instance(id: string, more: Partial<Instance> = {}, seats: Seats = { u1: { state: 'joined' } }): Instance {
  const session = { id, region: 'eu', maxPlayers: 4, metadata: {}, startedAtMs: NOW - 10 * MINUTE, ttlMs: 30 * MINUTE };
  return { ...newInstance(config, session, { host: '1.2.3.4', ports: { '7777/udp': 20001 } }, seats)!, ...more };
}

describe('an instance is retired', () => {
  const empty = (since: number): Instance =>
    recount(instance('a', { empty_since_ms: since, visited: true }, {}), since);
  const cases: [string, Instance, { at_ms: number; reason: string } | undefined][] = [
    ['at the end of its ttl while somebody is in it', instance('a'), { at_ms: NOW + 22 * MINUTE, reason: 'expired' }],
    ['after the grace, when the last player left', empty(NOW), { at_ms: NOW + MINUTE, reason: 'empty' }],
    [
      'after the grace, when nobody came',
      instance(
        'a',
        {},
        { u1: { state: 'reserved', until_ms: NOW - 5000 }, u2: { state: 'reserved', until_ms: NOW - 9000 } },
      ),
      { at_ms: NOW - 5000 + MINUTE, reason: 'no_show' },
    ],
    ['at once when it drains and is empty', { ...empty(NOW), status: 'draining' }, { at_ms: NOW, reason: 'drained' }],
    [
      'at once when it drains and nobody was ever in it',
      instance('a', { status: 'draining' }, {}),
      { at_ms: NOW, reason: 'drained' },
    ],
    [
      'at its ttl when it was started for nobody',
      instance('a', {}, {}),
      { at_ms: NOW + 22 * MINUTE, reason: 'expired' },
    ],
  ];
  it.each(cases)('%s', (_when, one, expected) => {
    expect(retirement(config, one, NOW)).toEqual(expected);
  });
  it('never, when it was adopted with players and nobody knows its ttl', () => {
    const { expires_at_ms: _ends, ...adopted } = instance('a');
    expect(retirement(config, adopted, NOW)).toBeUndefined();
  });
  it('not while a reservation holds', () => {
    const held = instance('a', {}, { u1: { state: 'reserved', until_ms: NOW + 1 } });
    expect(retirement(config, held, NOW)?.reason).toBe('expired');
  });
});
