import path from 'node:path';
import { expect, inject, it } from 'vitest';
import { planOf } from '../../dev/chaos/plan.ts';
import { report, writeEvidence } from '../../dev/chaos/report.ts';
import { runChaos } from '../../dev/chaos/run.ts';
import { CHAOS_REGIONS } from '../../dev/chaos/world.ts';
import { cacheDir } from '../../dev/stack/paths.ts';
import { describeRuntime } from '../../dev/stack/runtimes.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';

/** The long one is `npm run chaos`. */
const SHORT = { allocations: 80, seed: 1, kills: 6, nodes: 2, regions: CHAOS_REGIONS };

forEachRuntime('long', (runtime) => {
  it('every promise is kept while nodes, game servers and connections are killed and the API fails', async () => {
    const plan = planOf(SHORT);
    const { evidence, verdicts, logs } = await runChaos({
      runtime,
      plan,
      // Few at a time: what is killed is then in use, and what follows meets the consequences.
      width: 12,
      limits: { createTimeoutMs: 60_000, reconcileIntervalMs: 5_000, emptyGraceMs: 2_000, seatTimeoutMs: 15_000 },
      postgres: inject('postgres'),
    });
    const text = report(plan, describeRuntime(runtime), evidence, verdicts);
    const broken = verdicts.flatMap((verdict) => verdict.broken);
    if (broken.length > 0) {
      await writeEvidence(path.join(cacheDir, `chaos-${runtime.kind}.json`), evidence, logs);
    }
    expect(broken, `${text}\nAll that was seen is in .cache/chaos-${runtime.kind}.json.`).toEqual([]);
    // Else nothing was proved.
    expect(
      evidence.kills.every(({ victims }) => victims > 0),
      text,
    ).toBe(true);
    expect(evidence.asked.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(SHORT.allocations);
    expect(Object.values(evidence.faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(20);
    expect(evidence.calm.running.length).toBeGreaterThan(0);
  }, 240_000);
});
