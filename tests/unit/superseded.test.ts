import { beforeEach, describe, expect, it } from 'vitest';
import { newAllocation, type Allocation, type Waiting } from '../../src/allocation/allocation';
import { tellFailure } from '../../src/allocation/ending';
import { changeOf } from '../../src/allocation/ownership';
import { fail } from '../../src/allocation/transitions';
import { NO_LIMIT } from '../../src/database/allocation-row';
import { saveAttempt, saveFailed } from '../../src/database/allocations';
import { saveStarted } from '../../src/database/starting';
import { storeAllocation } from '../../src/database/storing';
import { configWith } from './support/config';
import { answer, CALM } from './support/gameye';
import { live, type Life } from './support/life';
import { context, fakeNakama, type Event, type FakeNakama } from './support/nakama';
import { allocationIn, FLEET, instanceIn, putAllocation, putInstance, rowsIn, seatOf } from './support/records';

/* A player who is matched again while an older match is still being started, or already plays. */
const lease = { holder: 'm1.n1', ms: 20_000 };
const WEEK_MS = 7 * 86_400_000;

let fake: FakeNakama;
beforeEach(() => {
  fake = fakeNakama();
});

/** Stores a newer match of `u1` and somebody else. */
function matchAgain(userIds = ['u1', 'u9'], server = fake) {
  const a = newAllocation('new', { user_ids: userIds, max_players: 2, latencies: [], metadata: {} }, ['eu'], 60_000, 0);
  const columns = { fleet: FLEET, create_timeout_ms: 60_000, guest_pool: null, user_ids: userIds };
  const another = { holder: 'm9.n1', ms: WEEK_MS };
  return storeAllocation(server.nk, { ...changeOf(a), ...columns, most: NO_LIMIT, most_starts: null }, another);
}
const old = (): Waiting => ({
  ...(putAllocation(fake, { user_ids: ['u1', 'u2'] }, {}, 'old') as Waiting),
  attempts: 1,
});
const version = (): number => allocationIn(fake, 'old')!.version;
const attempt = (a: Allocation) => saveAttempt(fake.nk, changeOf(a), version(), lease, NO_LIMIT, true);
const starting = (userId: string) => seatOf(fake, userId)?.['allocation_id'];

describe('a player who is matched again', () => {
  it('gives up the older seat at the same moment', () => {
    putInstance(fake, {}, { u1: 'joined', u2: 'joined' });
    expect(matchAgain()).toMatchObject({
      kind: 'stored',
      taken: ['u1', 'u9'],
      before: [{ user_id: 'u1', session_id: 's1' }],
    });
    expect(instanceIn(fake)).toMatchObject({ player_count: 1, seats: { u2: { state: 'joined' } } });
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'starting', session_id: 'new' });
  });

  it('has left the old session also when the new one never starts: Gameye hears so, and a session that nobody needs is stopped', () => {
    putInstance(fake, {}, { u1: 'joined', u2: 'joined' });
    putInstance(fake, { id: 's2' }, { u9: 'joined' });
    fake.query("UPDATE gameye_instance SET solo = true WHERE id = 's2'");
    const stored = matchAgain();
    fake.http = ({ url }) => answer(url.endsWith('/player/leave') ? 200 : 204, { count: 0, players: [] });
    const call = { ctx: context(), logger: fake.logger, nk: fake.nk, config: configWith() };
    const a = newAllocation(
      'new',
      { user_ids: ['u1', 'u9'], max_players: 2, latencies: [], metadata: {} },
      ['eu'],
      60_000,
      0,
    );
    const { version, before } = { version: 1, before: [], ...(stored.kind === 'stored' ? stored : {}) };
    tellFailure(call, fail({ ...a, version, before }, 'no_capacity', Date.now()));
    expect(fake.requests.map(({ method, url }) => `${method} ${url.replace(/^.*\/session\//, '')}`)).toEqual([
      'delete player/leave',
      'delete s2',
    ]);
    expect(instanceIn(fake, 's2')).toBeUndefined();
  });

  it('is not waited for any more in an older allocation, which goes on for the others', () => {
    const before = old();
    expect(matchAgain()).toMatchObject({ before: [] });
    expect([starting('u1'), starting('u2')]).toEqual(['new', 'old']);
    expect(attempt(before)).toMatchObject({ state: 'starting' });
  });

  it('ends an older allocation that was for nobody else: its session is not asked for, or not kept', () => {
    const before = old();
    matchAgain(['u1', 'u2']);
    expect(attempt(before)).toBe('nobody');
    const options = { waits: false, seatMs: null, hasPlayers: true };
    const instance = {
      ...{
        id: 'old',
        status: 'running',
        region: 'eu',
        image: 'i',
        version: '',
        ip_address: 'h',
        dns_name: '',
        port: 1,
      },
      ...{ ports: {}, max_players: 2, metadata: {}, pool: null, mode: '', solo: false, warm: null, ttl_ms: 1000 },
    };
    const started = saveStarted(fake.nk, changeOf(before), version(), lease, instance, options);
    expect(started).toMatchObject({ made: false, user_ids: [] });
    expect(rowsIn(fake, 'instance')).toBe(0);
  });

  it('has the session of an older attempt stopped, whose answer was lost, when nobody else waits for that', () => {
    const isTriedAgain = (event: Event, life: Life): boolean =>
      event.kind === 'sql' && life.row()?.last_failure !== undefined;
    const { running, api, row } = live({
      config: configWith({ GAMEYE_API_REGION: 'eu-central-1' }),
      turns: [{ ...CALM, fault: 'reply-lost' }],
      meanwhile: { before: isTriedAgain, act: (life) => void matchAgain(['u1', 'u2'], life.fake) },
    });
    expect([...api.sessions.keys()]).toEqual(['id-0']);
    expect(running).toEqual([]);
    expect(row()).toBeUndefined();
  });

  it('gets no seat in the older session when that starts later, and the others do', () => {
    const before = old();
    matchAgain();
    const options = { waits: false, seatMs: 60_000, hasPlayers: true };
    const instance = {
      ...{
        id: 'old',
        status: 'running',
        region: 'eu',
        image: 'i',
        version: '',
        ip_address: 'h',
        dns_name: '',
        port: 1,
      },
      ...{ ports: {}, max_players: 2, metadata: {}, pool: null, mode: '', solo: false, warm: null, ttl_ms: 1000 },
    };
    const started = saveStarted(fake.nk, changeOf(before), version(), lease, instance, options);
    expect(started).toMatchObject({ made: true, user_ids: ['u2'] });
    expect(instanceIn(fake, 'old')).toMatchObject({ player_count: 1, seats: { u2: { state: 'reserved' } } });
    expect(starting('u1')).toBe('new');
  });

  it('does not hear why the older allocation has failed; the others do, as often as that is told', () => {
    const before = old();
    matchAgain();
    for (let i = 0; i < 2; i++) {
      const failed = saveFailed(fake.nk, { ...changeOf(before), state: 'failed' }, version(), lease, 'no_capacity');
      expect(failed).toMatchObject({ user_ids: ['u2'] });
    }
    expect(seatOf(fake, 'u2')).toMatchObject({ state: 'failed', reason: 'no_capacity' });
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'starting', allocation_id: 'new' });
  });
});
