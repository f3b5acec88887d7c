import { randomBytes } from 'node:crypto';
import { Player, type Answer, type MatchmakerRequest, type NakamaAddress } from '../../dev/demo/player.ts';

export { Player, type Answer } from '../../dev/demo/player.ts';

// More at once only queue up in the client library, whose requests then run into its own deadline.
const AT_ONCE = 40;

/** A name that no other test uses: players who queue with it meet nobody else. */
export function uniqueGroup(prefix = 'g'): string {
  return `${prefix}${randomBytes(5).toString('hex')}`;
}

/** `count` new players with live connections. */
export async function connectPlayers(nakama: NakamaAddress, count: number): Promise<Player[]> {
  const players: Player[] = [];
  for (let done = 0; done < count; done += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - done) }, () => Player.connect(nakama));
    players.push(...(await Promise.all(batch)));
  }
  return players;
}

/** Queues players so that exactly they become one match. Answers their tickets. */
export function matchTogether(players: Player[], request: Partial<MatchmakerRequest> = {}): Promise<string[]> {
  const group = uniqueGroup();
  const ticket: MatchmakerRequest = {
    minCount: players.length,
    maxCount: players.length,
    ...request,
    query: `+properties.group:${group}${request.query ? ` ${request.query}` : ''}`,
    strings: { ...request.strings, group },
  };
  return Promise.all(players.map((player) => player.matchmake(ticket)));
}

/** Cuts players into groups of `size` and queues each group for a match of its own; for bursts. */
export async function matchInGroups(players: Player[], size: number): Promise<Player[][]> {
  const groups = Array.from({ length: Math.floor(players.length / size) }, (_, i) =>
    players.slice(i * size, (i + 1) * size),
  );
  await Promise.all(groups.map((group) => matchTogether(group)));
  return groups;
}

/** The first answer of every player, in their order; fails when one gets none in time. */
export function answersOf(players: Player[], deadlineMs = 20_000): Promise<Answer[]> {
  return Promise.all(players.map((player) => player.waitForAnswer(deadlineMs)));
}

/** The address that a whole group was told; fails when one was told a reason, or another address. */
export function sharedAddress(answers: Answer[]): Answer & { kind: 'match' } {
  const [first, ...others] = answers.map(expectAddress);
  if (!first) throw new Error('no answers');
  for (const other of others) {
    if (other.sessionId !== first.sessionId || other.port !== first.port || other.host !== first.host) {
      throw new Error(`one match, two sessions: ${first.sessionId} and ${other.sessionId}`);
    }
  }
  return first;
}

export function closeAll(players: Player[]): void {
  players.forEach((player) => player.closeSocket());
}

function expectAddress(answer: Answer): Answer & { kind: 'match' } {
  if (answer.kind === 'failed') throw new Error(`a player was told "${answer.reason}" instead of an address`);
  return answer;
}
