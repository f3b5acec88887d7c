import { serverLog } from '../../dev/demo/evidence.ts';
import { notEnded, overlaps, type LedgerEntry } from '../../dev/gameye/ledger.ts';
import type { Simulator } from '../../dev/gameye/simulator.ts';
import { until } from '../../dev/stack/until.ts';

/** Put this key into the metadata of `fleet_create` to tell the sessions of different allocations apart. */
export const ALLOCATION_LABEL = 'test_allocation';

/**
 * Fails when two sessions of one allocation ever ran at the same time (P2). Which allocation a session belongs to is known
 * from its label, or from the players its game server was started for. Answers the sessions of every allocation.
 */
export async function oneSessionPerAllocation(simulator: Simulator): Promise<Map<string, LedgerEntry[]>> {
  const entries = simulator.ledger.entries;
  const keys = new Map(
    await Promise.all(entries.map(async (entry) => [entry.id, await allocationOf(simulator, entry)] as const)),
  );
  const unknown = entries.filter((entry) => hasSpoken(entry) && keys.get(entry.id) === undefined);
  if (unknown.length > 0)
    throw new Error(`cannot tell whose these sessions are: ${unknown.map((e) => e.id).join(', ')}`);
  const doubled = overlaps(entries, (entry) => keys.get(entry.id));
  if (doubled.length > 0) {
    const pairs = doubled.map(([a, b]) => `${a.id} (${a.region}) and ${b.id} (${b.region}) for ${keys.get(a.id)}`);
    throw new Error(`two sessions of one allocation at the same time: ${pairs.join('; ')}`);
  }
  const allocations = new Map<string, LedgerEntry[]>();
  for (const entry of entries) {
    const key = keys.get(entry.id);
    if (key !== undefined) allocations.set(key, [...(allocations.get(key) ?? []), entry]);
  }
  return allocations;
}

/** Waits until every session that runs is one of these: strays and doubles are gone (P3). */
export async function onlyTheseRun(
  simulator: Simulator,
  sessionIds: Iterable<string>,
  deadlineMs: number,
): Promise<void> {
  const known = new Set(sessionIds);
  const others = () => notEnded(simulator.ledger.entries).filter((entry) => !known.has(entry.id));
  await until(
    () => others().length === 0,
    deadlineMs,
    () =>
      `the end of sessions that nobody was told of: ${others()
        .map((entry) => entry.id)
        .join(', ')}`,
  );
}

/** A server that was stopped in its first second may not have come to say whom it was for. */
function hasSpoken({ runningAtMs, endedAtMs }: LedgerEntry): boolean {
  return runningAtMs !== undefined && (endedAtMs ?? Date.now()) - runningAtMs > 1_000;
}

async function allocationOf(simulator: Simulator, entry: LedgerEntry): Promise<string | undefined> {
  const label = entry.labels[ALLOCATION_LABEL];
  if (label !== undefined) return label;
  return /^\S+ expects (\S+)$/m.exec(await serverLog(simulator, entry.id))?.[1];
}
