import { dumpText } from '../stack/database.ts';
import { linesWithSecret } from '../stack/secrets.ts';
import type { Evidence } from './evidence.ts';
import type { World } from './world.ts';

/** Searches everything that others can read for what they must not: logs, the database, labels, what players were sent. */
export async function searchSecrets(
  world: World,
  { answers, ledger }: Pick<Evidence, 'answers' | 'ledger'>,
): Promise<Pick<Evidence, 'secrets' | 'searchedBytes'>> {
  const { nodes, database } = world.stack;
  const places: [string, string][] = nodes.map((node) => [`the log of ${node.name}`, node.logText()]);
  places.push(['the database', await dumpText(database)]);
  places.push(['labels', ledger.map(({ labels }) => JSON.stringify(labels)).join('\n')]);
  places.push(['notifications', answers.map(({ content }) => JSON.stringify(content)).join('\n')]);
  const empty = places.filter(([, text]) => text === '').map(([place]) => place);
  return {
    secrets: [
      ...empty.map((place) => `${place}: nothing there, so searching it proves nothing`),
      ...places.flatMap(([place, text]) => linesWithSecret(text, world.secrets).map((line) => `${place}: ${line}`)),
    ],
    searchedBytes: places.reduce((sum, [, text]) => sum + text.length, 0),
  };
}
