import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers, matchTogether, Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneSession } from './support/matches.ts';
import {
  allocationsSettled,
  containerEnv,
  endSessions,
  instanceRows,
  quietStack,
  sessionsFor,
} from './support/world.ts';

interface Ready {
  state: string;
  host: string;
  port: number;
  session_id: string;
  seat_token: string;
  exp: number;
}

async function payloadOf<T>(player: Player, id: string, payload: object = {}): Promise<T> {
  const result = await player.rpc(id, payload);
  expect(result).toMatchObject({ status: 200 });
  return result.payload as T;
}

forEachRuntime((runtime) => {
  const stack = useStack(runtime, {
    ...quietStack(['eu-central-1', 'slow-1'], { GAMEYE_MAX_PLAYERS: '4' }),
  });

  it('gameye_assignment tells a player "none", then the session, with a fresh seat token each time', async () => {
    const [stranger] = await connectPlayers(stack().nakama, 1);
    expect(await payloadOf(stranger as Player, 'gameye_assignment')).toEqual({ state: 'none' });
    const players = await queueMatch(stack());
    const told = await toldOneSession(stack(), players);
    const [player] = players as [Player];
    const ready = await payloadOf<Ready>(player, 'gameye_assignment');
    expect(ready).toMatchObject({ state: 'ready', host: told.host, port: told.port, session_id: told.sessionId });
    const [version, body = '', signature] = ready.seat_token.split('.');
    const secret = (await containerEnv(stack(), told.sessionId))['SEAT_SECRET'] ?? '';
    expect(createHmac('sha256', secret).update(`${version}.${body}`).digest('base64url')).toBe(signature);
    expect(JSON.parse(Buffer.from(body, 'base64url').toString())).toMatchObject({ uid: player.userId, exp: ready.exp });
    await endSessions(stack(), [told.sessionId]);
    expect(await payloadOf(player, 'gameye_assignment')).toEqual({ state: 'none' });
    closeAll([...players, stranger as Player]);
  });

  it('a player who lost a device gets the assignment on another one', async () => {
    const deviceId = `device-${Date.now()}-${Math.random()}`;
    const phone = await Player.connect(stack().nakama, { deviceId });
    await payloadOf(phone, 'gameye_solo_match');
    phone.closeSocket();
    const tablet = await Player.connect(stack().nakama, { deviceId });
    const ready = await until(
      async () => {
        const standing = await payloadOf<Ready>(tablet, 'gameye_assignment');
        return standing.state === 'ready' && standing;
      },
      10_000,
      'the assignment',
    );
    await endSessions(stack(), [ready.session_id]);
    closeAll([tablet]);
  });

  it('a player alone gets one session, however often they ask', async () => {
    const [player] = (await connectPlayers(stack().nakama, 1)) as [Player];
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => player.rpc('gameye_solo_match', { resume: true })),
    );
    for (const answer of answers) expect(answer).toMatchObject({ status: 200 });
    const told = await toldOneSession(stack(), [player]);
    expect(await sessionsFor(stack(), [player])).toHaveLength(1);
    expect(await payloadOf(player, 'gameye_solo_match', { resume: true })).toMatchObject({
      status: 'matched',
      match: { host: told.host, port: told.port, session_id: told.sessionId },
    });
    expect(await instanceRows(stack(), [told.sessionId])).toMatchObject([{ value: { max_players: 4, open_seats: 3 } }]);
    await endSessions(stack(), [told.sessionId]);
    closeAll([player]);
  });

  it('a player alone gets only so many sessions in a minute', async () => {
    const [player] = (await connectPlayers(stack().nakama, 1)) as [Player];
    for (let i = 0; i < 6; i++) {
      expect(await payloadOf(player, 'gameye_solo_match')).toEqual({ status: 'starting' });
      await until(() => player.answers.length === i + 1, 10_000, `answer ${i + 1}`);
      expect(await payloadOf(player, 'gameye_leave')).toEqual({ left: true });
    }
    expect(await player.rpc('gameye_solo_match', {})).toMatchObject({ status: 429, code: 8 });
    await allocationsSettled(stack(), [player]);
    const sessions = await sessionsFor(stack(), [player]);
    expect(sessions).toHaveLength(6);
    await endSessions(
      stack(),
      sessions.map((session) => session.id),
    );
    closeAll([player]);
  });

  it('a player who leaves frees the seat, and is told so only once', async () => {
    const players = await queueMatch(stack());
    const told = await toldOneSession(stack(), players);
    const [player] = players as [Player];
    expect(await payloadOf(player, 'gameye_leave')).toEqual({ left: true });
    expect(await payloadOf(player, 'gameye_leave')).toEqual({ left: false });
    expect(await payloadOf(player, 'gameye_assignment')).toEqual({ state: 'none' });
    expect(await instanceRows(stack(), [told.sessionId])).toMatchObject([
      { value: { player_count: 1, open_seats: 3 } },
    ]);
    expect(stack().simulator.ledger.get(told.sessionId)?.players).not.toContain(player.userId);
    await endSessions(stack(), [told.sessionId]);
    closeAll(players);
  });

  it('a player who is matched again frees the seat they had', async () => {
    const players = await queueMatch(stack());
    const first = await toldOneSession(stack(), players);
    const [player] = players as [Player];
    await payloadOf(player, 'gameye_assignment');
    const [friend] = (await connectPlayers(stack().nakama, 1)) as [Player];
    await matchTogether([player, friend]);
    const second = await until(() => player.answers[1], 10_000, 'the second answer');
    if (second.kind !== 'match') throw new Error(`told ${second.reason}`);
    await allocationsSettled(stack(), [player]);
    const seats = async () => (await instanceRows(stack(), [first.sessionId]))[0]?.value['seats'] as object;
    await until(async () => !(player.userId in (await seats())), 10_000, 'the old seat to be free');
    expect(await payloadOf(player, 'gameye_assignment')).toMatchObject({ session_id: second.sessionId });
    await endSessions(stack(), [first.sessionId, second.sessionId]);
    closeAll([...players, friend]);
  });

  it('a player who cancels leaves the starting session to the others', async () => {
    const { simulator } = stack();
    const fault = simulator.faults.add({
      operation: 'session-run',
      region: 'slow-1',
      on: 'always',
      action: { kind: 'delay', ms: 2500 },
    });
    const players = await queueMatch(stack(), 'slow-1');
    const [leaver, stayer] = players as [Player, Player];
    await until(
      async () => (await payloadOf<Ready>(leaver, 'gameye_assignment')).state === 'starting',
      5_000,
      'the start of the session',
    );
    expect(await payloadOf(leaver, 'gameye_cancel')).toEqual({ cancelled: true });
    expect(await payloadOf(leaver, 'gameye_assignment')).toEqual({ state: 'none' });
    const told = await toldOneSession(stack(), [stayer]);
    await allocationsSettled(stack(), [stayer]);
    expect(leaver.answers).toEqual([]);
    const rows = await instanceRows(stack(), [told.sessionId]);
    expect(Object.keys(rows[0]?.value['seats'] as object)).toEqual([stayer.userId]);
    expect(await sessionsFor(stack(), players)).toHaveLength(1);
    simulator.faults.remove(fault);
    await endSessions(stack(), [told.sessionId]);
    closeAll(players);
  });

  it('a starting session is stopped when all its players cancel', async () => {
    const { simulator } = stack();
    const fault = simulator.faults.add({
      operation: 'session-run',
      region: 'slow-1',
      on: 'always',
      action: { kind: 'delay', ms: 2000 },
    });
    const players = await queueMatch(stack(), 'slow-1');
    for (const player of players) {
      await until(
        async () => (await payloadOf<Ready>(player, 'gameye_assignment')).state === 'starting',
        5_000,
        'the start of the session',
      );
      expect(await payloadOf(player, 'gameye_cancel')).toEqual({ cancelled: true });
    }
    const ended = async () => {
      const sessions = await sessionsFor(stack(), players);
      return sessions.length > 0 && sessions.every((session) => session.endedAtMs !== undefined);
    };
    await until(ended, 15_000, 'the end of the session');
    await until(() => !simulator.requests().some((one) => one.status === 'pending'), 10_000, 'silence');
    expect(players.flatMap((player) => player.answers)).toEqual([]);
    expect(await sessionsFor(stack(), players)).toHaveLength(1);
    simulator.faults.remove(fault);
    closeAll(players);
  });

  it('a player cannot cancel a session that has started', async () => {
    const players = await queueMatch(stack());
    const told = await toldOneSession(stack(), players);
    expect(await (players[0] as Player).rpc('gameye_cancel', {})).toMatchObject({ code: 9 });
    await endSessions(stack(), [told.sessionId]);
    closeAll(players);
  });

  it('servers may not call the RPCs of players', async () => {
    for (const id of [
      'gameye_assignment',
      'gameye_cancel',
      'gameye_leave',
      'gameye_solo_match',
      'gameye_join_friend',
    ]) {
      expect(await stack().nakama.rpc(id, {}), id).toMatchObject({ status: 401, code: 16 });
    }
  });

  it('a player joins the session of a friend, but not of a stranger', async () => {
    const players = await queueMatch(stack());
    const told = await toldOneSession(stack(), players);
    const [host] = players as [Player];
    const [guest] = (await connectPlayers(stack().nakama, 1)) as [Player];
    expect(await guest.rpc('gameye_join_friend', { user_id: host.userId })).toMatchObject({ status: 404, code: 5 });
    await guest.befriend(host);
    await host.befriend(guest);
    expect(await payloadOf(guest, 'gameye_join_friend', { user_id: host.userId })).toMatchObject({
      status: 'matched',
      match: { session_id: told.sessionId, host: told.host, port: told.port, seat_token: expect.any(String) },
    });
    expect(await payloadOf(guest, 'gameye_assignment')).toMatchObject({ state: 'ready', session_id: told.sessionId });
    expect(await instanceRows(stack(), [told.sessionId])).toMatchObject([
      { value: { player_count: 3, open_seats: 1 } },
    ]);
    await endSessions(stack(), [told.sessionId]);
    closeAll([...players, guest]);
  });
});
