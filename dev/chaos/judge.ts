import { attribute } from './attribution.ts';
import type { Evidence } from './evidence.ts';
import { judgeAnswers } from './judge-answers.ts';
import { judgeDoubles, judgeRecords, judgeSeats, judgeStrays } from './judge-fleet.ts';
import type { Verdict } from './verdict.ts';

/** What the evidence says about each promise. Pure. */
export function judge(evidence: Evidence): Verdict[] {
  const found = attribute(evidence);
  return [
    judgeAnswers(evidence, found),
    judgeDoubles(evidence, found),
    judgeStrays(evidence, found),
    judgeRecords(evidence, found),
    judgeSeats(evidence, found),
    judgeSecrets(evidence),
    judgeNodes(evidence),
  ];
}

/** P7: no secret in a log, a label, a record or a notification. */
function judgeSecrets({ secrets, searchedBytes, failedStatements }: Evidence): Verdict {
  const says =
    `${(searchedBytes / 1e6).toFixed(1)} MB of logs, records, labels and notifications searched, ` +
    `${failedStatements} lines about statements that failed among them; ${secrets.length} found`;
  return { promise: 'P7', what: 'no secret shown', says, broken: secrets };
}

/** No promise by itself, but nobody may end a node but us. */
function judgeNodes({ nodes }: Evidence): Verdict {
  const died = nodes.filter(({ kind }) => kind === 'died');
  const broken = died.map(({ node, atMs, lastWords }) => {
    return `${node} died by itself at ${new Date(atMs).toISOString()}: ${lastWords ?? ''}`;
  });
  const up = nodes.filter(({ kind }) => kind === 'up').length;
  const killed = nodes.filter(({ kind }) => kind === 'killed').length;
  return {
    promise: '--',
    what: 'nodes',
    says: `started ${up} times, killed ${killed} times, died by themselves ${died.length} times`,
    broken,
  };
}
