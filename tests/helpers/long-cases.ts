import fc from 'fast-check';
import { beforeAll, type RunnerTestCase, type RunnerTestSuite } from 'vitest';

/** What the tests of one file may take in the long part, all together, to try their thousands of random cases. */
const FILE_MS = 10 * 60_000;

const testsIn = (task: RunnerTestCase | RunnerTestSuite): number =>
  task.type === 'test' ? 1 : task.tasks.reduce((sum, one) => sum + testsIn(one), 0);

/** A property stops when its share of the time is over: how many cases that are depends on the machine. */
// vitest wants the first argument in this form, used or not.
beforeAll(({}, suite) => {
  const tests = testsIn(suite as unknown as RunnerTestSuite);
  fc.configureGlobal({ ...fc.readConfigureGlobal(), interruptAfterTimeLimit: FILE_MS / Math.max(1, tests) });
});
