import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeControl } from '../../src/database/control';
import type { Call } from '../../src/nakama/caller';
import { changes } from '../../src/operations/changes';
import { drain, drainOne } from '../../src/operations/drain';
import { MODULE_VERSION } from '../../src/operations/module-version';
import { fleetStatus, reconcileJob } from '../../src/operations/status';
import { terminate, terminateOne } from '../../src/operations/terminate';
import { answer } from './support/gameye';
import { DATABASE_GONE, goError, type FakeNakama } from './support/nakama';
import { serverAt } from './support/operations';
import { allocationIn, instanceIn, putAllocation, putInstance } from './support/records';
import { refusal } from './support/refusal';

let fake: FakeNakama;
let call: Call;
let now: number;
beforeEach(() => {
  now = 1_700_000_000_000;
  ({ fake, call } = serverAt(() => now));
});
afterEach(() => void vi.restoreAllMocks());

const eu = { region: 'eu' };

describe('gameye_status', () => {
  it('counts what runs by region, version and status, the most sessions first', () => {
    putInstance(fake, { id: 's1', max_players: 4 }, { u1: 'joined', u2: now + 1000 });
    putInstance(fake, { id: 's2', max_players: 4 });
    putInstance(fake, { id: 's3', region: 'us', version: '2', status: 'draining' }, { u3: 'joined' });
    expect(fleetStatus(call, 1000).instances).toEqual({
      sessions: 3,
      players: 3,
      open_seats: 7,
      groups: [
        { region: 'eu', version: '', status: 'running', sessions: 2, players: 2, open_seats: 6 },
        { region: 'us', version: '2', status: 'draining', sessions: 1, players: 1, open_seats: 1 },
      ],
      truncated: false,
    });
    expect(fleetStatus(call, 2).instances).toMatchObject({ sessions: 2, truncated: true });
  });
  it('shows the queue, oldest first and at most a hundred, without what only waits to be forgotten', () => {
    const since = now;
    for (let i = 0; i < 105; i++, now += 1000) putAllocation(fake, {}, {}, `a${i}`);
    putAllocation(fake, {}, { state: 'announced' }, 'z');
    putAllocation(fake, {}, { state: 'over' }, 'y');
    const { allocations } = fleetStatus(call, 1000);
    expect(allocations).toMatchObject({
      open: 105,
      by_state: { starting: 105 },
      oldest_age_ms: now - since,
      truncated: false,
    });
    expect(allocations.queue.map(({ allocation }) => allocation)).toEqual(
      Array.from({ length: 100 }, (_, i) => `a${i}`),
    );
    expect(fleetStatus(call, 10).allocations).toMatchObject({ open: 10, truncated: true });
  });
  it('is empty where nothing runs', () => {
    const { instances, allocations } = fleetStatus(call, 1000);
    expect(instances).toEqual({ sessions: 0, players: 0, open_seats: 0, groups: [], truncated: false });
    expect(allocations).toEqual({ open: 0, by_state: {}, oldest_age_ms: 0, queue: [], truncated: false });
  });
  it('tells of each allocation how far it is, what it met, and when the next try and the deadline are', () => {
    const last_failure = { kind: 'no-capacity', operation: 'session-run', message: 'full', status: 420 } as const;
    putAllocation(fake, { user_ids: ['u1', 'u2'] }, { attempts: 2, last_failure, next_at_ms: now + 1700 });
    now += 1000;
    expect(fleetStatus(call, 1000).allocations.queue).toEqual([
      {
        allocation: 'a1',
        session_id: 'a1',
        state: 'starting',
        region: 'eu',
        players: 2,
        attempts: 2,
        age_ms: 1000,
        next_try_in_ms: 700,
        deadline_in_ms: 59_000,
        told: false,
        ids_to_stop: 0,
        failure: 'no-capacity',
        operation: 'session-run',
        message: 'full',
        status: 420,
      },
    ]);
  });
  it('says how the last comparison with the Session API went', () => {
    expect(fleetStatus(call, 10)).not.toHaveProperty('reconcile');
    const last = { at_ms: now, took_ms: 7, node: 'n2', records: 1, sessions: 1, strays: 0 };
    writeControl(fake.nk, reconcileJob('default'), { last });
    expect(fleetStatus(call, 10).reconcile).toEqual(last);
  });
  it('names the version of package.json', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(MODULE_VERSION).toBe(version);
  });
});

