import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newAllocation } from '../../src/allocation/allocation';
import { configWith } from './support/config';
import { drive, type Story } from './support/drive';
import { CALM, FAULTS, IGNORES_IDS, ModelGameye, type Turn } from './support/gameye';
import { fakeNakama } from './support/nakama';

/*
 * The state machine against a Session API that really runs sessions and at which anything goes wrong: replies get lost, POSTs
 * arrive late, errors follow work that was done. Whatever happens, promises P1 and P2 hold.
 */
const CREATE_TIMEOUT_MS = 60_000;
const TTL_MS = 30 * 60_000;

const turn: fc.Arbitrary<Turn> = fc.record({
  fault: fc.constantFrom(...FAULTS, IGNORES_IDS),
  full: fc.boolean(),
  dies: fc.boolean(),
  warm: fc.boolean(),
  ms: fc.integer({ min: 1, max: 14_000 }),
});

const scenario = fc.record({
  turns: fc.array(turn, { maxLength: 30 }),
  regions: fc.constantFrom<string[]>(['eu'], ['eu', 'us'], ['eu', 'us', 'ap']),
  capacityBeforeId: fc.boolean(),
  unreachablePlayers: fc.integer({ min: 0, max: 4 }),
  random: fc.double({ min: 0, max: 1, noNaN: true }),
});

/** Nothing goes wrong. */
const UNDISTURBED = { turns: [], regions: ['eu'], capacityBeforeId: true, unreachablePlayers: 0, random: 0.5 };

interface Result extends Story {
  api: ModelGameye;
  /** What runs when everything that was on its way has arrived. */
  running: string[];
  deadlineMs: number;
}

function play(given: {
  turns: Turn[];
  regions: string[];
  capacityBeforeId: boolean;
  unreachablePlayers: number;
  random: number;
}): Result {
  let now = 1_700_000_000_000;
  const clock = { now: () => now, pass: (ms: number) => void (now += ms) };
  const turns = given.turns.slice();
  const api = new ModelGameye(clock, () => turns.shift() ?? CALM);
  api.capacityBeforeId = given.capacityBeforeId;
  api.ttlMs = TTL_MS;
  const fake = fakeNakama();
  fake.http = (request) => api.handle(request);
  let ids = 0;
  const chance = { newId: () => `id-${++ids}`, random: () => given.random };
  const request = { user_ids: ['u1'], max_players: 1, latencies: [], metadata: {} };
  const first = { ...newAllocation('id-0', request, given.regions, CREATE_TIMEOUT_MS, now), version: 1 };
  let unreachable = given.unreachablePlayers;
  const story = drive(fake.nk, configWith(), clock, first, chance, () => --unreachable < 0);
  api.settleAll();
  return { ...story, api, running: api.running().map((one) => one.id), deadlineMs: first.deadline_ms };
}

// A few seconds' worth; set FC_RUNS to search for longer.
const runs = { numRuns: Number(process.env['FC_RUNS'] ?? 200) };

describe('an allocation, whatever the Session API does', () => {
  it('ends, and tells its players exactly once, at most 10 s after the deadline', () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const { told, deadlineMs } = play(given);
        expect(told).toHaveLength(1);
        expect(told[0]!.atMs).toBeLessThanOrEqual(deadlineMs + 10_000);
      }),
      runs,
    );
  });

  it('leaves at most the announced session running, and none when it failed', () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const { told, running } = play(given);
        const announced = told.filter((one) => one.what === 'address').map((one) => one.sessionId);
        expect(running.filter((id) => !announced.includes(id))).toEqual([]);
      }),
      runs,
    );
  });

  it('announces a session that was started in the region it names, and that it did not stop', () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const { told, api } = play(given);
        for (const { what, sessionId, region } of told) {
          if (what !== 'address') continue;
          expect(api.sessions.get(sessionId)?.stopped ?? false).toBe(false);
          expect(api.sessions.get(sessionId)?.region).toBe(region);
        }
      }),
      runs,
    );
  });

  it('sends no other id while one may still run without a DELETE that was answered', () => {
    fc.assert(
      fc.property(scenario, (given) => {
        expect(play(given).careless).toEqual([]);
      }),
      runs,
    );
  });

  it('never has two sessions running, unless a POST arrived after its id was given up or the API ignores ids', () => {
    fc.assert(
      fc.property(
        scenario.map((given) => ({
          ...given,
          turns: given.turns.filter(({ fault }) => fault !== 'delayed' && fault !== IGNORES_IDS),
        })),
        (given) => {
          const { api } = play(given);
          const lives = [...api.sessions.values()].map((one) => [one.startedAtMs, one.endedAtMs ?? Infinity] as const);
          const overlaps = lives.filter((one, i) =>
            lives.some((other, j) => j > i && one[0] < other[1] && other[0] < one[1]),
          );
          expect(overlaps).toEqual([]);
        },
      ),
      runs,
    );
  });

  it.each(['reply-lost', '500-before', '502-html-after'] as const)(
    'gets its session in the next region when the DELETE that made way for it met %s',
    (fault) => {
      const turns = (['reply-lost', '500-before', fault] as const).map((one) => ({ ...CALM, fault: one }));
      const { told, running } = play({ ...UNDISTURBED, turns, regions: ['eu', 'us'] });
      expect(told).toMatchObject([{ what: 'address', sessionId: 'id-1', region: 'us' }]);
      expect(running).toEqual(['id-1']);
    },
  );

  it('starts its session at the first try when nothing goes wrong (the model can succeed)', () => {
    const { told, running, api } = play(UNDISTURBED);
    expect(told.map((one) => one.what)).toEqual(['address']);
    expect(running).toEqual(['id-0']);
    expect(api.asked.get('id-0')).toBe(1);
  });
});
