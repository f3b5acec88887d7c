import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * What takes longest comes first: files that alone last as long as many others, then those of servers, which mostly wait, so
 * that what needs the processor fills the gaps.
 */
const LONGEST_FIRST = [
  ...[
    'faults/chaos',
    'unit/crash-points',
    'integration/reconcile.',
    'integration/lying-',
    'faults/',
    'gameye/page',
    'bundle/fuzz',
  ],
  ...['integration/', 'unit/worker-model', 'gameye/start', 'nakama/', 'kits/', 'project/', 'gameye/', 'demo/'],
];

/** Starts the files that take longest first, so that none of them is alone at the end. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST_FIRST.findIndex((start) => moduleId.includes(`/tests/${start}`));
      return at < 0 ? LONGEST_FIRST.length : at;
    };
    // Within a rank as vitest has it: the slowest of the last run first, else the largest.
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
