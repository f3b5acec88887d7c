import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { toldOneReason, toldOneSession } from './support/matches.ts';
import {
  allocationRows,
  containerEnv,
  endSessions,
  instanceRows,
  quietStack,
  requestsOf,
  startBehindItsBack,
  stopBehindItsBack,
} from './support/world.ts';

const REGIONS = ['home', 'slow', 'slower', 'crashes', 'silent', 'short'];

forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(REGIONS, { GAMEYE_API_IMAGE_VERSION: '', GAMEYE_FLEET: 'ranked' }));

  /** Asks for a session in a region, without players, and waits until it runs. */
  const start = async (region: string) => {
    const { nakama } = stack();
    const { payload } = await nakama.rpc('fleet_create', { max_players: 4, regions: [region] });
    const { session_id: id } = payload as { session_id: string };
    const isStored = async () => (await instanceRows(stack(), [id])).length === 1;
    await until(isStored, 10_000, 'the instance', 50);
    return id;
  };

  describe('fleet_create', () => {
    it('starts a session as it was asked for, and tells its players', async () => {
      const { nakama, simulator } = stack();
      const players = await connectPlayers(nakama, 2);
      const created = await nakama.rpc('fleet_create', {
        max_players: 8,
        user_ids: players.map(({ userId }) => userId),
        latencies: players.map(({ userId: user_id }, i) => ({ user_id, region: 'home', ms: 20 + i })),
        metadata: {
          mode: 'duel',
          round: 3,
          'gameye.external_id': 'order-17',
          'gameye.env': { MAP: 'dust', SEAT_SECRET: 'not yours' },
        },
      });
      expect(created).toMatchObject({ status: 200, payload: { session_id: expect.stringMatching(/^[0-9a-f-]{36}$/) } });
      const { sessionId, host, port } = await toldOneSession(stack(), players);
      expect(created.payload).toEqual({ session_id: sessionId });
      expect(simulator.ledger.get(sessionId)).toMatchObject({
        region: 'home',
        externalId: 'order-17',
        labels: { nakama_fleet: 'ranked', mode: 'duel', round: '3' },
      });
      const env = await containerEnv(stack(), sessionId);
      expect(env['MAP']).toBe('dust');
      expect(env['SEAT_SECRET'], 'what the module sets itself cannot be replaced').toMatch(/^[0-9a-f]{64}$/i);
      expect(players[0]?.answers[0]?.content).toMatchObject({ mode: 'duel', round: 3, session_id: sessionId });
      expect(JSON.stringify(players[0]?.answers)).not.toContain('gameye.env');
      expect(await nakama.rpc('fleet_get', { id: sessionId })).toMatchObject({
        payload: {
          id: sessionId,
          connection_info: { ip_address: host, dns_name: '', port },
          create_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
          player_count: 2,
          status: 'running',
          metadata: { mode: 'duel', round: 3 },
          region: 'home',
          max_players: 8,
          open_seats: 6,
        },
      });
      await endSessions(stack(), [sessionId]);
      expect(await instanceRows(stack(), [sessionId])).toEqual([]);
      closeAll(players);
    });

    it('starts a session with the ttl that is configured', async () => {
      const { simulator } = stack();
      // The default of 30 minutes passes in 0.9 s.
      simulator.configure({ ttlScale: 0.0005 });
      const id = await start('short');
      simulator.configure({ ttlScale: 1 });
      await until(() => simulator.ledger.get(id)?.ended, 5_000, 'the end of its time');
      const { ended, runningAtMs, endedAtMs } = simulator.ledger.get(id) ?? {};
      expect(ended).toBe('ttl');
      expect((endedAtMs ?? 0) - (runningAtMs ?? 0)).toBeGreaterThan(850);
      expect((endedAtMs ?? 0) - (runningAtMs ?? 0)).toBeLessThan(1_700);
      expect(await stack().nakama.rpc('fleet_get', { id })).toMatchObject({ code: 5 });
    });
  });

  describe.concurrent('a session that is being started', () => {
    it('is shown as starting, without an address', async () => {
      const { nakama, simulator } = stack();
      simulator.faults.add({
        operation: 'session-run',
        region: 'slow',
        on: 'always',
        action: { kind: 'slow-start', ms: 1_500 },
      });
      const request = { max_players: 4, regions: ['slow'], metadata: { mode: 'coop' } };
      const { payload } = await nakama.rpc('fleet_create', request);
      const { session_id: id } = payload as { session_id: string };
      expect(await nakama.rpc('fleet_get', { id })).toMatchObject({
        payload: { id, status: 'starting', connection_info: null, metadata: { mode: 'coop' }, open_seats: 4 },
      });
      expect(await nakama.rpc('fleet_join', { id, user_ids: [randomUUID()] })).toMatchObject({
        code: 5,
      });
      const running = async () =>
        ((await nakama.rpc('fleet_get', { id })).payload as { status: string }).status === 'running';
      await until(running, 10_000, 'the session to run', 100);
      await endSessions(stack(), [id]);
    });

    it('is stopped when it is deleted, and its players are told "error"', async () => {
      const { nakama, simulator } = stack();
      simulator.faults.add({
        operation: 'session-run',
        region: 'slower',
        on: 'always',
        action: { kind: 'slow-start', ms: 4_000 },
      });
      const players = await connectPlayers(nakama, 2);
      const user_ids = players.map(({ userId }) => userId);
      const { payload } = await nakama.rpc('fleet_create', { max_players: 2, user_ids, regions: ['slower'] });
      const { session_id: id } = payload as { session_id: string };
      await until(() => simulator.ledger.get(id), 5_000, 'the POST');
      expect(await nakama.rpc('fleet_delete', { id })).toMatchObject({ status: 200, payload: {} });
      expect(await toldOneReason(stack(), players)).toBe('error');
      expect(simulator.ledger.get(id)).toMatchObject({ ended: 'stop' });
      expect(simulator.ledger.get(id)?.runningAtMs).toBeUndefined();
      expect(await nakama.rpc('fleet_get', { id })).toMatchObject({ status: 404, code: 5 });
      expect(await allocationRows(stack(), players)).toEqual([]);
      expect(await instanceRows(stack(), [id])).toEqual([]);
      expect(requestsOf(stack(), 'session-run', 'slower')).toHaveLength(1);
      closeAll(players);
    });
  });

  describe.concurrent('a session that runs', () => {
    it('loses its record when it ended by itself and somebody asks for it', async () => {
      const { nakama, simulator } = stack();
      const id = await start('crashes');
      expect(simulator.kill(id)).toBe(true);
      expect(await nakama.rpc('fleet_get', { id })).toMatchObject({ status: 404, code: 5 });
      expect(await instanceRows(stack(), [id])).toEqual([]);
      expect(await nakama.rpc('fleet_join', { id, user_ids: [randomUUID()] })).toMatchObject({
        code: 5,
      });
      expect(await nakama.rpc('fleet_delete', { id }), 'what is gone is deleted').toMatchObject({ status: 200 });
    });

    it('is shown as it was stored while the Session API is down', async () => {
      const { nakama, simulator } = stack();
      const id = await start('silent');
      const down = simulator.faults.add({
        region: 'silent',
        on: 'always',
        action: { kind: 'status', status: 503, html: true },
      });
      expect(await nakama.rpc('fleet_get', { id })).toMatchObject({ status: 200, payload: { id, status: 'running' } });
      expect(await instanceRows(stack(), [id])).toHaveLength(1);
      // Deleting says that it could not be done, and can be repeated.
      expect(await nakama.rpc('fleet_delete', { id })).toMatchObject({ status: 503, code: 14 });
      expect(await instanceRows(stack(), [id])).toHaveLength(1);
      simulator.faults.remove(down);
      await endSessions(stack(), [id]);
      expect(await instanceRows(stack(), [id])).toEqual([]);
    });

    it('gets a record when somebody asks for it, Gameye shows it for this fleet and there is none', async () => {
      const { nakama } = stack();
      const id = randomUUID();
      await startBehindItsBack(stack(), id, 'home', 'ranked');
      expect(await nakama.rpc('fleet_get', { id })).toMatchObject({
        payload: { id, status: 'running', region: 'home', connection_info: { ip_address: '127.0.0.1' } },
      });
      expect(await instanceRows(stack(), [id])).toHaveLength(1);
      await endSessions(stack(), [id]);
    });

    it('is neither shown nor stopped when it is another fleet’s', async () => {
      const { nakama, simulator } = stack();
      const id = randomUUID();
      await startBehindItsBack(stack(), id, 'home', 'casual');
      for (const rpc of ['fleet_get', 'fleet_delete']) {
        expect(await nakama.rpc(rpc, { id }), rpc).toMatchObject({ status: 404, code: 5 });
      }
      expect(await instanceRows(stack(), [id])).toEqual([]);
      expect(simulator.ledger.get(id)?.stopRequestedAtMs).toBeUndefined();
      await stopBehindItsBack(stack(), id);
    });
  });
});
