import { expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers, matchTogether, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { toldOneReason, toldOneSession } from './support/matches.ts';
import { ask, status } from './support/operators.ts';
import { allocationsSettled, containerEnv, endSessions, quietStack, sessionsFor } from './support/world.ts';

const MODES = {
  duel: { regions: ['us'], ttl: '1h', max_players: 2, env: { GAME_MODE: 'duel' }, args: ['--duel'] },
  raid: { max_players: 5, max_sessions: 1 },
};

forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(['eu', 'us'], { GAMEYE_MODES: JSON.stringify(MODES) }));
  const queued = async (...modes: (string | undefined)[]): Promise<Player[]> => {
    const players = await connectPlayers(stack().nakama, modes.length);
    const group = `m${players[0]?.userId.slice(0, 8)}`;
    await Promise.all(
      players.map((player, i) =>
        player.matchmake({
          ...{ minCount: modes.length, maxCount: modes.length, query: `+properties.group:${group}` },
          strings: { group, ...(modes[i] === undefined ? {} : { mode: modes[i] }) },
        }),
      ),
    );
    return players;
  };

  const endAll = async (): Promise<void> => {
    await allocationsSettled(stack());
    const running = stack().simulator.ledger.entries.filter(({ endedAtMs }) => endedAtMs === undefined);
    await endSessions(
      stack(),
      running.map(({ id }) => id),
    );
  };

  it('a match gets a session of the mode that its tickets name', async () => {
    const players = await queued('duel', 'duel');
    const told = await toldOneSession(stack(), players);
    const [session] = await sessionsFor(stack(), players);
    expect(session).toMatchObject({ region: 'us', labels: { nakama_mode: 'duel' } });
    expect(await containerEnv(stack(), told.sessionId)).toMatchObject({ GAME_MODE: 'duel' });
    const shown = await ask(stack().nakama, 'fleet_get', { id: told.sessionId });
    expect(shown).toMatchObject({ mode: 'duel', region: 'us', max_players: 2 });
    const listed = await ask<{ instances: object[] }>(stack().nakama, 'fleet_list', { query: '+mode:duel' });
    expect(listed.instances).toMatchObject([{ id: told.sessionId }]);
    expect((await status(stack().nakama)).instances.groups).toMatchObject([
      { mode: 'duel', region: 'us', sessions: 1 },
    ]);
    await endAll();
    closeAll(players);
  });

  it('a match whose tickets name no mode gets a session as the variables say', async () => {
    const players = await queued(undefined, undefined);
    const told = await toldOneSession(stack(), players);
    expect(await containerEnv(stack(), told.sessionId)).not.toHaveProperty('GAME_MODE');
    expect(await ask(stack().nakama, 'fleet_get', { id: told.sessionId })).not.toHaveProperty('mode');
    await endAll();
    closeAll(players);
  });

  it('a match whose tickets name two modes gets no session', async () => {
    const players = await queued('duel', 'raid');
    expect(await toldOneReason(stack(), players)).toBe('misconfigured');
    await endAll();
    closeAll(players);
  });

  it('a ticket of an unknown mode is refused when it is added, with the names of the modes that there are', async () => {
    const players = await connectPlayers(stack().nakama, 1);
    const strings = { mode: 'gone' };
    await expect(matchTogether(players, { minCount: 2, maxCount: 2, strings })).rejects.toMatchObject({
      message: expect.stringContaining('gameye_mode_unknown: no such mode. There are: duel, raid.'),
    });
    await endAll();
    closeAll(players);
  });

  it('other servers and single players ask for a mode by its name, and no more of its sessions run than are allowed', async () => {
    const { nakama } = stack();
    const first = await ask<{ session_id: string }>(nakama, 'fleet_create', { mode: 'raid' });
    const isRunning = async (): Promise<boolean> =>
      (await ask<{ status: string }>(nakama, 'fleet_get', { id: first.session_id })).status === 'running';
    await until(isRunning, 10_000, 'the first session of the mode');
    const full = await nakama.rpc('fleet_create', { mode: 'raid' });
    expect(full).toMatchObject({ code: 8 });
    const [player] = (await connectPlayers(nakama, 1)) as [Player];
    expect(await player.rpc('gameye_solo_match', { mode: 'gone' })).toMatchObject({ code: 3 });
    expect(await player.rpc('gameye_solo_match', { mode: 'duel' })).toMatchObject({ status: 200 });
    const answer = await player.waitForAnswer(15_000);
    expect(answer.kind).toBe('match');
    expect(await sessionsFor(stack(), [player])).toMatchObject([{ region: 'us', labels: { nakama_mode: 'duel' } }]);
    await endAll();
    closeAll([player]);
  });

  it('a request of another server replaces what its mode says', async () => {
    const { nakama } = stack();
    const [player] = (await connectPlayers(nakama, 1)) as [Player];
    const payload = { mode: 'duel', user_ids: [player.userId], env: { OWN: '1' }, regions: ['eu'] };
    await ask(nakama, 'fleet_create', payload);
    await player.waitForAnswer(15_000);
    const [session] = await sessionsFor(stack(), [player]);
    expect(session).toMatchObject({ region: 'eu', envKeys: expect.arrayContaining(['GAME_MODE', 'OWN']) });
    await endAll();
    closeAll([player]);
  });
});
