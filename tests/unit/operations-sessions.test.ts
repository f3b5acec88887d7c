import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newAllocation } from '../../src/allocation/allocation';
import { newInstance, type Instance } from '../../src/instances/instance';
import type { Call } from '../../src/nakama/caller';
import { listRows, visitRows } from '../../src/nakama/pages';
import { drain } from '../../src/operations/drain';
import { MODULE_VERSION } from '../../src/operations/module-version';
import { fleetStatus } from '../../src/operations/status';
import { terminate } from '../../src/operations/terminate';
import { answer } from './support/gameye';
import { ALLOCATIONS, INSTANCES } from './support/life';
import { goError, type FakeNakama } from './support/nakama';
import { config, request, serverAt } from './support/operations';

let fake: FakeNakama;
let call: Call;
let now: number;
beforeEach(() => {
  now = 1_700_000_000_000;
  ({ fake, call } = serverAt(() => now));
});
afterEach(() => void vi.restoreAllMocks());

const reads = (): number => fake.events.filter((event) => event.kind === 'read').length;

function store(id: string, more: Partial<Instance> = {}): void {
  const session = { id, region: 'eu', maxPlayers: 4, metadata: {}, startedAtMs: 0 };
  const made = newInstance(config, session as never, { host: '1.2.3.4', ports: { '7777/udp': 1 } }, {})!;
  fake.put(INSTANCES, id, { ...made, ...more });
}

describe('records in pages', () => {
  it('are all visited once, without those of players', () => {
    for (let i = 0; i < 1203; i++) store(`s${i}`);
    fake.put(`${INSTANCES}`, 'fake@player', { id: 'fake' });
    const seen: string[] = [];
    expect(visitRows(fake.nk, INSTANCES, now + 1, (_value, key) => seen.push(key) > 0)).toBe(true);
    expect(new Set(seen).size).toBe(1203);
    expect(reads()).toBe(3);
  });
  it('end with the time', () => {
    for (let i = 0; i < 1203; i++) store(`s${i}`);
    fake.after = () => void (now += 600);
    expect(visitRows(fake.nk, INSTANCES, now + 1000, () => true)).toBe(false);
    expect(reads()).toBe(2);
  });
  it('refuse a cursor of somebody else, and pass on what the database throws', () => {
    expect(listRows(fake.nk, INSTANCES, 10, 'nonsense')).toBe('bad-cursor');
    fake.before = () => {
      throw goError('pq: gone');
    };
    expect(() => listRows(fake.nk, INSTANCES, 10, '')).toThrow('gone');
  });
});

describe('the status', () => {
  it('shows the queue, oldest first and at most a hundred, without what only leads to another id', () => {
    const base = newAllocation('a', request, ['eu'], 'm1', 60_000, now);
    for (let i = 0; i < 105; i++) {
      fake.put(ALLOCATIONS, `a${i}`, { ...base, id: `a${i}`, session_id: `a${i}`, created_at_ms: now - 1000 * i });
    }
    fake.put(ALLOCATIONS, 'z', { ...base, id: 'z', state: 'announced', created_at_ms: 0 });
    const { allocations } = fleetStatus(call, 1000, now);
    expect(allocations).toMatchObject({
      open: 105,
      by_state: { starting: 105 },
      oldest_age_ms: 104_000,
      truncated: false,
    });
    expect(allocations.queue.map(({ allocation }) => allocation)).toEqual(
      Array.from({ length: 100 }, (_, i) => `a${104 - i}`),
    );
    expect(fleetStatus(call, 10, now).allocations).toMatchObject({ open: 10, truncated: true });
  });
  it('tells of each allocation how far it is, what it met, and when the next try and the deadline are', () => {
    const last_failure = { kind: 'no-capacity', operation: 'session-run', message: 'full', status: 420 } as const;
    const base = { ...newAllocation('a', request, ['eu'], 'm1', 60_000, now - 1000), attempts: 2, last_failure };
    fake.put(ALLOCATIONS, 'a', { ...base, next_at_ms: now + 700 });
    expect(fleetStatus(call, 1000, now).allocations.queue).toEqual([
      {
        allocation: 'a',
        session_id: 'a',
        state: 'starting',
        region: 'eu',
        players: request.user_ids.length,
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
  it('names the version of package.json', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(MODULE_VERSION).toBe(version);
  });
});

describe('draining many', () => {
  it('writes a page at a time, stops when the time is up and goes on from its cursor', () => {
    for (let i = 0; i < 250; i++) store(`s${100 + i}`);
    fake.after = ({ kind }) => void (kind === 'write' && (now += 3000));
    const first = drain(call, { region: 'eu' }, false, '');
    expect(first).toMatchObject({ changed: 200, more: true });
    expect(drain(call, { region: 'eu' }, false, first.cursor)).toMatchObject({ changed: 50, more: false, cursor: '' });
    expect(fake.events.filter(({ kind }) => kind === 'write')).toHaveLength(3);
  });
  it('goes one by one through a page of which one changed meanwhile, as far as the time lasts', () => {
    for (let i = 0; i < 30; i++) store(`s${100 + i}`);
    let joined = false;
    fake.before = ({ kind }) => {
      if (kind !== 'write' || joined) return;
      joined = true;
      store('s105', { player_count: 3 });
    };
    fake.after = ({ kind }) => void (kind === 'write' && (now += 300));
    const first = drain(call, { region: 'eu' }, false, '');
    expect(first).toMatchObject({ changed: 17, more: true });
    expect(drain(call, { region: 'eu' }, false, first.cursor)).toMatchObject({ changed: 13, more: false });
    expect(fake.stored(INSTANCES, 's105')).toMatchObject({ player_count: 3, status: 'draining' });
  });
  it('passes over instances that ended, before or meanwhile', () => {
    store('s1', { status: 'exited' });
    store('s2');
    fake.before = ({ kind }) => {
      if (kind === 'write') fake.drop(INSTANCES, 's2');
    };
    expect(drain(call, { region: 'eu' }, false, '')).toMatchObject({ changed: 0 });
  });
});

describe('terminating many', () => {
  it('gives up when the Session API does not work, and passes over a single refusal', () => {
    for (const id of ['s1', 's2', 's3']) store(id);
    fake.http = ({ url }) => answer(url.endsWith('s1') ? 420 : 204, {});
    expect(terminate(call, { region: 'eu' }, true, '')).toMatchObject({
      stopped: 2,
      failed: [{ id: 's1' }],
      more: false,
    });
    store('s2');
    fake.http = () => answer(503, {});
    expect(terminate(call, { region: 'eu' }, true, '')).toMatchObject({
      stopped: 0,
      failed: [{ id: 's1' }],
      more: true,
    });
  });
});
