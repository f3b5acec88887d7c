import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newAllocation, type Allocation } from '../../src/allocation/allocation';
import { changeOf } from '../../src/allocation/ownership';
import { NO_LIMIT } from '../../src/database/allocation-row';
import { endAllocation } from '../../src/database/allocations';
import { storeAllocation } from '../../src/database/storing';
import { SCHEMA_VERSION, schemaVersion } from '../../src/database/schema';
import { ensureSupervisor } from '../../src/supervision/heartbeat';
import { resumeAllocations } from '../../src/supervision/resume';
import type { Call } from '../../src/nakama/caller';
import { loopAllocator, type AllocatorState } from '../../src/worker/allocator';
import { loopSupervisor, type SupervisorState } from '../../src/worker/supervisor';
import { configWith } from './support/config';
import { context, DATABASE_GONE, fakeNakama, goError, PROCESS, type FakeNakama } from './support/nakama';
import { allocationIn, instanceIn, putInstance, rowsIn, seatOf } from './support/records';

const T0 = 1_700_000_000_000;
const MINUTE = 60_000;
const request = { user_ids: ['u1'], max_players: 2, latencies: [], metadata: {} };

let fake: FakeNakama;
let call: Call;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: T0 });
  fake = fakeNakama();
  call = callOf('m2.n2');
});
afterEach(() => void vi.useRealTimers());

const callOf = (matchId: string, nk = fake.nk): Call => ({
  ctx: context({ matchId }),
  logger: fake.logger,
  nk,
  config: configWith(),
});
const matches = (): { [key: string]: string }[] =>
  fake.events.flatMap((event) => (event.kind === 'match' ? [event.params as { [key: string]: string }] : []));
const wait = (ms: number): void => void vi.setSystemTime(Date.now() + ms);

/** Stores an allocation whose worker `m1.n1` has its lease for twenty seconds. */
function put(id = 'a1', more: object = {}, fleet = 'default', holder = { holder: 'm1.n1', ms: 20_000 }): Allocation {
  const a = { ...newAllocation(id, { ...request, user_ids: [`of-${id}`] }, ['eu'], MINUTE, Date.now()), ...more };
  const rest = { create_timeout_ms: MINUTE, guest_pool: null, most: NO_LIMIT, most_starts: null };
  storeAllocation(fake.nk, { ...changeOf(a), fleet, user_ids: a.request.user_ids, ...rest }, holder);
  return a;
}

/** What the match that was started last would begin with. */
function started(): AllocatorState {
  const { allocation = '', from } = matches().at(-1)!;
  return { allocation, ...(from === undefined ? {} : { from }), wake_at_ms: 0 };
}

describe('an allocation', () => {
  it.each<[string, object, number, boolean]>([
    ['whose worker holds the lease is left to it', {}, 20_000, false],
    ['whose lease ran out is resumed', {}, 20_001, true],
    ['that is queued, and has no worker, is resumed', { state: 'queued' }, 20_001, true],
    ['that is started, with nobody told, is resumed', { state: 'started', waits: false }, 20_001, true],
    ['that failed, with an id to stop, is resumed', { state: 'failed', abandoned: [{ session_id: 'x' }] }, 9e5, true],
    ['that is cancelled is resumed', { state: 'cancelled' }, 9e5, true],
    ['announced, with an id to stop, is resumed', { state: 'announced', abandoned: [{ session_id: 'x' }] }, 9e5, true],
  ])('%s', (_situation, more, after, expected) => {
    put('a1', more);
    wait(after);
    resumeAllocations(call);
    expect(matches()).toHaveLength(expected ? 1 : 0);
    if (expected)
      expect(matches()[0]).toMatchObject({ from: `${PROCESS}/m2.n2`, allocation: expect.stringContaining('"a1"') });
  });

  it('that is over and only kept for whoever asks is left alone', () => {
    put();
    endAllocation(fake.nk, 'a1', 'm1.n1', 9e9);
    wait(9e5);
    resumeAllocations(call);
    expect(matches()).toEqual([]);
    expect(allocationIn(fake)?.state).toBe('over');
  });

  it('of another fleet is left to its own nodes', () => {
    put('a1', {}, 'ranked');
    wait(9e5);
    resumeAllocations(call);
    expect(matches()).toEqual([]);
  });

  it('is given to one of the supervisors that look at the same time', () => {
    put();
    wait(21_000);
    resumeAllocations(call);
    resumeAllocations(callOf('m3.n3'));
    resumeAllocations(call);
    expect(matches()).toHaveLength(1);
  });

  it('gets another worker when the first one never worked, whether its match was started or not', () => {
    put();
    fake.nk.matchCreate = () => {
      throw goError('error creating match: shutdown in progress');
    };
    wait(21_000);
    resumeAllocations(call);
    expect(allocationIn(fake)).toBeDefined();
    fake.nk.matchCreate = (module, params = {}) => (fake.events.push({ kind: 'match', module, params }), 'm4.n2');
    for (let i = 0; i < 19; i++) {
      wait(1000);
      resumeAllocations(call);
    }
    expect(matches()).toEqual([]);
    wait(2000);
    resumeAllocations(call);
    expect(matches()).toHaveLength(1);
    wait(21_000);
    resumeAllocations(call);
    expect(matches()).toHaveLength(2);
  });

  it('whose worker cannot be started keeps no other allocation from its worker', () => {
    for (const id of ['a1', 'a2', 'a3']) put(id);
    const create = fake.nk.matchCreate;
    let first = true;
    fake.nk.matchCreate = (module, params) => {
      if (!first) return create(module, params);
      first = false;
      throw goError('error creating match: out of memory');
    };
    wait(21_000);
    resumeAllocations(call);
    expect(matches()).toHaveLength(2);
    expect(fake.log).toContainEqual(expect.objectContaining({ level: 'error' }));
  });

  it('is resumed however many there are: a hundred in each pass, those that wait longest first', () => {
    for (let i = 0; i < 150; i++) put(`a${i}`);
    wait(1000);
    put('last');
    wait(21_000);
    resumeAllocations(call);
    expect(matches()).toHaveLength(100);
    resumeAllocations(call);
    expect(matches()).toHaveLength(151);
    expect(matches().at(-1)?.['allocation']).toContain('"last"');
  });

  it('is resumed by the database’s clock, however wrong that of this server is', () => {
    put();
    fake.clock = () => T0 + 21_000;
    vi.setSystemTime(T0 - 60 * MINUTE);
    resumeAllocations(call);
    expect(matches()).toHaveLength(1);
    fake.clock = () => T0 + 22_000;
    vi.setSystemTime(T0 + 60 * MINUTE);
    resumeAllocations(callOf('m3.n3'));
    expect(matches()).toHaveLength(1);
  });
});

