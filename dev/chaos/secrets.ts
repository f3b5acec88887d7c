import { dumpText } from '../stack/database.ts';
import { linesWithSecret } from '../stack/secrets.ts';
import type { Evidence } from './evidence.ts';
import type { World } from './world.ts';

/** Searches everything that others can read for what they must not: logs, the database, labels, what players were sent. */
export async function searchSecrets(
  world: World,
  { answers, ledger }: Pick<Evidence, 'answers' | 'ledger'>,
): Promise<Pick<Evidence, 'secrets' | 'searchedBytes' | 'failedStatements'>> {
  const { nodes } = world.stack;
  const logs = nodes.map((node): [string, string] => [`the log of ${node.name}`, node.logText()]);
  const places = [...logs];
  places.push(['the database', await dumpText(world.database)]);
  places.push(['labels', ledger.map(({ labels }) => JSON.stringify(labels)).join('\n')]);
  places.push(['notifications', answers.map(({ content }) => JSON.stringify(content)).join('\n')]);
  const empty = places.filter(([, text]) => text === '').map(([place]) => place);
  return {
    secrets: [
      ...empty.map((place) => `${place}: nothing there, so searching it proves nothing`),
      ...places.flatMap(([place, text]) => linesWithSecret(text, world.secrets).map((line) => `${place}: ${line}`)),
      ...logs.flatMap(([place, text]) => linesOnlyForOne(text).map((line) => `${place}: ${line}`)),
    ],
    failedStatements: logs.reduce((sum, [, text]) => sum + text.split('\n').filter(isFailedStatement).length, 0),
    searchedBytes: places.reduce((sum, [, text]) => sum + text.length, 0),
  };
}

/** Secrets that are made for one session or one player, as they would look in a log, where nobody may read them. */
const MADE_FOR_ONE = /v1\.[\w-]{20,}\.[\w-]{20,}|(?:SEAT_SECRET|NAKAMA_SERVER_TOKEN)\W{1,12}[\w.-]{16,}/;

function linesOnlyForOne(text: string): string[] {
  const lines = text.split('\n').filter((line) => MADE_FOR_ONE.test(line));
  return lines.map((line) => line.slice(0, 300));
}

/** Nakama logs a statement that fails with its arguments. */
function isFailedStatement(line: string): boolean {
  return line.includes('"level":"error"') && /gameye_(?:allocation|instance|seat|control)\b/.test(line);
}
