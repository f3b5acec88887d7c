import { vi } from 'vitest';
import { loopAllocator, type AllocatorState } from '../../../src/worker/allocator';
import { newAllocation, type Allocation } from '../../../src/allocation/allocation';
import type { AllocationRequest } from '../../../src/allocation/request';
import type { Config } from '../../../src/config';
import type { Call } from '../../../src/nakama/caller';
import { needsWorker } from '../../../src/supervision/resume';
import { CALM, ModelGameye, type Turn } from './gameye';
import { context, fakeNakama, goError, type Event, type FakeNakama } from './nakama';

export const ALLOCATIONS = '_gameye_allocations';
export const INSTANCES = '_gameye_instances';

/** A lease and a pass of the supervisor. */
const RESUMED_AFTER_MS = 31_000;

/** What happens around one call of the worker to its server. A crash ends the worker; the lease then runs out. */
export type Blow = 'none' | 'error-before' | 'error-after' | 'crash-before' | 'crash-after';

export interface Plan {
  config: Config;
  turns?: Turn[];
  /** One for each event, in order; then no more happens. */
  blows?: Blow[];
  /** Before the event of this number (from 1), with the server undisturbed: somebody else acts. */
  meanwhile?: { event: number; act: (life: Life) => void };
  request?: Partial<AllocationRequest>;
  createTimeoutMs?: number;
  /** It was stored before its worker began, as `fleet_create` does it. */
  queued?: boolean;
  /** Blows strike the players' assignments, too. */
  everywhere?: boolean;
}

export interface Life {
  fake: FakeNakama;
  api: ModelGameye;
  call: Call;
  /** When each notification went out, by code. */
  told: { code: number; atMs: number; sessionId: unknown }[];
  deadlineMs: number;
  crashes: number;
  /** How many calls of the server could be struck by a blow. */
  events: number;
  /** The stored record when each crash struck, undefined when there was none. */
  crashedIn: (Allocation | undefined)[];
  ended: boolean;
  /** Sessions that run when everything on its way has arrived. */
  running: string[];
  row: () => Allocation | undefined;
  now: () => number;
}

/** Players' assignments stand beside the allocation; what happens to them is tested in assignment.test.ts. */
export function isAssignment(event: Event): boolean {
  return 'keys' in event && event.keys.every((key) => key.startsWith('gameye_assignment/'));
}

/** The rows of allocations and instances. */
export function rowsOf(fake: FakeNakama): string[] {
  return fake.rows().filter((row) => !row.startsWith('gameye_assignment/'));
}

/**
 * Lives through one allocation: ticks its allocator as Nakama does, and after a crash starts another one with the stored row,
 * as a supervisor does when the lease has run out. Time is the model's.
 */
export function live(plan: Plan): Life {
  let now = 1_700_000_000_000;
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => now);
  const fake = fakeNakama();
  // As in a burst: another worker of this node has just looked which version is in force.
  fake.nk.localcachePut('gameye_version', '');
  const turns = (plan.turns ?? []).slice();
  const blows = (plan.blows ?? []).slice();
  const api = new ModelGameye({ now: () => now, pass: (ms) => void (now += ms) }, () => turns.shift() ?? CALM);
  fake.http = (request) => api.handle(request);
  let dead = false;
  let disturbed = false;
  let events = 0;
  let current: Blow = 'none';

  const request = { user_ids: ['u1', 'u2'], max_players: 2, latencies: [], metadata: {}, ...plan.request };
  const first = newAllocation('id-0', request, plan.config.regions, 'm1', plan.createTimeoutMs ?? 60_000, now);
  const life: Life = {
    fake,
    api,
    call: { ctx: context({ matchId: 'm1' }), logger: fake.logger, nk: fake.nk, config: plan.config },
    told: [],
    deadlineMs: first.deadline_ms,
    crashes: 0,
    events: 0,
    crashedIn: [],
    ended: false,
    running: [],
    row: () => fake.stored(ALLOCATIONS, 'id-0') as Allocation | undefined,
    now: () => now,
  };
  const strike = (blow: Blow, event: Event): void => {
    if (blow.startsWith('crash')) {
      dead = true;
      throw goError('context canceled');
    }
    // The network's errors are the model's. A notification that is not persistent does not touch the database.
    const database =
      event.kind === 'notify' ? event.notifications.some((one) => one.persistent) : event.kind !== 'http';
    if (blow.startsWith('error') && database) throw goError('pq: the database system is shutting down');
  };
  const counts = (event: Event): boolean => plan.everywhere === true || !isAssignment(event);
  fake.before = (event) => {
    if (disturbed) return;
    if (dead) throw goError('context canceled');
    if (!counts(event)) return;
    events++;
    life.events = events;
    if (plan.meanwhile?.event === events) {
      disturbed = true;
      const at = now;
      plan.meanwhile.act(life);
      now = at; // At the same time as the worker's call, not in between.
      disturbed = false;
    }
    current = blows.shift() ?? 'none';
    if (current.endsWith('before')) strike(current, event);
  };
  fake.after = (event) => {
    if (event.kind === 'notify') {
      for (const one of event.notifications) {
        life.told.push({ code: one.code, atMs: now, sessionId: one.content['session_id'] });
      }
    }
    if (!disturbed && counts(event) && current.endsWith('after')) strike(current, event);
  };

  if (plan.queued) first.state = 'queued';
  const stored = plan.queued ? fake.put(ALLOCATIONS, 'id-0', first) : '*';
  let state: AllocatorState | undefined = { allocation: JSON.stringify(first), version: stored, wake_at_ms: 0 };
  for (let tick = 0; state && tick < 3000; tick++) {
    now = Math.max(now + 17, state.wake_at_ms);
    // Nakama exports the state after every tick.
    state = loopAllocator(life.call, JSON.parse(JSON.stringify(state)) as AllocatorState);
    if (dead) life.crashedIn.push(life.row());
    const row = life.row();
    if (!dead && (state || !row || !needsWorker(row, now + RESUMED_AFTER_MS))) continue;
    // The node died, or the worker does not know that it got the lease: once that ran out, a supervisor starts another.
    dead = false;
    life.crashes++;
    now += RESUMED_AFTER_MS;
    life.call = { ...life.call, ctx: context({ matchId: `m${life.crashes + 1}` }) };
    disturbed = true;
    const version = fake.nk.storageRead([{ collection: ALLOCATIONS, key: 'id-0', userId: '' }])[0]?.version;
    disturbed = false;
    state = row && version ? { allocation: JSON.stringify(row), version, wake_at_ms: 0, claim: 'yes' } : undefined;
  }
  life.ended = state === undefined;
  api.settleAll();
  life.running = api.running().map((one) => one.id);
  clock.mockRestore();
  return life;
}
