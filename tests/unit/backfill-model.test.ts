import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fromRow } from '../../src/allocation/allocation';
import { newAllocation } from '../../src/allocation/create';
import { claimDue } from '../../src/database/allocations';
import { lapseSeats } from '../../src/database/instances';
import { cancelStart, leaveAll } from '../../src/players/standing';
import type { Call } from '../../src/nakama/caller';
import { loopAllocator, type AllocatorState } from '../../src/worker/allocator';
import { configWith, SEAT_SECRET } from './support/config';
import { CALM, ModelGameye, type Turn } from './support/gameye';
import { rowsOf } from './support/life';
import { context, fakeNakama, type FakeNakama } from './support/nakama';
import { FLEET } from './support/records';

/*
 * Groups that look for seats, all at the same time: workers take turns in any order, die, players go away or are matched again.
 * Whatever happens, nobody has two seats, no session has more players than seats, and everybody who still waits is told.
 */
const SEATS = 4;
const config = configWith({
  GAMEYE_BACKFILL: 'on',
  GAMEYE_MAX_PLAYERS: String(SEATS),
  GAMEYE_SEAT_SECRET: SEAT_SECRET,
  GAMEYE_NAKAMA_URL: 'http://nakama.test',
  GAMEYE_SEAT_TIMEOUT: '10m',
  GAMEYE_API_REGION: 'eu',
});

type Act =
  | { do: 'match'; players: number[] }
  | { do: 'tick'; worker: number }
  | { do: 'kill'; worker: number }
  | { do: 'cancel'; player: number }
  | { do: 'leave'; player: number }
  | { do: 'pass'; ms: number };

const player = fc.nat({ max: 11 });
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('match' as const),
      players: fc.uniqueArray(player, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('tick' as const), worker: fc.nat({ max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), worker: fc.nat({ max: 9 }) }) },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.record({ do: fc.constant('cancel' as const), player }),
      fc.record({ do: fc.constant('leave' as const), player }),
    ),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 3000 }) }) },
);
const turn: fc.Arbitrary<Turn> = fc.constantFrom(
  CALM,
  CALM,
  CALM,
  { ...CALM, full: true },
  { ...CALM, fault: 'reply-lost' as const },
);

interface World {
  fake: FakeNakama;
  api: ModelGameye;
  /** Sessions that each player was told of, and reasons. */
  told: Map<string, string[]>;
}

const userId = (n: number): string => `player-${n}`;
const runs = { numRuns: Number(process.env['FC_RUNS'] ?? 25) };

function play(acts: Act[], turns: Turn[]): World {
  let now = 1_700_000_000_000;
  vi.spyOn(Date, 'now').mockImplementation(() => now);
  const pass = (ms: number): void => void (now += ms);
  const left = turns.slice();
  const fake = fakeNakama();
  const api = new ModelGameye({ now: () => now, pass }, () => left.shift() ?? CALM);
  api.capacity = 99;
  fake.http = (request) => api.handle(request);
  const world: World = { fake, api, told: new Map() };
  fake.after = (event) => {
    for (const one of event.kind === 'notify' ? event.notifications : []) {
      const answer = String(one.content['session_id'] ?? one.content['reason']);
      world.told.set(one.userId, [...(world.told.get(one.userId) ?? []), answer]);
    }
  };
  const workers = new Map<string, AllocatorState>();
  let made = 0;
  const callOf = (matchId: string): Call => ({
    ctx: context({ matchId, node: 'n1' }),
    logger: fake.logger,
    nk: fake.nk,
    config,
  });
  const begin = (state: AllocatorState): void => void workers.set(`m${++made}.n1`, state);
  const tick = (id: string): void => {
    const state = workers.get(id);
    if (!state) return;
    const next = loopAllocator(callOf(id), JSON.parse(JSON.stringify(state)) as AllocatorState);
    if (next) workers.set(id, next);
    else workers.delete(id);
  };
  const nth = (n: number): string => [...workers.keys()][n % Math.max(1, workers.size)] ?? '';
  const resume = (): void => {
    for (const row of claimDue(fake.nk, FLEET, { holder: 'supervisor', ms: 20_000 }, 50)) {
      begin({ allocation: JSON.stringify(fromRow(row)), wake_at_ms: 0, from: 'supervisor' });
    }
  };
  for (const one of acts) {
    pass(7);
    if (one.do === 'match') {
      const request = { user_ids: one.players.map(userId), max_players: SEATS, latencies: [], metadata: {} };
      const a = { ...newAllocation(callOf('hook'), request), created_at_ms: 0 };
      begin({ allocation: JSON.stringify(a), wake_at_ms: 0 });
    } else if (one.do === 'tick') tick(nth(one.worker));
    else if (one.do === 'kill') workers.delete(nth(one.worker));
    else if (one.do === 'cancel') cancelStart(callOf('rpc'), userId(one.player));
    else if (one.do === 'leave') leaveAll(callOf('rpc'), userId(one.player));
    else pass(one.ms);
  }
  for (
    let round = 0;
    round < 400 && (workers.size > 0 || rowsOf(fake).some((row) => row.startsWith('allocation')));
    round++
  ) {
    pass(300);
    for (const id of [...workers.keys()]) tick(id);
    if (workers.size === 0) pass(31_000);
    resume();
    lapseSeats(fake.nk, FLEET);
  }
  api.settleAll();
  return world;
}

const scenario = fc.tuple(fc.array(act, { minLength: 5, maxLength: 40 }), fc.array(turn, { maxLength: 10 }));
afterEach(() => vi.restoreAllMocks());

describe('groups that look for seats at the same time', () => {
  it('are seated once, in sessions that are not overfull, and told; nothing is left over', () => {
    fc.assert(
      fc.property(scenario, ([acts, turns]) => {
        const { fake, api, told } = play(acts, turns);
        expect(rowsOf(fake).filter((row) => row.startsWith('allocation'))).toEqual([]);
        const instances = fake.query<{ id: string; player_count: number; seats: number; open_seats: number }>(
          `SELECT i.id, i.player_count, i.open_seats, (SELECT count(*)::int4 FROM gameye_seat s
             WHERE s.session_id = i.id AND s.state IN ('reserved', 'joined')) AS seats FROM gameye_instance i ORDER BY i.id`,
        );
        for (const { player_count, seats, open_seats } of instances) {
          expect(player_count).toBe(seats);
          expect(open_seats).toBe(SEATS - seats);
        }
        // What runs is recorded.
        expect(
          api
            .running()
            .map(({ id }) => id)
            .sort(),
        ).toEqual(instances.map(({ id }) => id));
        const seats = fake.query<{ user_id: string; state: string; session_id: string; reason: string }>(
          'SELECT * FROM gameye_seat',
        );
        for (const { user_id, state, session_id, reason } of seats) {
          expect(state).not.toBe('starting');
          if (state === 'reserved' || state === 'joined') expect(told.get(user_id)?.at(-1)).toBe(session_id);
          if (state === 'failed') expect(told.get(user_id)?.at(-1)).toBe(reason);
        }
      }),
      runs,
    );
  });

  it('share one session when they come together and nothing goes wrong', () => {
    const together: Act[] = [0, 1, 2, 3].map((n) => ({ do: 'match', players: [n] }));
    const { api, told } = play(together, []);
    expect(api.running()).toHaveLength(1);
    const [session] = api.running();
    expect([...told.values()]).toEqual(Array.from({ length: 4 }, () => [session?.id]));
  });
});
