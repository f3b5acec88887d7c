import { writeFile } from 'node:fs/promises';
import type { Evidence } from './evidence.ts';
import type { Plan } from './plan.ts';
import { verdictText, type Verdict } from './verdict.ts';

/** What was done, and the verdict on each promise. */
export function report(plan: Plan, runtime: string, evidence: Evidence, verdicts: Verdict[]): string {
  const seconds = (fromMs: number, toMs: number): string => `${Math.round((toMs - fromMs) / 1000)} s`;
  const { startedAtMs, calmFromMs, endedAtMs, asked, kills, faults, limits } = evidence;
  const stored = asked.filter(({ outcome }) => outcome === 'accepted').length;
  const rate = (plan.allocations / ((calmFromMs - startedAtMs) / 1000)).toFixed(1);
  const broken = verdicts.filter((verdict) => verdict.broken.length > 0);
  const lines = [
    `Chaos on ${runtime}, ${plan.nodes} nodes, seed ${plan.seed}: ${plan.allocations} allocations, ${kills.length} kills`,
    `  asked    ${asked.length} times, ${stored} stored; ${counted(asked.map(({ planned }) => planned.way))}`,
    `  endings  ${counted(asked.map(({ planned }) => planned.ending))}`,
    `  kills    ${killText(evidence) || 'none'}`,
    `  faults   ${listed(faults)}; ${plan.outages.length} region outages`,
    `  took     ${seconds(startedAtMs, calmFromMs)} of load (${rate} allocations/s), ${seconds(calmFromMs, endedAtMs)} afterwards`,
    `  limits   create timeout ${limits.createTimeoutMs / 1000} s, reconcile interval ${limits.reconcileIntervalMs / 1000} s, ` +
      `empty grace ${limits.emptyGraceMs / 1000} s, seat timeout ${limits.seatTimeoutMs / 1000} s`,
    verdictText(verdicts),
    broken.length === 0
      ? 'OK: every promise was kept.'
      : `FAILED: ${broken.map(({ promise }) => promise).join(', ')}. Run the same seed again to see it again.`,
  ];
  return lines.join('\n');
}

function killText({ kills }: Evidence): string {
  const kinds = [...new Set(kills.map(({ kind }) => kind))];
  return kinds
    .map((kind) => {
      const those = kills.filter((kill) => kill.kind === kind);
      const victims = those.reduce((sum, kill) => sum + kill.victims, 0);
      return `${kind} ${those.length} times (${victims} killed)`;
    })
    .join(', ');
}

function counted(values: string[]): string {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return listed(counts);
}

function listed(counts: Record<string, number>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

/** All that was seen as JSON, and the logs of all nodes beside it: what a finding is explained with. */
export async function writeEvidence(file: string, evidence: Evidence, logs: string[]): Promise<void> {
  await writeFile(file, JSON.stringify(evidence));
  await writeFile(`${file}.log`, logs.join('\n'));
}
