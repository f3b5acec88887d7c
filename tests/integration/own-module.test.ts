import { readFileSync } from 'node:fs';
import { parse } from 'acorn';
import { beforeAll, describe, expect, it } from 'vitest';
import { query } from '../../dev/stack/database.ts';
import { callRpc } from '../../dev/stack/rpc.ts';
import type { Stack } from '../../dev/stack/stack.ts';
import { until } from '../../dev/stack/until.ts';
import { buildOwnModule, ownModule } from '../helpers/own-module.ts';
import { closeAll, connectPlayers, matchTogether } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { toldOneReason, toldOneSession } from './support/matches.ts';
import { containerEnv, endSessions, instanceRows, quietStack, requestsOf } from './support/world.ts';

/*
 * examples/own-module: a module with an InitModule of its own that uses ours as a library. Built with its own rollup file and
 * run like the drop-in.
 */
beforeAll(() => buildOwnModule(), 240_000);

const schema = (stack: Stack): string => (stack.runtime.kind === 'embedded' ? 'embedded_nakama' : 'public');

/** What the example's callback stored about an allocation; waits for it. */
async function storedDuel(stack: Stack, id: string): Promise<Record<string, unknown>> {
  const sql = `SELECT value FROM ${schema(stack)}.duel WHERE id = $1`;
  const row = async () => (await query<{ value: Record<string, unknown> }>(stack.database, sql, [id]))[0];
  return (await until(row, 15_000, `what the callback stores about ${id}`)).value;
}

describe('the built example module', () => {
  it('is a script with few globals: its own functions and those of the library that it registers', () => {
    const program = parse(readFileSync(ownModule, 'utf8'), { ecmaVersion: 2020, sourceType: 'script' });
    const names = program.body.flatMap((one) => {
      if (one.type === 'FunctionDeclaration') return [one.id.name];
      return one.type === 'VariableDeclaration' ? one.declarations.map(({ id }) => (id as { name: string }).name) : [];
    });
    expect(names).toEqual(expect.arrayContaining(['InitModule', 'library', 'allocatorLoop', 'rpcDuels']));
    expect(names).not.toContain('rpcFleetList');
    expect(names.length).toBeLessThanOrEqual(30);
  });
});

