import { expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { toldOneSession } from './support/matches.ts';
import { endSessions, instanceRows, quietStack } from './support/world.ts';

interface Room {
  state: string;
  id: string;
  code: string;
  host: string;
  players: { user_id: string; state: string }[];
}

forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(['near', 'far']));

  const payloadOf = async <T>(player: Player, rpc: string, payload: object = {}): Promise<T> => {
    const answer = await player.rpc(rpc, payload);
    expect(answer, `${rpc} ${JSON.stringify(payload)}`).toMatchObject({ status: 200 });
    return answer.payload as T;
  };
  /** A room that runs, and its host. */
  const open = async (payload: object): Promise<{ host: Player; room: Room; sessionId: string }> => {
    const [host] = (await connectPlayers(stack().nakama, 1)) as [Player];
    const room = await payloadOf<Room>(host, 'gameye_room_create', payload);
    const { sessionId } = await toldOneSession(stack(), [host]);
    return { host, room, sessionId };
  };

  it('friends play together by a code, until the host starts the game; the last one to leave ends it', async () => {
    const { host, room, sessionId } = await open({ max_players: 3 });
    const [guest, late] = (await connectPlayers(stack().nakama, 2)) as [Player, Player];
    expect(room).toMatchObject({ state: 'starting', code: expect.stringMatching(/^.{4}-.{4}$/), host: host.userId });
    const joined = await payloadOf<{ match: object; room: Room }>(guest, 'gameye_room_join', {
      code: room.code.toLowerCase(),
    });
    expect(joined).toMatchObject({
      status: 'matched',
      match: { session_id: sessionId, seat_token: expect.stringMatching(/^v1\./) },
      room: { id: sessionId, code: room.code, state: 'open', host: host.userId },
    });
    expect(joined.room.players.map(({ user_id }) => user_id).sort()).toEqual([host.userId, guest.userId].sort());
    expect(stack().simulator.ledger.get(sessionId)?.players).toContain(guest.userId);
    expect(await payloadOf(guest, 'gameye_room')).toEqual(joined.room);

    expect(await guest.rpc('gameye_room_update', { open: false })).toMatchObject({ code: 7 });
    expect(await payloadOf(host, 'gameye_room_update', { open: false })).toMatchObject({ state: 'closed' });
    expect(await late.rpc('gameye_room_join', { code: room.code })).toMatchObject({ code: 9 });
    expect(await late.rpc('gameye_room_join', { code: '0000-0000' })).toMatchObject({ status: 404, code: 5 });

    for (const player of [guest, host]) await payloadOf(player, 'gameye_leave');
    await until(() => stack().simulator.ledger.get(sessionId)?.ended === 'stop', 10_000, 'the end of the room', 50);
    const rows = () => instanceRows(stack(), [sessionId]);
    await until(async () => (await rows()).length === 0, 10_000, 'the end of its record', 50);
    expect(await payloadOf(host, 'gameye_room')).toEqual({ state: 'none' });
    closeAll([host, guest, late]);
  });

  it('strangers find the public rooms near them, never more than fit, and no room that is private', async () => {
    const near = await open({ max_players: 2, public: true, latencies: [{ region: 'near', ms: 10 }] });
    const far = await open({
      ...{ max_players: 4, public: true },
      latencies: [
        { region: 'near', ms: 200 },
        { region: 'far', ms: 10 },
      ],
    });
    const hidden = await open({ max_players: 4 });
    const strangers = await connectPlayers(stack().nakama, 4);
    const [stranger] = strangers as [Player];
    const { rooms } = await payloadOf<{ rooms: Room[] }>(stranger, 'gameye_room_list', {
      latencies: [
        { region: 'far', ms: 10 },
        { region: 'near', ms: 90 },
      ],
    });
    expect(rooms.map(({ id }) => id)).toEqual([far.sessionId, near.sessionId]);
    expect(JSON.stringify(rooms)).not.toContain(near.room.code);
    expect(await stranger.rpc('gameye_room_join', { id: hidden.sessionId })).toMatchObject({ code: 5 });
    const answers = await Promise.all(
      strangers.map((player) => player.rpc('gameye_room_join', { id: near.sessionId })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ code }) => code === 8)).toHaveLength(3);
    expect((await instanceRows(stack(), [near.sessionId]))[0]?.value).toMatchObject({ player_count: 2, open_seats: 0 });
    await endSessions(stack(), [near.sessionId, far.sessionId, hidden.sessionId]);
    closeAll([near.host, far.host, hidden.host, ...strangers]);
  });

  it('a party plays together, without the member who is offline, and again in a new session', async () => {
    const { simulator } = stack();
    const players = await connectPlayers(stack().nakama, 3);
    const [host, guest, away] = players as [Player, Player, Player];
    const party_id = await host.createParty(3);
    for (const player of [guest, away]) await player.joinParty(party_id);
    away.closeSocket();
    const members = async () => {
      const answer = await guest.rpc('gameye_room_create', { party_id, max_players: 2 });
      // Until Nakama has noticed that one of three is gone, two places are too few.
      return answer.code === 8 ? undefined : answer;
    };
    const made = await until(members, 10_000, 'a party of two', 50);
    expect(made).toMatchObject({ payload: { state: 'starting', host: guest.userId } });
    const { sessionId } = await toldOneSession(stack(), [host, guest]);
    expect(await away.rpc('gameye_room_create', { party_id, max_players: 2 })).toMatchObject({ code: 5 });

    expect(await host.rpc('gameye_room_rematch', {})).toMatchObject({ code: 7 });
    const again = await payloadOf<Room>(guest, 'gameye_room_rematch');
    await until(() => host.answers.length === 2 && guest.answers.length === 2, 10_000, 'the second match', 50);
    const next = host.answers[1]?.content as { session_id: string };
    expect(next.session_id).not.toBe(sessionId);
    expect(await payloadOf<Room>(host, 'gameye_room')).toMatchObject({ state: 'open', code: again.code });
    await until(() => simulator.ledger.get(sessionId)?.ended === 'stop', 10_000, 'the end of the first session', 50);
    await endSessions(stack(), [next.session_id]);
    closeAll(players);
  });

  it('an invitation brings a friend the code', async () => {
    const { host, room, sessionId } = await open({ max_players: 2 });
    const [friend] = (await connectPlayers(stack().nakama, 1)) as [Player];
    expect(await host.rpc('gameye_room_invite', { user_id: friend.userId })).toMatchObject({ code: 5 });
    await friend.befriend(host);
    await host.befriend(friend);
    expect(await payloadOf(host, 'gameye_room_invite', { user_id: friend.userId })).toEqual({ invited: true });
    const code = () => friend.otherNotifications.find((one) => one.code === 7302);
    const invitation = await until(code, 5_000, 'the invitation', 50);
    expect(invitation).toMatchObject({ content: { code: room.code, room_id: sessionId, user_id: host.userId } });
    expect(await payloadOf(friend, 'gameye_room_join', { code: room.code })).toMatchObject({ status: 'matched' });
    await endSessions(stack(), [sessionId]);
    closeAll([host, friend]);
  });
});
