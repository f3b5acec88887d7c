import { vi } from 'vitest';
import { fromRow, newAllocation, type Allocation } from '../../../src/allocation/allocation';
import { changeOf } from '../../../src/allocation/ownership';
import type { Config } from '../../../src/config';
import { NO_LIMIT } from '../../../src/database/allocation-row';
import { claimDue, readAllocation } from '../../../src/database/allocations';
import { storeAllocation } from '../../../src/database/storing';
import { noteDatabaseTime } from '../../../src/database/clock';
import type { Call } from '../../../src/nakama/caller';
import type { AllocationRequest } from '../../../src/records';
import { loopAllocator, type AllocatorState } from '../../../src/worker/allocator';
import { CALM, ModelGameye, type Turn } from './gameye';
import { context, fakeNakama, goError, OWNER, type Event, type FakeNakama } from './nakama';
import { FLEET } from './records';

/** A lease and a pass of the supervisor. */
const RESUMED_AFTER_MS = 31_000;

/** What happens around one call of the worker to its server. A crash ends the worker; the lease then runs out. */
export type Blow = 'none' | 'error-before' | 'error-after' | 'crash-before' | 'crash-after';

export interface Plan {
  config: Config;
  turns?: Turn[];
  /** One for each event, in order; then no more happens. */
  blows?: Blow[];
  /** Once, before the first event that it wants, with the server undisturbed: somebody else acts. */
  meanwhile?: { before: (event: Event, life: Life) => boolean; act: (life: Life) => void };
  request?: Partial<AllocationRequest>;
  createTimeoutMs?: number;
  /** It was stored before its worker began, as `fleet_create` does it. */
  queued?: boolean;
}

export interface Life {
  fake: FakeNakama;
  api: ModelGameye;
  call: Call;
  /** When each notification went out, by code. */
  told: { code: number; atMs: number; sessionId: unknown }[];
  deadlineMs: number;
  crashes: number;
  /** How many calls of the server could be struck by a blow, and of what kinds they were. */
  events: number;
  kinds: Event['kind'][];
  /** The stored record when each crash struck, undefined when there was none. */
  crashedIn: (Allocation | undefined)[];
  ended: boolean;
  /** Sessions that run when everything on its way has arrived. */
  running: string[];
  row: () => Allocation | undefined;
  now: () => number;
}

/** The start of the session is being asked for. */
export const thePost = (event: Event): boolean => event.kind === 'http' && event.method === 'post';

/** The players are being told where they play. */
export const theTelling = (event: Event): boolean =>
  event.kind === 'notify' && event.notifications.some(({ code }) => code === 7300);

/** What is stored of sessions and of what is being started, without what is only kept for who asks late. */
export function rowsOf(fake: FakeNakama): string[] {
  return fake
    .query<{ row: string }>(
      `SELECT 'allocation ' || id AS row FROM gameye_allocation WHERE state <> 'over'
       UNION ALL SELECT 'instance ' || id FROM gameye_instance ORDER BY 1`,
    )
    .map(({ row }) => row);
}

/**
 * Lives through one allocation: ticks its worker as Nakama does, and after a crash starts another one with the stored row, as
 * a supervisor does when the lease has run out. Time is the model's, the database's clock included.
 */
export function live(plan: Plan): Life {
  let now = 1_700_000_000_000;
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => now);
  // What another test's statements took by the machine's clock is no part of this one's time.
  noteDatabaseTime(now);
  try {
    return lived(plan, { now: () => now, set: (at) => void (now = at) });
  } finally {
    clock.mockRestore();
  }
}

