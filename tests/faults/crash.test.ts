import { beforeAll, expect, it, vi } from 'vitest';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { until } from '../../dev/stack/until.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { allocationsSettled, endSessions, quietStack } from '../integration/support/world.ts';
import { arrange, REGIONS, seatsOf, VICTIMS, type Point } from './support/crash-points.ts';
import type { Scene } from './support/scene.ts';

/** Longer than a lease, a pass of the supervisor and the time until a lost POST cannot come any more. */
const TAKEN_OVER_MS = 90_000;

vi.setConfig({ testTimeout: 120_000 });

/*
 * Nodes are killed (kill -9) while they hold a session at every point of its start and of its end; a node that starts
 * afterwards goes on. Steps in between, with the answer of each call lost, are those of tests/unit/crash-points.long.test.ts.
 */
forEachRuntime('long', (runtime) => {
  const quiet = quietStack([...REGIONS], {
    GAMEYE_CREATE_TIMEOUT: '90s',
    // Nobody but the heir of the killed nodes does anything.
    GAMEYE_RECONCILE_INTERVAL: '1h',
    GAMEYE_SEAT_TIMEOUT: '10m',
    GAMEYE_MAX_SESSIONS: '1000',
  });
  const stack = useStack(runtime, quiet);
  let scenes: Record<string, Scene>;
  let heir: Nakama;
  /** A stored answer has the second of its sending. */
  let heirAtMs = 0;

  beforeAll(async () => {
    const { nakama: plain, startNode } = stack();
    const patient = await startNode({ name: 'patient', env: VICTIMS.patient });
    const filling = await startNode({ name: 'filling', env: VICTIMS.filling });
    const arranged = await arrange(stack(), { plain, patient, filling });
    scenes = arranged.scenes;
    await Promise.all([plain, patient, filling].map((node) => node.kill()));
    for (const freezer of arranged.freezers) await freezer.thawForOthers();
    stack().simulator.faults.clear();
    heirAtMs = Date.now();
    heir = await stack().startNode({ name: 'heir' });
    await Promise.all(Object.values(scenes).map(({ player }) => player.openSocket(heir)));
  }, 240_000);

  /** The scene of a point, once nothing more will happen in it. */
  async function settled(point: Point): Promise<Scene> {
    const scene = scenes[point] as Scene;
    await allocationsSettled(stack(), [scene.player], TAKEN_OVER_MS);
    return scene;
  }

  /** There is one session, it runs, is recorded, and is what the player finds in the list, once. Ends it. */
  async function hasItsSession(scene: Scene): Promise<void> {
    const [session, ...others] = scene.running();
    expect(others).toEqual([]);
    const id = session?.id ?? 'none';
    const told = await scene.player.listAnswers();
    expect(told.map((answer) => (answer.kind === 'match' ? answer.sessionId : answer.reason))).toEqual([id]);
    expect(await scene.instances()).toEqual([id]);
    expect(await heir.rpc('fleet_get', { id })).toMatchObject({ payload: { id, status: 'running', player_count: 1 } });
    expect(await scene.player.rpc('gameye_assignment')).toMatchObject({ payload: { state: 'ready', session_id: id } });
    await endSessions({ ...stack(), nakama: heir }, [id]);
  }

  /** Nothing runs, nothing is recorded, and the player was told so by the node that took over. */
  async function hasNoSession(scene: Scene, reason: string): Promise<void> {
    expect(scene.running()).toEqual([]);
    expect(await scene.instances()).toEqual([]);
    expect(scene.player.answers).toMatchObject([{ kind: 'failed', reason }]);
    expect(await scene.player.listAnswers()).toEqual([]);
    expect(await scene.player.rpc('gameye_assignment')).toMatchObject({ payload: { state: 'failed', reason } });
  }

  it('a request that was only stored is carried out by another node', async () => {
    const scene = await settled('queued');
    expect(scene.sessions()).toHaveLength(1);
    await hasItsSession(scene);
  });

  it('another node takes over when one dies before the session started', async () => {
    const scene = await settled('on-its-way');
    expect(scene.sessions()).toHaveLength(1);
    await hasItsSession(scene);
  });

  it('a session whose 201 never came is found and handed out', async () => {
    const scene = await settled('unanswered');
    expect(scene.sessions()).toHaveLength(1);
    await hasItsSession(scene);
  });

  it('a session whose 201 came, but was not stored, is found and handed out', async () => {
    const scene = await settled('unstored');
    expect(scene.sessions()).toHaveLength(1);
    await hasItsSession(scene);
  });

  it('a session that nobody is sure of is found and handed out', async () => {
    const scene = await settled('in-doubt');
    expect(scene.sessions()).toHaveLength(1);
    await hasItsSession(scene);
  });

  it('players of a started session are told when their node dies just before', async () => {
    await hasItsSession(await settled('untold'));
  });

  it('players are told the same again when their node dies just after', async () => {
    const scene = await settled('told');
    expect((await scene.player.listAnswers())[0]?.atMs).toBeGreaterThanOrEqual(heirAtMs - 1_000);
    await hasItsSession(scene);
  });

  it('players are told the same again when their node dies before Gameye has heard of them', async () => {
    const scene = await settled('uncounted');
    expect((await scene.player.listAnswers())[0]?.atMs).toBeGreaterThanOrEqual(heirAtMs - 1_000);
    await hasItsSession(scene);
  });

  it('an id that was given up is stopped even if it starts late', async () => {
    const scene = await settled('full-of-errors');
    const sent = stack()
      .simulator.requests()
      .filter(({ operation, sessionId }) => {
        return operation === 'session-stop' && sessionId === scene.id;
      });
    // Once when it was given up, and once by the heir when no POST can come any more.
    expect(sent.length).toBeGreaterThanOrEqual(2);
    expect(sent.at(-1)!.atMs - sent[0]!.atMs).toBeGreaterThanOrEqual(30_000);
    await hasItsSession(scene);
  });

  it('a start that was refused, without that being stored, is tried once more', async () => {
    const scene = await settled('refused');
    expect(scene.sessions()).toHaveLength(1);
    await hasItsSession(scene);
  });

  it('a session that may run is stopped after its players were told that there is none', async () => {
    const scene = await settled('unstopped');
    expect(scene.sessions()).toHaveLength(1);
    expect(scene.running()).toEqual([]);
    expect(scene.player.answers).toEqual([]);
    expect(await scene.player.rpc('gameye_assignment')).toMatchObject({ payload: { state: 'failed' } });
  });

  it('a cancelled session is stopped even if it starts after that', async () => {
    const scene = await settled('cancelled');
    expect(scene.sessions()).toHaveLength(1);
    await hasNoSession(scene, 'error');
  });

  it('a session that was stopped loses its record when its node dies in between', async () => {
    const scene = scenes['deleted'] as Scene;
    await until(async () => (await scene.instances()).length === 0, TAKEN_OVER_MS, 'the end of its record');
    expect(await heir.rpc('fleet_get', { id: scene.id })).toMatchObject({ status: 404, code: 5 });
    expect(await heir.rpc('fleet_delete', { id: scene.id })).toMatchObject({ status: 200 });
  });

  it('players who took seats in a running session are told when their node dies just before', async () => {
    const guest = await settled('seated');
    const host = await settled('hosting');
    expect(guest.sessions()).toEqual([]);
    const [session] = host.running();
    const id = session?.id ?? 'none';
    expect(await guest.player.listAnswers()).toMatchObject([{ kind: 'match', sessionId: id }]);
    expect((await seatsOf(host)).sort()).toEqual([guest.player.userId, host.player.userId].sort());
    expect(session?.players.slice().sort()).toEqual([guest.player.userId, host.player.userId].sort());
    await endSessions({ ...stack(), nakama: heir }, [id]);
  });

  it('a game server is waited for by the node that took over', async () => {
    const scene = scenes['unready'] as Scene;
    expect(scene.player.answers).toEqual([]);
    const ready = async () => (await heir.rpc('gameye_server_ready', { id: scene.id })).status === 200;
    await until(ready, 5_000, 'the game server to be heard');
    await hasItsSession(await settled('unready'));
  });
});
