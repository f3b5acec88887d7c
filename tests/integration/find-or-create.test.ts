import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { answersOf, closeAll, connectPlayers, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { toldOneSession } from './support/matches.ts';
import { endSessions, instanceRows, quietStack, requestsOf } from './support/world.ts';

const REGIONS = ['joins', 'pairs', 'finds', 'repeats', 'waits'];

interface Found {
  session_id: string;
  created: boolean;
  matches?: ({ user_id: string } & Record<string, unknown>)[];
}

forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(REGIONS, { GAMEYE_RECONCILE_INTERVAL: '2s' }));

  const start = async (region: string, max_players: number, more: object = {}): Promise<string> => {
    const { payload } = await stack().nakama.rpc('fleet_create', { max_players, regions: [region], ...more });
    const { session_id: id } = payload as { session_id: string };
    await until(async () => (await instanceRows(stack(), [id])).length === 1, 10_000, 'the instance', 50);
    return id;
  };
  const find = async (players: (Player | string)[], region: string, more: object = {}): Promise<Found> => {
    const user_ids = players.map((player) => (typeof player === 'string' ? player : player.userId));
    const answer = await stack().nakama.rpc('fleet_find_or_create', { user_ids, regions: [region], ...more });
    expect(answer).toMatchObject({ status: 200 });
    return answer.payload as Found;
  };
  const ownContent = ({ answers }: Player): unknown => answers[0]?.content;

  it('fleet_join tells players what a match tells them, and its caller as well', async () => {
    const { nakama } = stack();
    const id = await start('joins', 4, { metadata: { map: 'dust' } });
    const players = await connectPlayers(nakama, 3);
    const [a, b, quiet] = players as [Player, Player, Player];
    const joined = await nakama.rpc('fleet_join', { id, user_ids: [a.userId, b.userId] });
    const [told] = await answersOf([a, b]);
    expect(told).toMatchObject({ kind: 'match', sessionId: id });
    const { matches } = joined.payload as { matches: Found['matches'] };
    expect(matches).toEqual([a, b].map((player) => ({ user_id: player.userId, ...(ownContent(player) as object) })));
    expect(matches?.[0]).toMatchObject({ map: 'dust', seat_token: expect.stringMatching(/^v1\./) });
    expect(await nakama.rpc('fleet_join', { id, user_ids: [quiet.userId], notify: false })).toMatchObject({
      payload: { matches: [{ user_id: quiet.userId, session_id: id }] },
    });
    expect(await nakama.rpc('fleet_join', { id, user_ids: [quiet.userId, randomUUID(), randomUUID()] })).toMatchObject({
      code: 8,
    });
    expect([quiet.answers, await quiet.listAnswers()]).toEqual([[], []]);
    expect((await quiet.rpc('gameye_assignment', {})).payload).toMatchObject({ state: 'ready', session_id: id });
    await endSessions(stack(), [id]);
    closeAll(players);
  });

  it('fleet_find_or_create seats two groups that ask at once in the session with room for both, and no third one', async () => {
    const id = await start('pairs', 4);
    const groups = Array.from({ length: 2 }, () => [randomUUID(), randomUUID()]);
    const found = await Promise.all(groups.map((group) => find(group, 'pairs', { notify: false })));
    expect(found).toMatchObject([
      { session_id: id, created: false },
      { session_id: id, created: false },
    ]);
    const third = await find([randomUUID()], 'pairs', { notify: false });
    expect(third).toMatchObject({ created: true });
    await until(async () => (await instanceRows(stack(), [third.session_id])).length === 1, 10_000, 'the third', 50);
    await endSessions(stack(), [id, third.session_id]);
  });

  it('fleet_find_or_create fills running sessions when many ask at once, oversells none, and starts the rest', async () => {
    const ids = [await start('finds', 3), await start('finds', 3)];
    const closed = await start('finds', 8, { backfill: false });
    const alone = await start('finds', 8, { metadata: { mode: 'other' } });
    const query = '-metadata.mode:other';
    const found = await Promise.all(
      Array.from({ length: 10 }, () => find([randomUUID()], 'finds', { query, notify: false, max_players: 1 })),
    );
    const rows = await instanceRows(stack(), ids);
    expect(rows.map(({ value }) => value)).toMatchObject([
      { player_count: 3, open_seats: 0 },
      { player_count: 3, open_seats: 0 },
    ]);
    const created = found.filter((one) => one.created).map(({ session_id }) => session_id);
    expect(new Set(created).size).toBe(4);
    const passed = await instanceRows(stack(), [alone, closed]);
    expect(passed.map(({ value }) => value)).toMatchObject([{ player_count: 0 }, { player_count: 0 }]);
    await until(async () => (await instanceRows(stack(), created)).length === 4, 10_000, 'the new sessions', 50);
    await endSessions(stack(), [...ids, closed, alone, ...created]);
  });

  it('fleet_create gives one request_id one session, however often it is asked, also by many at once', async () => {
    const { nakama } = stack();
    const [player] = (await connectPlayers(nakama, 1)) as [Player];
    const request = { max_players: 2, user_ids: [player.userId], regions: ['repeats'], request_id: randomUUID() };
    const answers = await Promise.all(Array.from({ length: 6 }, () => nakama.rpc('fleet_create', request)));
    const { sessionId } = await toldOneSession(stack(), [player]);
    expect(answers.map(({ payload }) => payload)).toEqual(answers.map(() => ({ session_id: sessionId })));
    expect(await nakama.rpc('fleet_create', request)).toMatchObject({ payload: { session_id: sessionId } });
    expect(await nakama.rpc('fleet_create', { ...request, max_players: 3 })).toMatchObject({ code: 10 });
    expect(requestsOf(stack(), 'session-run', 'repeats')).toHaveLength(1);
    await endSessions(stack(), [sessionId]);
    expect(await nakama.rpc('fleet_create', request), 'also once it is over').toMatchObject({
      payload: { session_id: sessionId },
    });
    expect(requestsOf(stack(), 'session-run', 'repeats')).toHaveLength(1);
    closeAll([player]);
  });

  it('a session that was started for nobody is stopped when nobody comes in time, and stays when somebody does', async () => {
    const { simulator } = stack();
    const [empty, used] = [
      await start('waits', 4, { empty_timeout: 2 }),
      await start('waits', 4, { empty_timeout: 2 }),
    ];
    const user = randomUUID();
    expect(await stack().nakama.rpc('fleet_join', { id: used, user_ids: [user], notify: false })).toMatchObject({
      status: 200,
    });
    await until(() => simulator.ledger.get(empty)?.ended === 'stop', 20_000, 'the end of the empty one', 100);
    expect(await stack().nakama.rpc('fleet_get', { id: used })).toMatchObject({ payload: { player_count: 1 } });
    await endSessions(stack(), [used]);
  });
});