function lived(plan: Plan, time: { now: () => number; set: (at: number) => void }): Life {
  const fake = fakeNakama();
  // As in a burst: another worker of this node has just looked which version is in force.
  fake.nk.localcachePut('gameye_orders', JSON.stringify({ count: 0, versions: {}, regions: {} }));
  fake.nk.localcachePut('gameye_owner', OWNER);
  const turns = (plan.turns ?? []).slice();
  const blows = (plan.blows ?? []).slice();
  const pass = (ms: number): void => time.set(time.now() + ms);
  const api = new ModelGameye({ now: time.now, pass }, () => turns.shift() ?? CALM);
  fake.http = (request) => api.handle(request);
  let dead = false;
  let disturbed = false;
  let acted = false;
  let current: Blow = 'none';

  const config = { ...plan.config, createTimeoutMs: plan.createTimeoutMs ?? 60_000 };
  const request = { user_ids: ['u1', 'u2'], max_players: 2, latencies: [], metadata: {}, ...plan.request };
  const first = newAllocation('id-0', request, config.regions, config.createTimeoutMs, time.now());
  const undisturbed = <T>(act: () => T): T => {
    disturbed = true;
    try {
      return act();
    } finally {
      disturbed = false;
    }
  };
  const life: Life = {
    fake,
    api,
    call: { ctx: context({ matchId: 'm1.n1' }), logger: fake.logger, nk: fake.nk, config },
    told: [],
    deadlineMs: first.deadline_ms,
    crashes: 0,
    events: 0,
    kinds: [],
    crashedIn: [],
    ended: false,
    running: [],
    row: () =>
      undisturbed(() => {
        const row = readAllocation(fake.nk, FLEET, 'id-0');
        return row && row.state !== 'over' ? fromRow(row) : undefined;
      }),
    now: time.now,
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
  fake.before = (event) => {
    if (disturbed) return;
    if (dead) throw goError('context canceled');
    life.events++;
    life.kinds.push(event.kind);
    if (!acted && plan.meanwhile?.before(event, life)) {
      acted = true;
      const at = time.now();
      undisturbed(() => plan.meanwhile?.act(life));
      time.set(at); // At the same time as the worker's call, not in between.
    }
    current = blows.shift() ?? 'none';
    if (current.endsWith('before')) strike(current, event);
  };
  fake.after = (event) => {
    if (event.kind === 'notify') {
      for (const one of event.notifications) {
        life.told.push({ code: one.code, atMs: time.now(), sessionId: one.content['session_id'] });
      }
    }
    if (!disturbed && current.endsWith('after')) strike(current, event);
  };

  if (plan.queued) undisturbed(() => storeQueued(life, config));
  let state: AllocatorState | undefined = { allocation: JSON.stringify(first), wake_at_ms: 0 };
  if (plan.queued) state = { allocation: JSON.stringify(life.row()), wake_at_ms: 0, from: '' };
  for (let tick = 0; state && tick < 3000; tick++) {
    time.set(Math.max(time.now() + 17, state.wake_at_ms));
    // Nakama exports the state after every tick.
    state = loopAllocator(life.call, JSON.parse(JSON.stringify(state)) as AllocatorState);
    const row = life.row();
    if (dead) life.crashedIn.push(row);
    if (!dead && (state || !row)) continue;
    // The node died, or the worker gave up its row: once the lease has run out, a supervisor starts another worker.
    dead = false;
    life.crashes++;
    life.call = { ...life.call, ctx: context({ matchId: `m${life.crashes + 1}.n1` }) };
    state = undisturbed(() => resumed(fake, time));
  }
  life.ended = state === undefined;
  api.settleAll();
  life.running = api.running().map((one) => one.id);
  disturbed = true; // Whatever a test looks at afterwards.
  return life;
}

/** A step with a callback has a longer lease. */
function resumed(fake: FakeNakama, time: { now: () => number; set: (at: number) => void }): AllocatorState | undefined {
  for (let passes = 0; passes < 3; passes++) {
    time.set(time.now() + RESUMED_AFTER_MS);
    const [due] = claimDue(fake.nk, FLEET, { holder: 'supervisor', ms: 20_000 }, 10);
    if (due) return { allocation: JSON.stringify(fromRow(due)), wake_at_ms: 0, from: 'supervisor' };
  }
  return undefined;
}

function storeQueued({ fake, call }: Life, config: Config): void {
  const request = { user_ids: ['u1', 'u2'], max_players: 2, latencies: [], metadata: {} };
  const queued = newAllocation('id-0', request, config.regions, config.createTimeoutMs, Date.now());
  storeAllocation(
    call.nk,
    {
      ...changeOf({ ...queued, state: 'queued' }),
      ...{ fleet: FLEET, create_timeout_ms: config.createTimeoutMs, guest_pool: null, user_ids: request.user_ids },
      ...{ most: NO_LIMIT, most_starts: null },
    },
    { holder: '', ms: 5000 },
  );
  fake.events.length = 0;
}
