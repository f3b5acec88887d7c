import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { serverLog } from '../../dev/demo/evidence.ts';
import { playGame } from '../../dev/demo/game/client.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { expectNoSecrets } from '../helpers/secrets.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneSession } from './support/matches.ts';
import { allocationRows, containerEnv, endSessions, instanceRows, requestsOf } from './support/world.ts';

/** The matched players play until `stayUntil` settles, each with the seat token that they were told. */
function playTogether(players: Player[], stayUntil: Promise<unknown>) {
  return Promise.all(
    players.map(({ userId, answers: [answer] }) => {
      if (answer?.kind !== 'match') throw new Error('only who was told an address can play');
      const { host, port, seatToken: token } = answer;
      return playGame({ host, port, userId, token, moves: 2, stayUntil });
    }),
  );
}

forEachRuntime((runtime) => {
  const stack = useStack(runtime);

  it('every matched player is told, once, the address at which their session really listens', async () => {
    const { nakama, simulator } = stack();
    const players = await queueMatch(stack(), undefined, 3);
    const told = await toldOneSession(stack(), players);
    expect(simulator.ledger.get(told.sessionId)).toMatchObject({
      region: 'eu-central-1',
      image: 'demo-game',
      tag: 'latest',
      labels: { nakama_fleet: 'default' },
      host: told.host,
      ports: [{ container: 7777, type: 'udp', host: told.port }],
      warm: false,
    });
    expect(requestsOf(stack(), 'session-run')).toHaveLength(1);
    expect(await containerEnv(stack(), told.sessionId)).toMatchObject({
      GAMEYE_SESSION_ID: told.sessionId,
      NAKAMA_MATCH_USER_IDS: expect.stringContaining(players[2]?.userId ?? '?'),
      NAKAMA_URL: nakama.url,
    });
    expect(await allocationRows(stack())).toEqual([]);
    expect(await instanceRows(stack())).toMatchObject([{ key: told.sessionId, value: { max_players: 3 } }]);

    let ready = (): void => {};
    const games = playTogether(players, new Promise<void>((resolve) => (ready = resolve)));
    const seated = async () => {
      const { payload } = await nakama.rpc('fleet_get', { id: told.sessionId });
      const states = Object.values((payload as { seats: Record<string, { state: string }> }).seats);
      return states.length === 3 && states.every(({ state }) => state === 'joined') && payload;
    };
    const instance = await until(seated, 10_000, 'all seats to be taken');
    expect(instance).toMatchObject({ id: told.sessionId, status: 'running', player_count: 3, open_seats: 0 });
    expect(await nakama.rpc('fleet_list', {})).toMatchObject({
      payload: { instances: [{ id: told.sessionId, connection_info: { ip_address: told.host, port: told.port } }] },
    });
    expect(new Set(simulator.ledger.get(told.sessionId)?.players)).toEqual(new Set(players.map((p) => p.userId)));
    ready();
    for (const game of await games) expect(game.confirmedMoves).toBeGreaterThanOrEqual(2);

    // They left, so the server ended by itself: nobody is told again, nothing is started again, the record goes.
    await until(() => simulator.ledger.get(told.sessionId)?.ended === 'exit', 10_000, 'the end of the game server');
    expect(await nakama.rpc('fleet_get', { id: told.sessionId })).toMatchObject({ status: 404, code: 5 });
    expect(await instanceRows(stack())).toEqual([]);
    await toldOneSession(stack(), players);
    expect(requestsOf(stack(), 'session-run')).toHaveLength(1);
    await expectNoSecrets(stack(), players);
    closeAll(players);
  });

  it('each matched player gets a seat token that only their own session can verify', async () => {
    const [one, other] = await Promise.all([queueMatch(stack()), queueMatch(stack())]);
    const { sessionId } = await toldOneSession(stack(), one);
    const { sessionId: otherId } = await toldOneSession(stack(), other);
    const secret = (await containerEnv(stack(), sessionId))['SEAT_SECRET'] ?? '';
    const otherSecret = (await containerEnv(stack(), otherId))['SEAT_SECRET'] ?? '';
    for (const { userId, answers } of one) {
      const content = answers[0]?.content ?? {};
      const [version, body = '', signature] = String(content['seat_token']).split('.');
      expect(version).toBe('v1');
      expect(signature).toBe(createHmac('sha256', secret).update(`v1.${body}`).digest('base64url'));
      expect(signature).not.toBe(createHmac('sha256', otherSecret).update(`v1.${body}`).digest('base64url'));
      const payload: unknown = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'));
      expect(payload).toEqual({ t: 'seat', sid: sessionId, uid: userId, exp: content['exp'] });
      const secondsLeft = Number(content['exp']) - (answers[0]?.atMs ?? 0) / 1000;
      // As long as the seat is held (GAMEYE_SEAT_TIMEOUT).
      expect(secondsLeft).toBeGreaterThan(50);
      expect(secondsLeft).toBeLessThanOrEqual(60);
    }
    await endSessions(stack(), [sessionId, otherId]);
    closeAll([...one, ...other]);
  });

  it('a game server that crashed is not replaced, and its record goes when somebody asks for it', async () => {
    const { nakama, simulator } = stack();
    const players = await queueMatch(stack());
    const { sessionId } = await toldOneSession(stack(), players);
    const startsBefore = requestsOf(stack(), 'session-run').length;
    await until(async () => (await serverLog(simulator, sessionId)).includes('listens'), 10_000, 'the game server');
    expect(simulator.kill(sessionId)).toBe(true);
    await until(() => simulator.ledger.get(sessionId)?.ended === 'killed', 5_000, 'the crash');
    expect(await nakama.rpc('fleet_get', { id: sessionId })).toMatchObject({ status: 404, code: 5 });
    expect(await instanceRows(stack(), [sessionId])).toEqual([]);
    await toldOneSession(stack(), players);
    expect(requestsOf(stack(), 'session-run')).toHaveLength(startsBefore);
    closeAll(players);
  });
});
