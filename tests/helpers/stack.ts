import { afterAll, beforeAll, inject } from 'vitest';
import { notEnded } from '../../dev/gameye/ledger.ts';
import type { NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { startStack, type Stack, type StackOptions } from '../../dev/stack/stack.ts';
import { until } from '../../dev/stack/until.ts';
import { expectNoSecrets } from './secrets.ts';

export interface TestStackOptions extends Omit<StackOptions, 'runtime' | 'postgres'> {
  /** Why the tests of this stack may end while sessions run; without a reason that fails the file. */
  leavesSessions?: string;
}

/** For the seat secret of tests: long enough, and nothing else looks like it. */
export const SEAT_SECRET = 'test-seat-secret-0123456789abcdef';

const SETTLE_MS = 10_000;

/** Starting 32 threads for VMs, as the embedded runtime does, costs a test more than all that it does with them. */
const FEW_VMS = ['--embedded.reserve', '6'];

/**
 * One stack for the tests of the surrounding `describe`: Nakama, simulator, a database of its own. Afterwards checks what
 * must hold whatever the tests did: no session still runs, and no secret shows in a log or in the database.
 *
 * Returns a function, because the stack exists only while the tests run.
 */
export function useStack(runtime: NakamaRuntime, options: TestStackOptions = {}): () => Stack {
  let stack: Stack | undefined;
  const { leavesSessions, ...rest } = options;
  beforeAll(async () => {
    stack = await startTestStack(runtime, rest);
  }, 120_000);
  afterAll(async () => {
    if (!stack) return;
    try {
      if (leavesSessions === undefined) await expectNothingRunning(stack);
      await expectNoSecrets(stack);
    } finally {
      await stack.stop();
    }
  }, 60_000);
  return () => {
    if (!stack) throw new Error('the stack is there only while tests run: call this inside a test or a hook');
    return stack;
  };
}

/** The same without hooks, for a test that starts and stops one itself. Seat tokens and server reports are on. */
export function startTestStack(runtime: NakamaRuntime, options: Omit<StackOptions, 'runtime'> = {}): Promise<Stack> {
  const env = { GAMEYE_SEAT_SECRET: SEAT_SECRET, GAMEYE_NAKAMA_URL: '{nakama}', ...options.env };
  const simulator = { startMs: 100, ...options.simulator };
  const flags = [...(runtime.kind === 'embedded' ? FEW_VMS : []), ...(options.flags ?? [])];
  return startStack({ ...options, runtime, env, simulator, flags, postgres: sharedPostgres() });
}

/** Fails while a session runs that nobody ended; gives those that are just ending some time. */
export async function expectNothingRunning(stack: Stack, deadlineMs = SETTLE_MS): Promise<void> {
  const running = () => notEnded(stack.simulator.ledger.entries);
  const names = () => running().map(({ id, region, players }) => `${id} in ${region} with ${players.length} players`);
  await until(
    () => running().length === 0,
    deadlineMs,
    () => `the end of every session; still running: ${names().join('; ')}`,
  );
}

function sharedPostgres(): string {
  const address = inject('postgres');
  if (!address) throw new Error('no Postgres: vitest must have tests/helpers/global-setup.ts as globalSetup');
  return address;
}
