import type { Socket } from '@heroiclabs/nakama-js';
import { expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import type { Outcome } from '../../kits/client/gameye-client.ts';
import { closeAll, connectPlayers, uniqueGroup, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { endSessions, quietStack } from './support/world.ts';

const socketOf = (player: Player): Socket => (player as unknown as { socket: Socket }).socket;

/** Both search with the client helper for a match of these two. */
function duel(players: Player[]) {
  const group = uniqueGroup();
  const ticket = { query: `+properties.group:${group}`, minCount: 2, maxCount: 2, strings: { group } };
  return players.map(({ gameye }) => gameye.queue(ticket));
}

function sessionIn(outcome: Outcome): string {
  if (outcome.kind !== 'match') throw new Error(`there is no match: ${JSON.stringify(outcome)}`);
  return outcome.match.session_id;
}

forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(['home']));
  const pair = async () => (await connectPlayers(stack().nakama, 2)) as [Player, Player];
  const standing = async (player: Player) => (await player.rpc('gameye_assignment')).payload as { state: string };

  it('the client helper leads all players of a match to one session, also those who hear nothing of it', async () => {
    const [hears, deaf] = await pair();
    const searches = duel([hears, deaf]);
    socketOf(deaf).onnotification = () => {};
    socketOf(deaf).onmatchmakermatched = () => {};
    const [first, second] = await Promise.all(searches.map(async (search) => sessionIn(await search.result)));
    expect(first).toBe(second);
    closeAll([hears, deaf]);
    await endSessions(stack(), [first!]);
  });

  it('the client helper leads a player to the match who loses the connection when it is made', async () => {
    const players = await pair();
    const searches = duel(players);
    await players[0].waitUntilMatched(10_000);
    socketOf(players[0]).disconnect(true);
    const [first, second] = await Promise.all(searches.map(async (search) => sessionIn(await search.result)));
    expect(first).toBe(second);
    closeAll(players);
    await endSessions(stack(), [first!]);
  });

  it('the client helper queues a player again who loses the connection before the match', async () => {
    const [early, late] = await pair();
    const group = uniqueGroup();
    const ticket = { query: `+properties.group:${group}`, minCount: 2, maxCount: 2, strings: { group } };
    const socket = socketOf(early);
    const add = socket.addMatchmaker.bind(socket);
    let tickets = 0;
    socket.addMatchmaker = (...args) => add(...args).finally(() => tickets++);
    const first = early.gameye.queue(ticket);
    await until(() => tickets === 1, 5_000);
    socket.disconnect(true);
    await until(() => tickets === 2, 10_000);
    const second = late.gameye.queue(ticket);
    expect(sessionIn(await first.result)).toBe(sessionIn(await second.result));
    closeAll([early, late]);
    await endSessions(stack(), [sessionIn(await first.result)]);
  });

  it('the client helper takes a player who cancels out of the match, and leads one who comes back to theirs', async () => {
    const [goes, stays] = await pair();
    const [cancelled, waits] = duel([goes, stays]);
    await goes.waitUntilMatched(10_000);
    await cancelled!.cancel();
    expect(await cancelled!.result).toEqual({ kind: 'cancelled' });
    expect(await standing(goes)).toMatchObject({ state: expect.stringMatching(/none|failed/) });
    const sessionId = sessionIn(await waits!.result);
    expect(sessionIn(await stays.gameye.comeBack().result)).toBe(sessionId);
    expect(await goes.gameye.comeBack().result).toMatchObject({ kind: 'failed' });
    await stays.gameye.leave();
    expect(await standing(stays)).toEqual({ state: 'none' });
    closeAll([goes, stays]);
    await endSessions(stack(), [sessionId]);
  });

  it('the client helper does not send a player to the match before', async () => {
    const players = await pair();
    const play = async () => Promise.all(duel(players).map(async (search) => sessionIn(await search.result)));
    const before = await play();
    const after = await play();
    expect(new Set(after).size).toBe(1);
    expect(after[0]).not.toBe(before[0]);
    closeAll(players);
    await endSessions(stack(), [before[0]!, after[0]!]);
  });
});
