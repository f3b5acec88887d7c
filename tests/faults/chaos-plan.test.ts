import { expect, it } from 'vitest';
import { MOST_STAY, planOf, type PlanOptions } from '../../dev/chaos/plan.ts';
import { Faults } from '../../dev/gameye/faults.ts';

const REGIONS = ['a', 'b', 'c'];
const options = (change: Partial<PlanOptions> = {}): PlanOptions => {
  return { allocations: 500, seed: 7, kills: 20, nodes: 2, regions: REGIONS, ...change };
};

it('the plan of a chaos run is the same for the same seed, and another for another seed', () => {
  expect(planOf(options())).toEqual(planOf(options()));
  const other = planOf(options({ seed: 8 }));
  for (const part of ['all', 'killed', 'outages', 'faults'] as const) {
    expect(other[part], part).not.toEqual(planOf(options())[part]);
  }
});

it('the plan of a chaos run asks for the same however much is killed', () => {
  expect(planOf(options({ kills: 3 })).all).toEqual(planOf(options()).all);
});

it('the plan of a chaos run asks in both ways, and ends sessions in every way', () => {
  const { all } = planOf(options());
  expect(all.map(({ ordinal }) => ordinal)).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
  expect(new Set(all.map(({ way }) => way))).toEqual(new Set(['matchmaker', 'fleet_create']));
  expect(new Set(all.map(({ ending }) => ending))).toEqual(
    new Set(['delete', 'delete-starting', 'cancel', 'leave', 'no-show', 'forget', 'crash', 'stay']),
  );
  expect(all.some(({ joins }) => joins > 0)).toBe(true);
  expect(all.some(({ realServer }) => realServer)).toBe(true);
  expect(all.some(({ players }) => players === 0)).toBe(true);
  expect(all.filter(({ ending }) => ending === 'stay').length).toBeLessThanOrEqual(MOST_STAY);
});

it('the plan of a chaos run asks for nothing that cannot be done', () => {
  for (let seed = 0; seed < 20; seed++) {
    for (const one of planOf(options({ seed })).all) {
      expect(one.players).toBeLessThanOrEqual(one.maxPlayers);
      if (one.way === 'matchmaker') expect(one.players).toBeGreaterThanOrEqual(2);
      // Who queues does not know the id that could be deleted; a session without players is not left.
      if (one.ending === 'delete-starting') expect(one.way).toBe('fleet_create');
      if (one.players === 0) expect(['delete', 'delete-starting', 'crash']).toContain(one.ending);
      if (one.joins > 0) expect(one.joins).toBeGreaterThan(one.maxPlayers - one.players);
    }
  }
});

it('the plan of a chaos run kills as often as it is told, each kind at least once, and never at the very end', () => {
  for (const kills of [5, 20, 100]) {
    const { killed } = planOf(options({ kills }));
    expect(killed).toHaveLength(kills);
    for (const kind of ['node', 'connections', 'statements', 'answers', 'game-servers']) {
      expect(killed.filter((one) => one.kind === kind).length, kind).toBeGreaterThan(0);
    }
    expect(Math.min(...killed.map(({ at }) => at))).toBeGreaterThan(0);
    expect(Math.max(...killed.map(({ at }) => at))).toBeLessThan(450);
  }
  expect(planOf(options({ kills: 0 })).killed).toEqual([]);
});

it('the plan of a chaos run has every fault that the simulator knows, and only rules that it accepts', () => {
  const { faults, outages } = planOf(options());
  const simulator = new Faults();
  for (const rule of faults) expect(simulator.add(rule)).toBeTruthy();
  const kinds = new Set(faults.map(({ action }) => action.kind));
  expect(kinds).toEqual(new Set(['delay', 'status', 'drop', 'truncate', 'html', 'stale-list', 'slow-start', 'body']));
  const refused = faults.filter(({ action }) => action.kind === 'status' && action.status === 420);
  expect(refused.map(({ region }) => region)).toEqual(REGIONS);
  for (const { on } of refused) expect((on as { ordinals: number[] }).ordinals.length).toBeGreaterThan(3);
  expect(outages.length).toBeGreaterThan(0);
});