describe('a worker that takes over', () => {
  beforeEach(() => {
    put();
    wait(21_000);
    resumeAllocations(call);
  });

  it('does nothing when another one was faster', () => {
    const state = started();
    wait(21_000);
    resumeAllocations(callOf('m3.n3'));
    loopAllocator(callOf('m9.n3'), started());
    const before = [fake.requests.length, fake.sent().length];
    expect(loopAllocator(callOf('m5.n2'), state)).toBeUndefined();
    expect([fake.requests.length, fake.sent().length]).toEqual(before);
  });

  it('holds the lease before it sends a request or tells anybody anything', () => {
    let holder: unknown;
    fake.before = (event) => {
      if (event.kind === 'http') holder ??= fake.query('SELECT holder FROM gameye_allocation')[0]?.['holder'];
    };
    loopAllocator(callOf('m5.n2'), started());
    expect(holder).toBe(`${PROCESS}/m5.n2`);
  });

  it('tries again for the lease when the database fails', () => {
    fake.before = () => {
      throw goError(DATABASE_GONE);
    };
    const state = loopAllocator(callOf('m5.n2'), started());
    expect(state).toMatchObject({ from: `${PROCESS}/m2.n2` });
    expect(fake.requests).toEqual([]);
    fake.before = () => undefined;
    wait(2000);
    loopAllocator(callOf('m5.n2'), state!);
    expect(fake.requests).not.toEqual([]);
  });
});

describe('a worker whose server shuts down', () => {
  /** One that waits for something. */
  const waiting = (more: object): AllocatorState => {
    return { allocation: JSON.stringify(put('a1', more)), wake_at_ms: Date.now() + 10_000, ending: true };
  };

  it('goes on as long as somebody waits for its answer', () => {
    const state = waiting({});
    expect(loopAllocator(call, state)).toEqual(state);
  });

  it.each(['failed', 'cancelled'])(
    'leaves the sessions that are only to be stopped to the other nodes: %s',
    (state) => {
      const ended = { state, reason: 'timeout', abandoned: [{ session_id: 's1', since_ms: T0 }] };
      expect(loopAllocator(call, waiting({ ...ended, told: false }))).toBeDefined();
      expect(loopAllocator(call, waiting({ ...ended, told: true }))).toBeUndefined();
      expect(allocationIn(fake)?.doc).toMatchObject({ abandoned: [{ session_id: 's1' }] });
    },
  );
});

