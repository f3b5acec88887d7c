/** What was found about one promise. */
export interface Verdict {
  promise: string;
  what: string;
  /** What was counted, as a sentence. */
  says: string;
  /** Each breach, with the ids that are needed to look into it. */
  broken: string[];
}

/** All verdicts as text: a line for each promise, and its first breaches below it. */
export function verdictText(verdicts: Verdict[], mostShown = 20): string {
  return verdicts
    .map(({ promise, what, says, broken }) => {
      const shown = broken.slice(0, mostShown).map((breach) => `    - ${breach}`);
      const more = broken.length > mostShown ? [`    … and ${broken.length - mostShown} more`] : [];
      const head = `  ${broken.length === 0 ? 'kept  ' : 'BROKEN'} ${promise}  ${what}: ${says}`;
      return [head, ...shown, ...more].join('\n');
    })
    .join('\n');
}
