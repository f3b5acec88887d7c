import { expect } from 'vitest';
import { newAllocation, type Allocation, type Waiting } from '../../../src/allocation/allocation';
import type { FailureKind, Outcome } from '../../../src/gameye/failure';

/** When every transition under test happens. */
export const NOW = 1_000_000;
export const chance = { newId: () => 'id-2', random: () => 0 };

/** An allocation after its first attempt, with two regions. */
export function starting(more: Partial<Waiting> = {}): Waiting {
  const request = { user_ids: ['u1'], max_players: 1, latencies: [], metadata: {} };
  return { ...newAllocation('id-1', request, ['eu', 'us'], 60_000, NOW - 1000), version: 1, attempts: 1, ...more };
}

/** The next record, which must be one that goes on waiting. */
export function waiting(a: Allocation): Waiting {
  if (a.state !== 'starting' && a.state !== 'queued') throw new Error(`it is ${a.state}`);
  return a;
}

/** The API refused a request; `retry` are the milliseconds that it asks to wait. */
export const refused = (kind: FailureKind, retry?: number): Exclude<Outcome<never>, { kind: 'done' }> => ({
  kind: 'refused',
  failure: { kind, operation: 'session-run', message: 'm', ...(retry === undefined ? {} : { retry_after_ms: retry }) },
});

/** Whether a request worked is not known. */
export const unknown = (kind: FailureKind = 'unknown'): Exclude<Outcome<never>, { kind: 'done' }> => ({
  kind: 'unknown',
  failure: { kind, operation: 'session-run', message: 'm' },
});

/** The first id, given up and to be stopped. */
export const gone = { session_id: 'id-1', since_ms: NOW };

/** What a row says of the next record; `wait` is how long its next step has to wait. */
export type Next = { [field: string]: unknown } & { wait?: number };

/** Expects the next record to be as its row says. */
export function expectNext(next: Allocation, { wait, ...fields }: Next): void {
  expect(next).toMatchObject(fields);
  if (wait !== undefined) expect(next.next_at_ms - NOW).toBe(wait);
}
