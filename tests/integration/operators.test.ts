import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import type { Status } from '../../src/operations/status.ts';
import { Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { ask, startSessions, status } from './support/operators.ts';
import { endSessions, QUIET_IMAGE, quietStack } from './support/world.ts';

const RPCS = [
  'gameye_status',
  'gameye_health',
  'gameye_drain',
  'gameye_terminate',
  'gameye_set_version',
  'gameye_changes',
];
const ID = '11111111-2222-4333-8444-555555555555';

/** An RPC, a payload that it refuses, and what the sentence must name. */
const INVALID: [string, unknown, string][] = [
  ...RPCS.flatMap((rpc): [string, unknown, string][] => [
    [rpc, 'region=home', 'JSON'],
    [rpc, { colour: 'red' }, '"colour"'],
  ]),
  ['gameye_status', { limit: 0 }, '"limit"'],
  ['gameye_drain', {}, '"id", "mode", "image", "version" or "region"'],
  ['gameye_drain', { mode: '' }, '"mode"'],
  ['gameye_drain', { image: 7 }, '"image"'],
  ['gameye_changes', { limit: 0 }, '"limit"'],
  ['gameye_changes', { cursor: 'before:x' }, '"cursor"'],
  ['gameye_drain', { id: '../x' }, '"id"'],
  ['gameye_drain', { region: '' }, '"region"'],
  ['gameye_drain', { version: 7 }, '"version"'],
  ['gameye_drain', { region: 'home', undo: 'yes' }, '"undo"'],
  ['gameye_drain', { region: 'home', cursor: 'nonsense' }, '"cursor"'],
  ['gameye_terminate', { undo: true }, '"undo"'],
  ['gameye_terminate', { confirm: true }, '"id", "mode", "image", "version" or "region"'],
  ['gameye_terminate', { region: 'home', confirm: 1 }, '"confirm"'],
  ['gameye_terminate', { region: 'home', confirm: true, cursor: 'nonsense' }, '"cursor"'],
  ['gameye_set_version', {}, '"version"'],
  ['gameye_set_version', { version: 2 }, '"version"'],
  ['gameye_set_version', { version: '../../session' }, '"version"'],
  ['gameye_set_version', { version: '2.0', force: 1 }, '"force"'],
];

forEachRuntime((runtime) => {
  describe('operators', () => {
    const stack = useStack(runtime, quietStack(['home', 'away', 'full', 'empty']));

    it('are servers: players may call none of these RPCs', async () => {
      const player = await Player.authenticate(stack().nakama);
      for (const rpc of RPCS) {
        const answer = await stack().nakama.rpc(rpc, {}, { token: player.token });
        expect(answer, rpc).toMatchObject({ status: 403, code: 7 });
      }
    });

    it('are told the field of every wrong payload', async () => {
      for (const [rpc, payload, name] of INVALID) {
        const answer = await stack().nakama.rpc(rpc, payload);
        expect(answer, `${rpc} ${JSON.stringify(payload)}`).toMatchObject({ status: 400, code: 3 });
        expect(answer.message).toContain(name);
      }
    });

    it('see what runs, what is being started, and why it does not start', async () => {
      const { nakama, simulator } = stack();
      simulator.configure({ regions: { full: { capacity: 0 } } });
      const ids = [...(await startSessions(stack(), 'home', 2)), ...(await startSessions(stack(), 'away', 1))];
      const [joined] = ids;
      await ask(nakama, 'fleet_join', { id: joined, user_ids: [randomUUID()] });
      const { session_id } = await ask<{ session_id: string }>(nakama, 'fleet_create', {
        max_players: 2,
        regions: ['full'],
      });
      const seen = await until(
        async () => {
          const now = await status(nakama);
          return now.allocations.queue[0]?.failure ? now : undefined;
        },
        10_000,
        'the failure of the full region',
      );
      expect(seen.module).toEqual({ version: '0.1.0', node: 'n1', nakama: expect.stringContaining('3.') as string });
      expect(seen.in_force).toEqual({
        fleet: 'default',
        image: QUIET_IMAGE,
        version: 'latest',
        regions: ['home', 'away', 'full', 'empty'],
        ordered: { versions: {}, regions: {} },
      });
      const group = { version: 'latest', status: 'running' };
      expect(seen.instances).toEqual({
        sessions: 3,
        players: 1,
        open_seats: 11,
        groups: [
          { ...group, region: 'home', sessions: 2, players: 1, open_seats: 7 },
          { ...group, region: 'away', sessions: 1, players: 0, open_seats: 4 },
        ],
        truncated: false,
      });
      expect(seen.allocations).toMatchObject({ open: 1, by_state: { starting: 1 }, truncated: false });
      expect(seen.allocations.oldest_age_ms).toBeGreaterThan(0);
      expect(seen.allocations.queue).toMatchObject([
        { allocation: session_id, region: 'full', failure: 'no-capacity', status: 420, operation: 'session-run' },
      ]);
      expect((await ask<Status>(nakama, 'gameye_status', { limit: 2 })).instances).toMatchObject({
        sessions: 2,
        truncated: true,
      });
      await ask(nakama, 'fleet_delete', { id: session_id });
      await endSessions(stack(), ids);
      expect((await status(nakama)).allocations.by_state).not.toHaveProperty('starting');
      const isOver = async () => (await status(nakama)).allocations.open === 0;
      await until(isOver, 20_000, 'the end of what was cancelled');
    });

    it('drain instances, which then refuse joins, and open them again', async () => {
      const { nakama } = stack();
      const home = await startSessions(stack(), 'home', 2);
      const [away = ''] = await startSessions(stack(), 'away', 1);
      const join = (id: string) => nakama.rpc('fleet_join', { id, user_ids: [randomUUID()] });
      const drain = (payload: object) => ask<{ changed: number }>(nakama, 'gameye_drain', payload);
      const nothing = { changed: 0, starting: 0, more: false, cursor: '' };
      expect(await drain({ region: 'home', version: '1.0' })).toEqual(nothing);
      expect(await drain({ region: 'empty' })).toEqual(nothing);
      expect(await drain({ id: away, region: 'home' })).toEqual(nothing);
      expect(await drain({ region: 'home', version: 'latest' })).toEqual({ ...nothing, changed: 2 });
      expect(await drain({ region: 'home' }), 'again').toEqual(nothing);
      for (const id of home) expect(await join(id)).toMatchObject({ status: 400, code: 9 });
      expect(await join(away)).toMatchObject({ status: 200 });
      // A look at the Session API, for which it runs as ever, does not open it.
      expect(await nakama.rpc('fleet_get', { id: home[0] })).toMatchObject({ payload: { status: 'draining' } });
      const [group] = (await status(nakama)).instances.groups;
      expect(group).toMatchObject({ region: 'home', status: 'draining', sessions: 2 });
      expect(await drain({ id: home[0], undo: true })).toEqual({ ...nothing, changed: 1 });
      expect(await join(home[0]!)).toMatchObject({ status: 200 });
      expect(await nakama.rpc('gameye_drain', { id: ID })).toMatchObject({ status: 404, code: 5 });
      await endSessions(stack(), [...home, away]);
    });

    it('cannot drain sessions that are still being started, and are told how many those are', async () => {
      const { nakama, simulator } = stack();
      simulator.configure({ regions: { full: { capacity: 0 } } });
      const { session_id } = await ask<{ session_id: string }>(nakama, 'fleet_create', {
        max_players: 2,
        regions: ['full'],
      });
      expect(await nakama.rpc('gameye_drain', { id: session_id })).toMatchObject({ status: 400, code: 9 });
      expect(await ask(nakama, 'gameye_drain', { region: 'full' })).toMatchObject({ changed: 0, starting: 1 });
      expect(await ask(nakama, 'gameye_terminate', { region: 'full' })).toMatchObject({ stopped: 0, starting: 1 });
      expect(await ask(nakama, 'gameye_terminate', { id: session_id })).toMatchObject({ stopped: 1 });
      expect((await status(nakama)).allocations.by_state).not.toHaveProperty('starting');
      expect(simulator.ledger.get(session_id)).toBeUndefined();
    });

    it('stop one session by its id, and more than one only when they confirm it', async () => {
      const { nakama, simulator } = stack();
      const ids = await startSessions(stack(), 'home', 3);
      const running = () => ids.filter((id) => simulator.ledger.get(id)?.endedAtMs === undefined).length;
      const done = { failed: [], starting: 0, more: false, cursor: '' };
      expect(await ask(nakama, 'gameye_terminate', { id: ids[0], region: 'away' })).toEqual({ ...done, stopped: 0 });
      expect(await ask(nakama, 'gameye_terminate', { id: ids[0] })).toEqual({ ...done, stopped: 1 });
      await until(() => running() === 2, 5000, 'the end of one session');
      const unconfirmed = await nakama.rpc('gameye_terminate', { region: 'home' });
      expect(unconfirmed).toMatchObject({ status: 400, code: 3 });
      expect(unconfirmed.message).toContain('"confirm"');
      expect(running()).toBe(2);

      const down = simulator.faults.add({
        operation: 'session-stop',
        on: 'always',
        action: { kind: 'status', status: 503 },
      });
      const failed = await ask(nakama, 'gameye_terminate', { region: 'home', confirm: true });
      simulator.faults.remove(down);
      expect(failed).toMatchObject({ stopped: 0, more: true, failed: [{ reason: expect.any(String) as string }] });
      expect(running()).toBe(2);

      expect(await ask(nakama, 'gameye_terminate', { region: 'home', confirm: true })).toEqual({ ...done, stopped: 2 });
      await until(() => running() === 0, 5000, 'the end of all sessions');
      expect((await status(nakama)).instances.sessions).toBe(0);
      const [last = ''] = await startSessions(stack(), 'home', 1);
      expect(await ask(nakama, 'gameye_terminate', { region: 'home' }), 'one alone').toEqual({ ...done, stopped: 1 });
      await until(() => simulator.ledger.get(last)?.endedAtMs !== undefined, 5000, 'the end of the last session');
    });
  });
});
