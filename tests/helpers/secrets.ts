import type { Player } from '../../dev/demo/player.ts';
import { dumpText } from '../../dev/stack/database.ts';
import { linesWithSecret } from '../../dev/stack/secrets.ts';
import { API_TOKEN, type Stack } from '../../dev/stack/stack.ts';
import { SEAT_SECRET } from './stack.ts';

export { linesWithSecret } from '../../dev/stack/secrets.ts';

/**
 * Fails when the API token, the seat secret or any credential can be read where it must not be: in the log of any node, in
 * any row of the database, in what these players were sent.
 */
export async function expectNoSecrets(stack: Stack, players: Player[] = [], more: string[] = []): Promise<void> {
  const secrets = [API_TOKEN, SEAT_SECRET, ...more];
  const places: [string, string][] = stack.nodes.map((node) => [`the log of ${node.name}`, node.logText()]);
  const stored = await dumpText(stack.database);
  if (stored === '') throw new Error('nothing was found in the database, so searching it proves nothing');
  places.push(['the database', stored]);
  for (const player of players) {
    const sent = [player.answers, player.otherNotifications, await player.listAnswers()];
    places.push([`what ${player.username} was sent`, JSON.stringify(sent)]);
  }
  const found = places.flatMap(([place, text]) => linesWithSecret(text, secrets).map((line) => `${place}: ${line}`));
  if (found.length > 0) throw new Error(`a secret can be read in ${found.slice(0, 5).join('\n')}`);
}