describe('the supervisor of a node', () => {
  let state: SupervisorState = { supervisor: true };
  beforeEach(() => {
    state = { supervisor: true };
    fake.nk.localcachePut('gameye_supervisor', '', 1e6);
  });
  /** Ticks for so long, once a second. */
  const run = (ms: number): void => {
    for (let left = ms; left > 0; left -= 1000) {
      wait(1000);
      state = loopSupervisor(call, JSON.parse(JSON.stringify(state)) as SupervisorState)!;
    }
  };

  it('resumes an allocation that has lost its worker, within two seconds', () => {
    run(1000);
    put('a1', {}, 'default', { holder: '', ms: 5000 });
    run(5000);
    expect(matches()).toEqual([]);
    run(2000);
    expect(matches()).toHaveLength(1);
  });

  it('frees seats whose reservation ran out, within a second', () => {
    putInstance(fake, {}, { u1: T0 + 10_000, u2: 'joined' });
    run(9000);
    expect(instanceIn(fake)).toMatchObject({ player_count: 2, open_seats: 0 });
    run(1000);
    expect(instanceIn(fake)).toMatchObject({ player_count: 1, open_seats: 1 });
    expect(seatOf(fake, 'u1')).toMatchObject({ state: 'lapsed' });
  });

  it('deletes rows that nobody asks for any more, however many there are', () => {
    fake.query(
      `INSERT INTO gameye_seat (user_id, state, update_time) SELECT 'u' || n, 'left', to_timestamp($1::float8 / 1000)
      FROM generate_series(1, 2500) n`,
      [T0],
    );
    put();
    endAllocation(fake.nk, 'a1', 'm1.n1', MINUTE);
    run(MINUTE);
    expect([rowsIn(fake, 'seat'), rowsIn(fake, 'allocation')]).toEqual([2501, 1]);
    run(2 * MINUTE);
    expect([rowsIn(fake, 'seat'), rowsIn(fake, 'allocation')]).toEqual([1, 0]);
  });

  it('survives a pass that fails, says so, and goes on some seconds later', () => {
    fake.before = (event) => {
      if (event.kind === 'sql') throw goError(DATABASE_GONE);
    };
    run(20_000);
    const errors = fake.log.filter(({ level }) => level === 'error');
    expect(errors.length).toBeGreaterThan(1);
    expect(errors.length).toBeLessThan(6);
    fake.before = () => undefined;
    put('a1', {}, 'default', { holder: '', ms: 1 });
    run(6000);
    expect(matches()).toHaveLength(1);
  });

  it('goes on when the clock of its server is put back by an hour', () => {
    fake.before = () => {
      throw goError(DATABASE_GONE);
    };
    run(1000);
    fake.before = () => undefined;
    fake.clock = () => Date.now() + 60 * MINUTE;
    vi.setSystemTime(Date.now() - 60 * MINUTE);
    put('a1', {}, 'default', { holder: '', ms: 1 });
    run(2000);
    expect(matches()).toHaveLength(1);
  });

  it('creates the tables when they are missing, and tries that once a minute at most', () => {
    run(1000);
    fake.query(`DO $$ DECLARE one text; BEGIN
      FOR one IN SELECT 'TABLE ' || oid::regclass FROM pg_class WHERE relkind = 'r' AND relname LIKE 'gameye_%'
        UNION ALL SELECT 'FUNCTION ' || oid::regprocedure FROM pg_proc WHERE proname LIKE 'gameye_%'
      LOOP EXECUTE 'DROP ' || one || ' CASCADE'; END LOOP; END $$`);
    let forbidden = 0;
    fake.before = (event) => {
      if (event.kind !== 'sql' || !event.statement.includes('CREATE TABLE')) return;
      forbidden++;
      throw goError('failed to exec db query: ERROR: permission denied for schema public (SQLSTATE 42501)');
    };
    run(50_000);
    expect(forbidden).toBe(1);
    fake.before = () => undefined;
    run(70_000);
    expect(schemaVersion(fake.nk)).toBe(SCHEMA_VERSION);
    const before = fake.log.filter(({ level }) => level === 'error').length;
    run(10_000);
    expect(fake.log.filter(({ level }) => level === 'error')).toHaveLength(before);
  });

  it('is started once, however many hooks and RPCs miss it, and again some seconds after it fell silent', () => {
    fake.nk.localcachePut('gameye_supervisor', '', 0.001);
    wait(10);
    ensureSupervisor(fake.nk);
    ensureSupervisor(fake.nk);
    expect(matches()).toEqual([{ supervisor: 'yes' }]);
    run(3000);
    wait(4000);
    ensureSupervisor(fake.nk);
    expect(matches()).toHaveLength(1);
    wait(2000);
    ensureSupervisor(fake.nk);
    expect(matches()).toHaveLength(2);
  });

  it('is started again at once when Nakama has ended it', () => {
    run(1000);
    ensureSupervisor(fake.nk);
    expect(matches()).toEqual([]);
    fake.ended.add('m2.n2');
    ensureSupervisor(fake.nk);
    ensureSupervisor(fake.nk);
    expect(matches()).toEqual([{ supervisor: 'yes' }]);
  });

  it('fails nothing when the server shuts down', () => {
    fake.nk.localcachePut('gameye_supervisor', '', 0.001);
    wait(10);
    fake.nk.matchCreate = () => {
      throw goError('error creating match: shutdown in progress');
    };
    expect(() => ensureSupervisor(fake.nk)).not.toThrow();
  });

  it('ends when another one supervises the node, and stays when it is alone', () => {
    expect(loopSupervisor(call, state)).toBeDefined();
    expect(loopSupervisor(callOf('m3.n2'), { supervisor: true })).toBeUndefined();
    expect(loopSupervisor(call, state)).toBeDefined();
  });
});
