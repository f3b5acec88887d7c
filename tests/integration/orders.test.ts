import { expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers, matchTogether } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneSession } from './support/matches.ts';
import { ask, status } from './support/operators.ts';
import { endSessions, QUIET_IMAGE, sessionsFor } from './support/world.ts';

const REGIONS = ['eu', 'us'];
const MODES = { duel: { max_players: 2 } };

forEachRuntime((runtime) => {
  const stack = useStack(runtime, {
    env: {
      GAMEYE_API_IMAGE: QUIET_IMAGE,
      GAMEYE_API_REGION: REGIONS.join(','),
      GAMEYE_API_IMAGE_VERSION: '1.0',
      GAMEYE_MODES: JSON.stringify(MODES),
    },
    simulator: {
      images: { [QUIET_IMAGE]: { command: [], ports: ['7777/udp'], tags: ['1.0', '1.1', '1.2'] } },
      regions: Object.fromEntries(REGIONS.map((region) => [region, {}])),
    },
  });
  const playMatch = async (): Promise<{ region: string; tag: string; sessionId: string }> => {
    const players = await queueMatch(stack());
    const { sessionId } = await toldOneSession(stack(), players);
    const [session] = await sessionsFor(stack(), players);
    closeAll(players);
    return { region: session?.region ?? '', tag: session?.tag ?? '', sessionId };
  };

  it('the next match goes elsewhere once a region is off, on every node, and back when it is on again', async () => {
    const { nakama } = stack();
    const second = await stack().startNode();
    const first = await playMatch();
    expect(first.region).toBe('eu');
    await ask(second, 'gameye_set_region', { region: 'eu', state: 'off' });
    const moved = await playMatch();
    expect(moved.region).toBe('us');
    const wrong = await nakama.rpc('gameye_set_region', { region: 'mars', state: 'off' });
    expect(wrong).toMatchObject({ code: 3, message: expect.stringContaining('eu, us') });
    expect((await status(nakama)).in_force.ordered.regions).toMatchObject({ eu: { state: 'off' } });
    expect(await ask(second, 'gameye_set_region', { region: 'eu', state: 'on' })).toMatchObject({ previous: 'off' });
    const back = await playMatch();
    expect(back.region).toBe('eu');
    await endSessions(
      stack(),
      [first, moved, back].map(({ sessionId }) => sessionId),
    );
  });

  it('players hear why, when an operator has closed every region for maintenance', async () => {
    const { nakama } = stack();
    const reason = 'Back at noon.';
    const waiting = await connectPlayers(nakama, 2);
    for (const region of REGIONS) await ask(nakama, 'gameye_set_region', { region, state: 'maintenance', reason });
    await matchTogether(waiting);
    for (const player of waiting) {
      const answer = await player.waitForAnswer(15_000);
      expect(answer).toMatchObject({ kind: 'failed', reason: 'unavailable' });
    }
    const [demanding] = await connectPlayers(nakama, 1);
    await expect(matchTogether([demanding!], { strings: { gameye_region: 'eu' } })).rejects.toMatchObject({
      message: expect.stringContaining(`gameye_region_closed: ${reason}`),
    });
    expect(await nakama.rpc('fleet_create', { max_players: 2 })).toMatchObject({ code: 9, message: reason });
    for (const region of REGIONS) await ask(nakama, 'gameye_set_region', { region, state: 'on' });
    closeAll([...waiting, demanding!]);
  });

  it('tickets that demand an older version that is allowed get it, while others get the one in force', async () => {
    const { nakama } = stack();
    const set = { version: '1.2', allow: ['1.1'] };
    expect(await ask(nakama, 'gameye_set_version', set)).toMatchObject({ version: '1.2', previous: '1.0' });
    const old = await connectPlayers(nakama, 2);
    await matchTogether(old, { strings: { gameye_version: '1.1' } });
    const told = await toldOneSession(stack(), old);
    expect(await sessionsFor(stack(), old)).toMatchObject([{ tag: '1.1' }]);
    const other = await playMatch();
    expect(other.tag).toBe('1.2');
    await ask(nakama, 'gameye_set_version', { draining: ['1.1'], allow: [] });
    const refused = async (): Promise<boolean> => {
      const [late] = await connectPlayers(nakama, 1);
      const error = await matchTogether([late!], { strings: { gameye_version: '1.1' } }).catch((e: Error) => e.message);
      closeAll([late!]);
      return String(error).includes('gameye_version_mismatch');
    };
    await until(refused, 10_000, 'the ticket check to know that 1.1 drains');
    expect(await nakama.rpc('gameye_set_version', { version: '9.9' })).toMatchObject({ code: 9 });
    expect(await nakama.rpc('gameye_set_version', { weights: { '1.0': 50 } })).toMatchObject({ code: 3 });
    expect((await status(nakama)).in_force.version).toBe('1.2');
    await ask(nakama, 'gameye_set_version', { version: '', draining: [] });
    await endSessions(stack(), [told.sessionId, other.sessionId]);
    closeAll(old);
  });

  it('a mode has a version of its own, and a canary gets its share', async () => {
    const { nakama } = stack();
    await ask(nakama, 'gameye_set_version', { mode: 'duel', weights: { '1.1': 50, '1.2': 50 } });
    const ids: string[] = [];
    for (let i = 0; i < 16; i++) {
      ids.push((await ask<{ session_id: string }>(nakama, 'fleet_create', { mode: 'duel' })).session_id);
    }
    const tags = (): string[] =>
      stack()
        .simulator.ledger.entries.filter(({ id }) => ids.includes(id))
        .map(({ tag }) => tag);
    await until(() => tags().length === ids.length, 15_000, 'the sessions of the mode');
    // Each of 16 sessions gets one of two versions: both show, but for one run in thirty thousand.
    expect([...new Set(tags())].sort()).toEqual(['1.1', '1.2']);
    const plain = await playMatch();
    expect(plain.tag).toBe('1.0');
    expect((await status(nakama)).in_force.modes?.['duel']?.version).toMatch(/^1\.[12]$/);
    await endSessions(stack(), [...ids, plain.sessionId]);
  });
});
