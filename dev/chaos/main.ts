import { parseArgs } from 'node:util';
import { ensureModule } from '../stack/module.ts';
import { chooseRuntime, describeRuntime } from '../stack/runtimes.ts';
import { planOf } from './plan.ts';
import { report, writeEvidence } from './report.ts';
import { runChaos } from './run.ts';
import { CHAOS_REGIONS } from './world.ts';

const HELP = `Allocations while everything goes wrong, and a verdict on each promise.

  npm run chaos -- [flags]

  --allocations N   default 300
  --seed S          default 1; the same seed plans the same requests, faults and kills
  --kills K         nodes, game servers, database connections, statements and answers that are cut; default one for 150
                    allocations, at least 5
  --nodes N         default 2
  --width W         groups of players at a time, default 24
  --reconcile S     seconds between two comparisons of records and sessions, default 10
  --embedded        the embedded runtime although there is a real Nakama
  --module FILE     another build of the module, default build/index.js
  --evidence FILE   writes all that was seen as JSON, and the logs of all nodes into FILE.log
`;

async function main(): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      allocations: { type: 'string', default: '300' },
      seed: { type: 'string', default: '1' },
      nodes: { type: 'string', default: '2' },
      width: { type: 'string', default: '24' },
      reconcile: { type: 'string', default: '10' },
      kills: text,
      embedded: { type: 'boolean' },
      module: text,
      evidence: text,
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const number = (flag: string, value: string, least: number): number => {
    const parsed = Number(value);
    if (!Number.isInteger(parsed) || parsed < least) {
      throw new Error(`--${flag} needs a whole number from ${least} on, not "${value}". See --help.`);
    }
    return parsed;
  };
  const allocations = number('allocations', values.allocations, 1);
  const plan = planOf({
    allocations,
    seed: number('seed', values.seed, 0),
    kills: values.kills === undefined ? Math.max(5, Math.round(allocations / 150)) : number('kills', values.kills, 0),
    nodes: number('nodes', values.nodes, 1),
    regions: CHAOS_REGIONS,
  });
  const runtime = chooseRuntime(values.embedded === true);
  const startedAtMs = Date.now();
  const { evidence, verdicts, logs } = await runChaos({
    runtime,
    plan,
    width: number('width', values.width, 1),
    modulePath: values.module ?? (await ensureModule()),
    limits: {
      createTimeoutMs: 60_000,
      reconcileIntervalMs: number('reconcile', values.reconcile, 1) * 1000,
      emptyGraceMs: 5_000,
      seatTimeoutMs: 20_000,
    },
    progress: (done, world) => {
      if (done % 100 !== 0) return;
      const seconds = Math.round((Date.now() - startedAtMs) / 1000);
      console.error(`${done} of ${allocations} after ${seconds} s; up: ${world.up.map(({ name }) => name).join(' ')}`);
    },
  });
  if (values.evidence !== undefined) {
    await writeEvidence(values.evidence, evidence, logs);
  }
  console.log(report(plan, describeRuntime(runtime), evidence, verdicts));
  return verdicts.every(({ broken }) => broken.length === 0) ? 0 : 1;
}

// Whoever is interrupted leaves at once; what was started ends with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exit(1);
  },
);
