import type { AllocatorState } from '../../../src/worker/allocator.ts';
import { FIVE, SEAT_SECRET } from '../../unit/support/config';
import { CALM, ModelGameye, type Turn } from '../../unit/support/gameye';
import { context, fakeNakama, type FakeNakama } from '../../unit/support/nakama';
import { source } from './bundle.ts';
import { nakamaVm } from './vm.ts';

const env = {
  ...FIVE,
  GAMEYE_SEAT_SECRET: SEAT_SECRET,
  GAMEYE_NAKAMA_URL: 'http://nakama:7350',
  GAMEYE_MAX_PLAYERS: '8',
};
export const ctx = context({ env });

/** What a module's InitModule registered: the functions' names. */
export interface Registered {
  code: string;
  rpcs: Map<string, string>;
  match: { [key: string]: string };
  hook: string;
  /** The methods of the initializer that were called. */
  calls: string[];
}

/** Runs InitModule in a VM of its own and answers what it registered, by name. */
export function initModule(fake: FakeNakama, code = source): Registered {
  const registered: Registered = { code, rpcs: new Map(), match: {}, hook: '', calls: [] };
  const nameOf = (fn: unknown) => (fn as { name: string }).name;
  const initializer = new Proxy(
    {},
    {
      get: (_target, method: string) => (first: unknown, second: unknown) => {
        registered.calls.push(method);
        if (method === 'registerRpc') registered.rpcs.set(first as string, nameOf(second));
        if (method === 'registerMatchmakerMatched') registered.hook = nameOf(first);
        if (method !== 'registerMatch') return;
        for (const [key, fn] of Object.entries(second as object)) registered.match[key] = nameOf(fn);
      },
    },
  );
  nakamaVm(false, undefined, code).global('InitModule')(ctx, fake.logger, fake.nk, initializer);
  return registered;
}

/**
 * A match of these players gets its server: hook and allocator run, each in its own frozen VM, on a server of their own that is
 * answered.
 */
export function playMatch({ code, match, hook }: Registered, turns: Turn[], userIds: string[]): FakeNakama {
  let now = 1_700_000_000_000;
  const clock = () => now;
  const fake = fakeNakama();
  const api = new ModelGameye({ now: clock, pass: (ms) => void (now += ms) }, () => turns.shift() ?? CALM);
  fake.http = (request) => api.handle(request);
  const entries = userIds.map((userId) => ({
    presence: { userId, sessionId: 's', username: 'n', node: 'n1' },
    properties: {},
  }));
  const answer = nakamaVm(true, clock, code).global(hook)(ctx, fake.logger, fake.nk, entries);
  const [created] = fake.events;
  if (answer !== undefined || created?.kind !== 'match') throw new Error('the hook started no match');
  const worker = nakamaVm(true, clock, code);
  const matchCtx = { ...ctx, matchId: 'm1' };
  const init = worker.global(match['matchInit']!)(matchCtx, fake.logger, fake.nk, created.params) as {
    state: AllocatorState;
    tickRate: number;
    label: string;
  };
  if (init.tickRate !== 60 || init.label !== '') throw new Error('the match is no allocator');
  let { state } = init;
  for (let tick = 0; tick < 1000; tick++) {
    now += 17;
    // Nakama exports the state to Go after every callback and builds it anew.
    state = JSON.parse(JSON.stringify(state)) as AllocatorState;
    const next = worker.global(match['matchLoop']!)(matchCtx, fake.logger, fake.nk, {}, tick, state, []);
    if (next === null) break;
    ({ state } = next as { state: AllocatorState });
  }
  return fake;
}
