import { expect, it } from 'vitest';
import { callRpc } from '../../dev/stack/rpc.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers, matchTogether, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { toldOneSession } from './support/matches.ts';
import { containerEnv, endSessions, instanceRows, quietStack } from './support/world.ts';

/* Players who watch a game, and players who play it once more. */
forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(['home'], { GAMEYE_MAX_SPECTATORS: '2', GAMEYE_MAX_PLAYERS: '2' }));

  it('friends watch a full game, no more than may, and are no players of it; its end frees their places', async () => {
    const [ann, ben, ...fans] = (await connectPlayers(stack().nakama, 5)) as [Player, Player, ...Player[]];
    await matchTogether([ann, ben]);
    const { sessionId } = await toldOneSession(stack(), [ann, ben]);
    const [first, second, third] = fans as [Player, Player, Player];
    expect(await first.rpc('gameye_watch', { user_id: ann.userId })).toMatchObject({ status: 404, code: 5 });
    for (const fan of fans) {
      await fan.befriend(ann);
      await ann.befriend(fan);
    }
    const asked = await Promise.all(fans.map((fan) => fan.rpc('gameye_watch', { user_id: ann.userId })));
    expect(asked.map(({ status }) => status).sort()).toEqual([200, 200, 429]);
    const watching = fans.filter((_, i) => asked[i]?.status === 200);
    expect(asked.find(({ status }) => status === 200)?.payload).toMatchObject({
      match: { session_id: sessionId, spectator: true, seat_token: expect.stringMatching(/^v1\./) },
    });
    const { NAKAMA_URL: url = '', NAKAMA_SERVER_TOKEN: token = '' } = await containerEnv(stack(), sessionId);
    const says = (rpc: string, payload: object) => callRpc(url, rpc, payload, { token });
    const [fan] = watching as [Player];
    expect(await says('gameye_server_join', { user_ids: [ann.userId, fan.userId] })).toMatchObject({
      payload: { player_count: 2, spectators: [fan.userId] },
    });
    expect(await stack().nakama.rpc('fleet_get', { id: sessionId })).toMatchObject({
      payload: { player_count: 2, open_seats: 0, spectators: 2 },
    });
    await says('gameye_server_leave', { user_ids: [fan.userId] });
    const late = [first, second, third].find((one) => !watching.includes(one)) as Player;
    expect(await late.rpc('gameye_watch', { user_id: ann.userId })).toMatchObject({ status: 200 });
    expect(await stack().nakama.rpc('fleet_watch', { id: sessionId, user_id: fan.userId })).toMatchObject({ code: 8 });
    expect(await late.rpc('gameye_leave')).toMatchObject({ payload: { left: true } });
    expect(await ben.rpc('gameye_watch', { user_id: ann.userId }), 'who plays').toMatchObject({ code: 9 });
    await endSessions(stack(), [sessionId]);
    expect(await stack().nakama.rpc('fleet_watch', { id: sessionId, user_id: fan.userId })).toMatchObject({ code: 5 });
    closeAll([ann, ben, ...fans]);
  });

  it('the players of a match play again in a new session when both want it', async () => {
    const players = (await connectPlayers(stack().nakama, 2)) as [Player, Player];
    const [ann, ben] = players;
    await matchTogether(players);
    const { sessionId } = await toldOneSession(stack(), players);
    expect((await ann.rpc('gameye_rematch')).payload).toEqual({
      ...{ status: 'waiting', wanted_by: [ann.userId], missing: [ben.userId] },
    });
    const both = await Promise.all([ann.rpc('gameye_rematch'), ben.rpc('gameye_rematch')]);
    expect(both.some(({ payload }) => (payload as { status?: string } | undefined)?.status === 'starting')).toBe(true);
    await until(() => players.every(({ answers }) => answers.length === 2), 10_000, 'the second match', 50);
    const [next] = players.map((player) => (player.answers[1]?.content as { session_id: string }).session_id);
    expect(next).not.toBe(sessionId);
    await until(() => stack().simulator.ledger.get(sessionId)?.ended === 'stop', 10_000, 'the end of the first', 50);
    const rows = () => instanceRows(stack(), [sessionId]);
    await until(async () => (await rows()).length === 0, 10_000, 'the end of its record', 50);
    await endSessions(stack(), [next ?? '']);
    closeAll(players);
  });

  it('a party goes into a room that runs together, all or nobody, and not while one of them plays', async () => {
    const [host, guest, ann, ben] = (await connectPlayers(stack().nakama, 4)) as [Player, Player, Player, Player];
    const make = async (player: Player): Promise<{ code: string; id: string }> => {
      const { code } = (await player.rpc('gameye_room_create', { max_players: 2 })).payload as { code: string };
      return { code, id: (await toldOneSession(stack(), [player])).sessionId };
    };
    const [mine, other] = [await make(host), await make(guest)];
    const party_id = await ann.createParty(2);
    await ben.joinParty(party_id);
    const join = () => ann.rpc('gameye_room_join', { code: mine.code, party_id });
    await until(async () => (await join()).code === 8, 10_000, 'a party of two, for whom one place is too few', 50);
    await ben.rpc('gameye_room_join', { code: other.code });
    expect(await join()).toMatchObject({ code: 9 });
    expect((await ben.rpc('gameye_room')).payload).toMatchObject({ id: other.id });

    await ben.rpc('gameye_leave');
    const { NAKAMA_URL: url = '', NAKAMA_SERVER_TOKEN: token = '' } = await containerEnv(stack(), mine.id);
    // The room stays while its host's seat is free: nobody has left it by choice.
    await callRpc(url, 'gameye_server_leave', { user_ids: [host.userId] }, { token });
    expect(await join()).toMatchObject({ payload: { status: 'matched', match: { session_id: mine.id } } });
    await until(() => ben.answers.length === 1, 10_000, 'the address for the other one', 50);
    expect(ben.answers[0]?.content).toMatchObject({ session_id: mine.id });
    await endSessions(stack(), [mine.id, other.id]);
    closeAll([host, guest, ann, ben]);
  });
});
