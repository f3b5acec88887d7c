import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { lapseSeats } from '../../src/database/instances';
import { closeDue } from '../../src/database/reconcile';
import { markReady } from '../../src/database/allocations';
import { arrive, setOpen, updateInstance } from '../../src/database/reports';
import { forgetSeats, leaveSeats, takeSeats } from '../../src/database/seats';
import type { Task } from '../../src/supervision/plan';
import { fakeNakama, type FakeNakama } from './support/nakama';
import { config, MINUTE, NOW, plan, store, type RecordLike } from './support/reconcile';
import { FLEET, instanceIn, putInstance } from './support/records';

let fake: FakeNakama;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW });
  fake = fakeNakama();
});
afterEach(() => void vi.useRealTimers());

/** What is planned for the only record; undefined: it stays at least until the next pass. */
const end = (): Task | undefined => plan(fake, undefined).tasks[0];
const stop = (at_ms: number, reason: string): object => ({ do: 'stop', id: 's1', at_ms, reason, runs: false });
const close = (): string[] => Object.keys(closeDue(fake.nk, FLEET, ['s1', 'none'], config.emptyGraceMs));

describe('an instance is retired', () => {
  const ends = NOW - MINUTE;
  const cases: [string, RecordLike, object | undefined][] = [
    ['at the end of its ttl and a margin while somebody is in it', { expiresAt: ends }, stop(NOW + MINUTE, 'expired')],
    [
      'after the grace, when the last player left',
      { players: 0, visited: true, emptySince: NOW },
      stop(NOW + MINUTE, 'empty'),
    ],
    ['after the grace, when nobody came', { players: 0, emptySince: NOW }, stop(NOW + MINUTE, 'no_show')],
    [
      'at its ttl, when the grace would be over later',
      { players: 0, emptySince: NOW, expiresAt: NOW - 2 * MINUTE },
      stop(NOW, 'expired'),
    ],
    ['at once when it drains and is empty', { players: 0, status: 'draining', emptySince: NOW }, stop(NOW, 'drained')],
    ['at once when it drains and nobody was ever in it', { players: 0, status: 'draining' }, stop(NOW, 'drained')],
    ['at its ttl when it was started for nobody', { players: 0, expiresAt: ends }, stop(NOW + MINUTE, 'expired')],
    ['not before its ttl, when it was started for nobody', { players: 0, expiresAt: NOW + MINUTE }, undefined],
    [
      'when nobody came within the time that its request says',
      { players: 0, awaitedUntil: NOW + 90_000, expiresAt: NOW + 30 * MINUTE },
      stop(NOW + 90_000, 'no_show'),
    ],
    [
      'at its ttl, when it may wait longer',
      { players: 0, awaitedUntil: NOW + MINUTE, expiresAt: ends - MINUTE },
      stop(NOW, 'expired'),
    ],
    [
      'after the grace once somebody was in it, however long it might have waited',
      { players: 0, visited: true, emptySince: NOW, awaitedUntil: NOW + 90 * MINUTE },
      stop(NOW + MINUTE, 'empty'),
    ],
    [
      'not before the time that its request says, when a reservation ran out',
      { players: 0, emptySince: NOW - MINUTE, awaitedUntil: NOW + 90_000 },
      stop(NOW + 90_000, 'no_show'),
    ],
    [
      'not while somebody is in it who came in time',
      { awaitedUntil: NOW - MINUTE, expiresAt: NOW + MINUTE },
      undefined,
    ],
    ['never, when it was adopted with players and nobody knows its ttl', {}, undefined],
    ['not while it drains and somebody is in it', { status: 'draining' }, undefined],
  ];
  it.each(cases)('%s', (_when, record, expected) => {
    store(fake, 's1', record);
    expect(end()).toEqual(expected);
    // What is not due yet is not closed either.
    const isDue = expected !== undefined && (expected as Task).at_ms <= NOW;
    expect(close()).toEqual(isDue ? ['s1'] : []);
    expect(instanceIn(fake)?.status).toBe(isDue ? 'draining' : (record.status ?? 'running'));
  });

  it('after the grace, counted from the last reservation that ran out', () => {
    putInstance(fake, {}, { u1: NOW - 9000, u2: NOW + 5000 });
    updateInstance(fake.nk, FLEET, 's1', 0, {});
    vi.setSystemTime(NOW + 4000);
    lapseSeats(fake.nk, FLEET);
    expect(end()).toBeUndefined();
    vi.setSystemTime(NOW + 5000);
    lapseSeats(fake.nk, FLEET);
    expect(end()).toEqual(stop(NOW + 5000 + MINUTE, 'no_show'));
  });

  const reports: [string, () => void][] = [
    ['counted nobody', () => void updateInstance(fake.nk, FLEET, 's1', 0, {})],
    ['said only where it is', () => void updateInstance(fake.nk, FLEET, 's1', undefined, { map: 'ice' }, true)],
    ['named a player who has no seat', () => void arrive(fake.nk, FLEET, 's1', ['u9'])],
    ['said that it is ready', () => void markReady(fake.nk, FLEET, 's1')],
    ['closed its session', () => void setOpen(fake.nk, FLEET, 's1', false)],
  ];
  it.each(reports)('when its game server %s, and the reservations ran out', (_what, report) => {
    putInstance(fake, {}, { u1: NOW + 5000, u2: NOW + 5000 });
    putInstance(fake, { id: 's0' }, { u9: 'joined' });
    report();
    vi.setSystemTime(NOW + 5000);
    lapseSeats(fake.nk, FLEET);
    expect(end()).toEqual(stop(NOW + 5000 + MINUTE, 'no_show'));
  });
  it('not for reservations that ran out when its game server never said anything: players may be in the game', () => {
    putInstance(fake, {}, { u1: NOW + 5000, u2: NOW + 5000 });
    // Another server speaks of it, which does not know who is in it.
    updateInstance(fake.nk, FLEET, 's1', undefined, { map: 'ice' });
    vi.setSystemTime(NOW + 5000);
    lapseSeats(fake.nk, FLEET);
    vi.setSystemTime(NOW + 60 * MINUTE);
    expect([end(), close()]).toEqual([undefined, []]);
    fake.query(`UPDATE gameye_instance SET status = 'draining'`);
    expect([end(), close()]).toEqual([undefined, []]);
    // Also when that is long ago.
    fake.query(`UPDATE gameye_seat SET update_time = now() - interval '2 days'`);
    forgetSeats(fake.nk);
    expect(end()).toBeUndefined();
    // Whose seat is elsewhere is not in the game.
    putInstance(fake, { id: 's0' });
    takeSeats(fake.nk, FLEET, 's0', ['u1', 'u2'], null);
    expect(end()).toMatchObject({ do: 'stop', id: 's1', reason: 'drained' });
  });
  it('at its ttl when its game server never said anything', () => {
    putInstance(fake, {}, { u1: NOW - 1 });
    fake.query(`UPDATE gameye_instance SET expires_at = now()`);
    lapseSeats(fake.nk, FLEET);
    expect(end()).toEqual(stop(NOW + 2 * MINUTE, 'expired'));
  });

  it('not when somebody came back', () => {
    putInstance(fake, {}, { u1: 'joined' });
    leaveSeats(fake.nk, FLEET, 's1', ['u1']);
    expect(end()).toEqual(stop(NOW + MINUTE, 'empty'));
    fake.query(`UPDATE gameye_instance SET joined = 1, player_count = 1, open_seats = 1, empty_since = NULL`);
    vi.setSystemTime(NOW + 2 * MINUTE);
    expect([end(), close()]).toEqual([undefined, []]);
  });

  it('only by its own fleet', () => {
    store(fake, 's1', { fleet: 'ranked', players: 0, status: 'draining' });
    expect([end(), close()]).toEqual([undefined, []]);
  });
});