describe('gameye_drain', () => {
  it('closes all sessions that are meant at once, and opens them again', () => {
    for (let i = 0; i < 250; i++) putInstance(fake, { id: `s${i}` });
    putInstance(fake, { id: 'other', region: 'us' });
    expect(drain(call, eu, false)).toEqual({ changed: 250, starting: 0, cursor: '', more: false });
    expect(drain(call, eu, false), 'again').toMatchObject({ changed: 0 });
    expect(instanceIn(fake, 'other')).toMatchObject({ status: 'running' });
    expect(drain(call, eu, true)).toMatchObject({ changed: 250 });
    expect(instanceIn(fake, 's7')).toMatchObject({ status: 'running' });
  });
  it('passes over instances that ended, may be gone or are being started', () => {
    for (const status of ['exited', 'dead', 'lost', 'starting']) putInstance(fake, { id: status, status });
    expect(drain(call, eu, false)).toMatchObject({ changed: 0 });
    expect(drain(call, eu, true)).toMatchObject({ changed: 0 });
  });
  it('counts sessions that are being started in the regions and with the version that are meant', () => {
    putAllocation(fake, {}, {}, 'waits');
    putAllocation(fake, { version: '2' }, { state: 'queued' }, 'other version');
    putAllocation(fake, { image: 'other' }, {}, 'other image');
    putAllocation(fake, {}, { regions: ['us', 'eu'], region_index: 0 }, 'other region');
    putAllocation(fake, {}, { state: 'failed', reason: 'error' }, 'failed');
    putAllocation(fake, {}, { state: 'started', waits: true, session_id: 's1' }, 'not ready');
    putInstance(fake, { id: 's1', status: 'starting' });
    putAllocation(fake, {}, { state: 'started', waits: false, session_id: 's2' }, 'runs');
    putInstance(fake, { id: 's2' });
    expect(drain(call, eu, false)).toMatchObject({ changed: 1, starting: 4 });
    expect(drain(call, { version: '1.0' }, false)).toMatchObject({ starting: 3 });
    expect(drain(call, { ...eu, version: '2' }, false)).toMatchObject({ starting: 1 });
    expect(drain(call, { image: 'other' }, false)).toMatchObject({ starting: 1 });
    expect(drain(call, { image: 'my-game', region: 'us' }, false)).toMatchObject({ starting: 1 });
  });
  it('counts sessions that are being started of a mode, by the image and version of that mode', () => {
    call = { ...call, config: { ...call.config, modes: { duel: { image: 'duel-game', version: '7' } } } };
    putAllocation(fake, {}, {}, 'none');
    putAllocation(fake, { mode: 'duel' }, {}, 'duel');
    putAllocation(fake, { mode: 'gone' }, {}, 'configured no more');
    putInstance(fake, { id: 's1' });
    expect(drain(call, { mode: 'duel' }, false)).toMatchObject({ changed: 0, starting: 1 });
    expect(drain(call, { image: 'duel-game', version: '7' }, false)).toMatchObject({ starting: 1 });
    expect(drain(call, { image: 'my-game', version: '1.0' }, false)).toMatchObject({ starting: 2 });
    fake.query(`UPDATE gameye_instance SET mode = 'duel'`);
    expect(drain(call, { mode: 'duel', ...eu }, false)).toMatchObject({ changed: 1, starting: 1 });
  });
  it('of one session is refused with 9 while that is being started, with 5 when there is none, and leaves others alone', () => {
    putAllocation(fake);
    putInstance(fake, { id: 's0', status: 'starting' });
    putInstance(fake, { id: 's1', allocation_id: 'a9' });
    for (const id of ['a1', 's0']) expect(refusal(() => drainOne(call, id, {}, false)).code).toBe(9);
    expect(refusal(() => drainOne(call, 'x', {}, false)).code).toBe(5);
    expect(drainOne(call, 's1', { region: 'us' }, false)).toMatchObject({ changed: 0 });
    expect(drainOne(call, 'a9', eu, false)).toMatchObject({ changed: 1 });
    expect(instanceIn(fake)).toMatchObject({ status: 'draining' });
  });
});

