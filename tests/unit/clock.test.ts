import { beforeEach, describe, expect, it, vi } from 'vitest';
import { newAllocation } from '../../src/allocation/allocation';
import { isClockWrong } from '../../src/nakama/clock';
import type { Call } from '../../src/nakama/caller';
import { loopReconciler } from '../../src/supervision/reconciler';
import { loopSupervisor } from '../../src/worker/supervisor';
import { configWith } from './support/config';
import { ALLOCATIONS } from './support/life';
import { context, fakeNakama, goError, type FakeNakama } from './support/nakama';

const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;

let fake: FakeNakama;
let call: Call;
beforeEach(() => {
  vi.spyOn(Date, 'now').mockImplementation(() => NOW);
  fake = fakeNakama();
  fake.nk.localcachePut('gameye_supervisor', 'm1');
  fake.nk.localcachePut('gameye_reconciler', 'm1');
  call = { ctx: context({ matchId: 'm1' }), logger: fake.logger, nk: fake.nk, config: configWith() };
});

/** The database's clock is ahead by this much. */
const database = (ahead: number): void => {
  fake.nk.sqlQuery = (sql) => (sql.includes('clock_timestamp') ? [{ seconds: (NOW + ahead) / 1000 }] : []);
};
const errors = (): unknown[] => fake.log.filter(({ level }) => level === 'error').map(({ fields }) => fields);

describe('the clock of this server', () => {
  it.each([0, 19_000, -19_000])('is right when the database’s is %i ms ahead', (ahead) => {
    database(ahead);
    expect(isClockWrong(call)).toBe(false);
    expect(fake.log).toEqual([]);
  });
  it.each([HOUR, -HOUR, 21_000, -21_000])(
    'is wrong when the database’s is %i ms ahead, which is logged once',
    (ahead) => {
      database(ahead);
      expect([isClockWrong(call), isClockWrong(call)]).toEqual([true, true]);
      expect(errors()).toEqual([{ ahead_ms: String(-ahead) }]);
    },
  );
  it('is taken for right when the database does not tell', () => {
    fake.nk.sqlQuery = () => [];
    expect(isClockWrong(call)).toBe(false);
  });
});

describe('a node whose clock is an hour off', () => {
  const request = { user_ids: ['u1'], max_players: 1, latencies: [], metadata: {} };
  const resumed = (): number => fake.events.filter(({ kind }) => kind === 'match').length;
  beforeEach(() => {
    const old = newAllocation('s1', request, ['eu'], 'm2', 60_000, NOW - HOUR);
    fake.put(ALLOCATIONS, 's1', { ...old, attempts: 1, lease: { holder: 'm2', until_ms: NOW - HOUR + 20_000 } });
  });

  it('takes over no allocation of a node that is alive by the others’ clocks, until the clocks agree', () => {
    database(-HOUR);
    loopSupervisor(call, { supervisor: true });
    expect(resumed()).toBe(0);
    database(0);
    loopSupervisor(call, { supervisor: true });
    expect(resumed()).toBe(1);
  });

  it('compares no records and holds no lease for that, until the clocks agree', () => {
    database(-HOUR);
    const state = loopReconciler(call, { reconciler: true });
    expect(state).toMatchObject({ holds: false });
    expect([fake.requests, fake.stored('_gameye_control', 'reconcile')]).toEqual([[], undefined]);
    database(0);
    loopReconciler(call, { reconciler: true });
    expect(fake.requests).not.toEqual([]);
  });

  it('goes on when the database fails instead of telling the time', () => {
    fake.nk.sqlQuery = () => {
      throw goError('pq: the database system is shutting down');
    };
    expect(loopSupervisor(call, { supervisor: true })).toMatchObject({ supervisor: true });
    expect(loopReconciler(call, { reconciler: true })).toMatchObject({ holds: false });
    expect(errors()).toHaveLength(2);
  });
});