forEachRuntime('long', (runtime) => {
  const stack = useStack(runtime, { ...quietStack(['eu-central-1']), modulePath: ownModule });

  it('a match that onMatched takes is shaped by it, its callback runs, and each player gets extra fields', async () => {
    const { nakama } = stack();
    const [red, blue, third] = await connectPlayers(nakama, 3);
    if (!red || !blue || !third) throw new Error('three players are needed');
    await matchTogether([red, blue], { strings: { mode: 'duel' } });
    const { sessionId, host, port } = await toldOneSession(stack(), [red, blue]);
    const contents = [red, blue].map(({ answers }) => answers[0]?.content);
    expect(contents.map((content) => content?.['team']).sort()).toEqual(['blue', 'red']);
    for (const content of contents) expect(content).toMatchObject({ mode: 'duel', host, port, session_id: sessionId });
    expect(await containerEnv(stack(), sessionId)).toMatchObject({ GAME_MODE: 'duel' });
    expect(await instanceRows(stack(), [sessionId])).toMatchObject([
      { value: { max_players: 4, open_seats: 2, metadata: { mode: 'duel' } } },
    ]);
    const duel = await storedDuel(stack(), sessionId);
    expect(duel).toMatchObject({ status: 'success', error: null });
    expect(new Set(duel['players'] as string[])).toEqual(new Set([red.userId, blue.userId]));

    // Its own RPCs, which use the fleet manager's verbs, for players.
    expect(await third.rpc('duels')).toMatchObject({ payload: [{ id: sessionId, open_seats: 2 }] });
    expect(await third.rpc('join_duel', { id: sessionId })).toMatchObject({
      payload: { host, port, session_id: sessionId, seat_token: expect.stringMatching(/^v1\./) },
    });
    expect(await third.rpc('duels')).toMatchObject({ payload: [{ id: sessionId, open_seats: 1 }] });
    expect(await third.rpc('join_duel', { id: 'nobody-has-this' })).toMatchObject({
      code: 5,
      message: expect.stringContaining('nobody-has-this'),
    });
    await endSessions(stack(), [sessionId]);
    closeAll([red, blue, third]);
  });

  it('a result lands on a leaderboard and is rewarded once, and the end of its session is heard', async () => {
    const { nakama } = stack();
    const [red, blue] = await connectPlayers(nakama, 2);
    if (!red || !blue) throw new Error('two players are needed');
    await matchTogether([red, blue], { strings: { mode: 'duel' } });
    const { sessionId } = await toldOneSession(stack(), [red, blue]);
    const { NAKAMA_URL: url = '', NAKAMA_SERVER_TOKEN: token = '' } = await containerEnv(stack(), sessionId);
    const says = (rpc: string, payload: object) => callRpc(url, rpc, payload, { token });
    expect(await says('gameye_server_join', { user_ids: [red.userId, blue.userId] })).toMatchObject({ status: 200 });
    const won = { result: { winner: red.userId, score: 21 }, round: '1' };
    for (const stored of [true, false]) {
      expect(await says('gameye_server_result', won)).toMatchObject({ payload: { id: `${sessionId}/1`, stored } });
    }
    expect(await says('join_duel', { id: sessionId })).toMatchObject({ status: 403, code: 7 });
    // Nobody of this name was there.
    const made_up = { result: { winner: '00000000-0000-4000-8000-000000000001', score: 99 }, round: '2' };
    expect(await says('gameye_server_result', made_up)).toMatchObject({ payload: { stored: true } });
    expect(await says('delete_instance_info', {})).toMatchObject({ status: 200 });
    const end = await storedDuel(stack(), `${sessionId}#end`);
    expect(end).toMatchObject({ reason: 'server', rounds: 2 });
    expect(new Set(end['players'] as string[])).toEqual(new Set([red.userId, blue.userId]));
    // The end comes after all results.
    const ours = (text: string) => query(stack().database, text.replace('%', schema(stack())), [`${sessionId}%`]);
    expect(await ours('SELECT id, user_id, coins FROM %.duel_reward WHERE id LIKE $1')).toEqual([
      { id: `${sessionId}/1`, user_id: red.userId, coins: 10 },
    ]);
    const scores = `SELECT owner_id::text, score::text FROM %.leaderboard_record WHERE leaderboard_id = 'duel_score' AND $1 <> ''`;
    expect(await ours(scores)).toEqual([{ owner_id: red.userId, score: '21' }]);
    closeAll([red, blue]);
  });

  it('a match that onMatched does not take is left to Nakama', async () => {
    const { nakama } = stack();
    const before = requestsOf(stack(), 'session-run').length;
    const [one, two, ...duellists] = await connectPlayers(nakama, 4);
    if (!one || !two) throw new Error('four players are needed');
    await matchTogether([one, two], { strings: { mode: 'chess' } });
    await Promise.all([one, two].map((player) => player.waitUntilMatched(10_000)));
    // What would have been done for them is done before this match is through.
    await matchTogether(duellists, { strings: { mode: 'duel' } });
    const { sessionId } = await toldOneSession(stack(), duellists);
    expect(requestsOf(stack(), 'session-run')).toHaveLength(before + 1);
    for (const player of [one, two]) {
      expect([player.answers, player.otherNotifications, await player.listAnswers()]).toEqual([[], [], []]);
    }
    await endSessions(stack(), [sessionId]);
    closeAll([one, two, ...duellists]);
  });

  it('a callback that tells the players itself replaces what the module tells them', async () => {
    const { nakama } = stack();
    const [player] = await connectPlayers(nakama, 1);
    if (!player) throw new Error('a player is needed');
    const request = { max_players: 1, user_ids: [player.userId], callback: 'quietly' };
    const { payload } = await nakama.rpc('fleet_create', request);
    const { session_id: id } = payload as { session_id: string };
    expect(await storedDuel(stack(), id)).toEqual({ status: 'success', error: null, players: [player.userId] });
    // Nakama stores a notification before the callback would run.
    expect([player.answers, await player.listAnswers()]).toEqual([[], []]);
    await endSessions(stack(), [id]);
    closeAll([player]);
  });

  it('a callback hears of a failure with the reason that the players are told', async () => {
    const { nakama } = stack();
    const players = await connectPlayers(nakama, 1);
    const userIds = players.map(({ userId }) => userId);
    const request = { max_players: 1, user_ids: userIds, regions: ['nowhere'], callback: 'duelEnded' };
    const { payload } = await nakama.rpc('fleet_create', request);
    const { session_id: id } = payload as { session_id: string };
    expect(await toldOneReason(stack(), players)).toBe('misconfigured');
    expect(await storedDuel(stack(), id)).toEqual({ status: 'error', error: 'misconfigured', players: userIds });
    closeAll(players);
  });

  it('a callback that does not exist is refused with the names of those that do', async () => {
    expect(await stack().nakama.rpc('fleet_create', { max_players: 1, callback: 'toString' })).toMatchObject({
      code: 3,
      message: expect.stringContaining('duelEnded, quietly'),
    });
    expect(stack().nakama.logText()).toContain('a request names a callback that does not exist');
  });
});