describe('gameye_terminate', () => {
  it('gives up when the Session API does not work, and passes over a single refusal', () => {
    for (const id of ['s1', 's2', 's3']) putInstance(fake, { id });
    fake.http = ({ url }) => answer(url.endsWith('s1') ? 420 : 204, {});
    expect(terminate(call, eu, true, '')).toMatchObject({ stopped: 2, failed: [{ id: 's1' }], more: false });
    putInstance(fake, { id: 's2' });
    fake.http = () => answer(503, {});
    expect(terminate(call, eu, true, '')).toMatchObject({ stopped: 0, failed: [{ id: 's1' }], more: true });
  });
  it('ends when the time is up, and goes on from its cursor', () => {
    for (let i = 10; i < 20; i++) putInstance(fake, { id: `s${i}` });
    fake.http = ({ url }) => {
      now += 1000;
      return answer(url.endsWith('s10') ? 420 : 204, {});
    };
    const first = terminate(call, eu, true, '');
    expect(first).toMatchObject({ stopped: 3, failed: [{ id: 's10' }], more: true });
    fake.http = () => answer(204, {});
    expect(terminate(call, eu, true, first.cursor)).toMatchObject({ stopped: 6, failed: [], more: false, cursor: '' });
    expect(instanceIn(fake, 's10'), 'was passed over').toBeDefined();
  });
  it('refuses a cursor of somebody else, and more than one session unconfirmed', () => {
    putInstance(fake, { id: 's1' });
    putInstance(fake, { id: 's2' });
    expect(refusal(() => terminate(call, eu, true, 'nonsense'))).toMatchObject({ code: 3 });
    expect(refusal(() => terminate(call, eu, false, ''))).toMatchObject({ code: 3 });
    expect(fake.requests).toEqual([]);
  });
  it('cancels an allocation that is being started, unless another is meant', () => {
    fake.http = () => answer(404, {});
    putAllocation(fake);
    expect(terminateOne(call, 'a1', { region: 'us' })).toMatchObject({ stopped: 0 });
    expect(allocationIn(fake)).toMatchObject({ cancelled: false });
    expect(terminateOne(call, 'a1', { ...eu, image: 'other' })).toMatchObject({ stopped: 0 });
    expect(terminateOne(call, 'a1', { ...eu, image: 'my-game' })).toMatchObject({ stopped: 1 });
    expect(allocationIn(fake)).toMatchObject({ cancelled: true });
  });
  it('is recorded before the first stop, so that operators see it when the process dies', () => {
    putInstance(fake, { id: 's1' });
    putInstance(fake, { id: 's2' });
    const listed = () => changes(call, 10, '').changes.map(({ meant, after }) => ({ meant, after }));
    let stops = 0;
    fake.http = () => {
      stops++;
      expect(listed()).toEqual([{ meant: eu, after: null }]);
      return answer(204, {});
    };
    fake.before = (event) => {
      if (event.kind === 'sql' && event.statement.includes('UPDATE gameye_change')) throw goError(DATABASE_GONE);
    };
    expect(terminate(call, eu, true, '')).toMatchObject({ stopped: 2 });
    expect(stops).toBe(2);
    expect(listed()).toEqual([{ meant: eu, after: null }]);
    fake.before = () => undefined;
    expect(terminate(call, eu, true, '')).toMatchObject({ stopped: 0 });
    expect(listed(), 'nothing was meant').toHaveLength(1);
  });
});
