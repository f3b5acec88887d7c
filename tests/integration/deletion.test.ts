import { randomUUID } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import type { Queued, Status } from '../../src/operations/status.ts';
import { Scene } from '../faults/support/scene.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { instanceRows, quietStack, requestsOf } from './support/world.ts';

vi.setConfig({ testTimeout: 60_000 });

forEachRuntime('long', (runtime) => {
  describe('a session that is deleted', () => {
    const regions = ['full', 'late', 'started', 'deaf', 'mute', 'twice'];
    const stack = useStack(
      runtime,
      quietStack(regions, { GAMEYE_RECONCILE_INTERVAL: '1h', GAMEYE_SEAT_TIMEOUT: '10m' }),
    );
    const enter = async (region: string): Promise<Scene> => {
      const scene = await Scene.enter(stack(), stack().nakama, region);
      await scene.player.openSocket();
      return scene;
    };
    const remove = (id: string) => stack().nakama.rpc('fleet_delete', { id });
    /** A session that runs and is recorded. */
    const running = async (region: string): Promise<Scene> => {
      const scene = await enter(region);
      await scene.create();
      await until(async () => (await scene.instances()).length === 1, 20_000, `the instance in ${region}`);
      return scene;
    };
    /** The player was told once that there is no session, and none runs. */
    const toldThatThereIsNone = async (scene: Scene): Promise<void> => {
      expect(await scene.player.waitForAnswer(20_000)).toMatchObject({ kind: 'failed', reason: 'error' });
      await until(() => scene.running().length === 0, 20_000, `the end of the session in ${scene.region}`);
      expect(await scene.instances()).toEqual([]);
      expect(scene.player.answers).toHaveLength(1);
      expect(await scene.player.listAnswers()).toEqual([]);
    };

    it('can still wait to be started: operators see why it waits and when it is tried again, and cancel it', async () => {
      const { nakama, simulator } = stack();
      simulator.configure({ regions: { full: { capacity: 0 } } });
      const scene = await enter('full');
      await scene.create();
      const queued = async (): Promise<Queued | undefined> => {
        const { allocations } = (await nakama.rpc('gameye_status')).payload as Status;
        return allocations.queue.find(({ allocation }) => allocation === scene.id);
      };
      const waiting = await until(async () => {
        const seen = await queued();
        return seen !== undefined && seen.attempts >= 2 && seen.next_try_in_ms > 0 && seen;
      }, 20_000);
      expect(waiting).toMatchObject({
        state: 'starting',
        region: 'full',
        players: 1,
        failure: 'no-capacity',
        status: 420,
      });
      expect(waiting.next_try_in_ms).toBeLessThanOrEqual(5000);
      expect(waiting.deadline_in_ms).toBeGreaterThan(20_000);
      expect(await nakama.rpc('gameye_terminate', { id: scene.id })).toMatchObject({ payload: { stopped: 1 } });
      const asked = requestsOf(stack(), 'session-run', 'full').length;
      simulator.configure({ regions: { full: { capacity: 5 } } });
      await toldThatThereIsNone(scene);
      await until(async () => (await queued()) === undefined, 10_000, 'the end of what was cancelled');
      expect(requestsOf(stack(), 'session-run', 'full')).toHaveLength(asked);
      expect(await nakama.rpc('gameye_terminate', { id: scene.id }), 'again').toMatchObject({ status: 200 });
    });

    it('while its POST is on the way is stopped when it starts after that, and its players are told', async () => {
      const scene = await enter('late');
      scene.fault({ operation: 'session-run', on: { times: 1 }, action: { kind: 'delay', ms: 3000 } });
      await scene.create();
      await scene.untilAsked('session-run');
      expect(await remove(scene.id)).toMatchObject({ status: 200 });
      expect(scene.sessions()).toEqual([]);
      await until(() => scene.sessions().length === 1, 20_000, 'the late session');
      await toldThatThereIsNone(scene);
    });

    it('when it has started and its worker does not know that yet is stopped, and its players are told', async () => {
      const scene = await enter('started');
      scene.fault({ operation: 'session-run', on: { times: 1 }, action: { kind: 'delay', ms: 3000, when: 'after' } });
      await scene.create();
      await until(() => scene.running().length === 1, 20_000, 'the session');
      expect(await remove(scene.id)).toMatchObject({ status: 200 });
      expect(scene.running()).toEqual([]);
      await toldThatThereIsNone(scene);
    });

    it('keeps its record when Gameye did not get the DELETE, and goes with the next DELETE', async () => {
      const scene = await running('deaf');
      scene.fault({ operation: 'session-stop', on: { times: 1 }, action: { kind: 'drop', when: 'before' } });
      expect(await remove(scene.id)).toMatchObject({ code: 14 });
      expect(scene.running()).toHaveLength(1);
      expect(await scene.instances()).toEqual([scene.id]);
      expect(await remove(scene.id)).toMatchObject({ status: 200 });
      expect(scene.running()).toEqual([]);
      expect(await scene.instances()).toEqual([]);
    });

    it('whose DELETE was carried out and its answer lost keeps its record until the next DELETE', async () => {
      const scene = await running('mute');
      scene.fault({ operation: 'session-stop', on: { times: 1 }, action: { kind: 'drop', when: 'after' } });
      expect(await remove(scene.id)).toMatchObject({ code: 14 });
      await until(() => scene.running().length === 0, 5_000, 'its end');
      expect(await remove(scene.id)).toMatchObject({ status: 200 });
      expect(await scene.instances()).toEqual([]);
      expect(await stack().nakama.rpc('fleet_get', { id: scene.id })).toMatchObject({ code: 5 });
    });

    it('can be deleted again and again, by several at once, and also when it never was', async () => {
      const scene = await running('twice');
      const answers = await Promise.all([1, 2, 3, 4].map(() => remove(scene.id)));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      expect(scene.running()).toEqual([]);
      expect(await scene.instances()).toEqual([]);
      expect(await remove(scene.id)).toMatchObject({ status: 200, payload: {} });
      expect(await remove(randomUUID())).toMatchObject({ status: 200, payload: {} });
    });
  });

  describe('a session that is drained', () => {
    const stack = useStack(
      runtime,
      quietStack(['home', 'away'], {
        GAMEYE_RECONCILE_INTERVAL: '2s',
        GAMEYE_EMPTY_GRACE: '10m',
        GAMEYE_SEAT_TIMEOUT: '10m',
      }),
    );
    const start = async (region: string, userIds: string[]): Promise<string> => {
      const payload = { max_players: 4, user_ids: userIds, regions: [region] };
      const { session_id: id } = (await stack().nakama.rpc('fleet_create', payload)).payload as { session_id: string };
      await until(async () => (await instanceRows(stack(), [id])).length === 1, 20_000, 'the instance');
      return id;
    };

    it('takes nobody any more, goes on while somebody is in it, and ends when the last one leaves', async () => {
      const { nakama, simulator } = stack();
      const [first, second] = await Promise.all(
        [1, 2].map(async () => (await Scene.enter(stack(), nakama, 'home')).player),
      );
      const players = [first?.userId ?? '', second?.userId ?? ''];
      const id = await start('home', players);
      const untouched = await start('away', [players[0] ?? '']);
      expect(await nakama.rpc('gameye_drain', { id })).toMatchObject({ payload: { changed: 1 } });
      expect(await nakama.rpc('fleet_join', { id, user_ids: [randomUUID()] })).toMatchObject({ code: 9 });
      await nakama.rpc('fleet_leave', { id, user_ids: [players[0]] });
      // Longer than a pass: it is not stopped under the player who is still in it.
      const lists = (): number => requestsOf(stack(), 'session-list').length;
      const since = lists();
      await until(() => lists() >= since + 2, 30_000, 'two passes of the reconciler');
      expect(simulator.ledger.get(id)?.endedAtMs).toBeUndefined();
      await nakama.rpc('fleet_leave', { id, user_ids: [players[1]] });
      await until(() => simulator.ledger.get(id)?.endedAtMs !== undefined, 30_000, 'the end of the drained session');
      await until(async () => (await instanceRows(stack(), [id])).length === 0, 10_000, 'the end of its record');
      expect(simulator.ledger.get(untouched)?.endedAtMs).toBeUndefined();
      expect(await nakama.rpc('fleet_delete', { id: untouched })).toMatchObject({ status: 200 });
    });
  });
});
