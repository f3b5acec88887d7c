import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders whose files take longest first, because they wait most: what needs the processor fills the gaps. */
const LONGEST_FIRST = ['faults', 'integration', 'nakama', 'project', 'gameye', 'demo', 'bundle'];

/** Starts the files that take longest first, so that none of them is alone at the end. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST_FIRST.findIndex((folder) => moduleId.includes(`/tests/${folder}/`));
      return at < 0 ? LONGEST_FIRST.length : at;
    };
    // Within a folder as vitest has it: the slowest of the last run first, else the largest.
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
