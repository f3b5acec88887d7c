import { expect } from 'vitest';
import type { Nakama } from '../../../dev/stack/nakama.ts';
import type { Stack } from '../../../dev/stack/stack.ts';
import { until } from '../../../dev/stack/until.ts';
import { instanceRows } from '../../integration/support/world.ts';
import { Freezer } from './freezer.ts';
import { Scene, type Progress } from './scene.ts';

/*
 * Where a node is killed: each point is a session of its own, in a region of its own, that is held exactly there by the
 * simulator or by the database. All are held at once, so that one kill strikes them all.
 */

/** Longer than everything else takes to be brought to its point, shorter than a worker waits for the API (15 s). */
const HELD_MS = 14_000;
const LONG_MS = 120_000;

export const REGIONS = [
  ...['queued', 'on-its-way', 'unanswered', 'unstored', 'in-doubt', 'untold', 'told', 'uncounted'],
  ...['full-of-errors', 'elsewhere', 'refused', 'unstopped', 'cancelled', 'deleted', 'unready', 'hosting', 'seated'],
] as const;
export type Point = (typeof REGIONS)[number];

export interface Arranged {
  scenes: Record<string, Scene>;
  freezers: Freezer[];
}

/** The nodes that are going to die: an ordinary one, one that waits for its game servers, and one with backfill. */
export type Victims = Record<'plain' | 'patient' | 'filling', Nakama>;

/** Variables of the nodes that are not ordinary. */
export const VICTIMS = {
  patient: { GAMEYE_READY: 'server' },
  filling: { GAMEYE_BACKFILL: 'on', GAMEYE_MAX_PLAYERS: '4', GAMEYE_API_REGION: 'hosting' },
} as const;

/** Brings everything to its point. */
export async function arrange(stack: Stack, victims: Victims): Promise<Arranged> {
  const scenes: Record<string, Scene> = {};
  const special: Partial<Record<Point, Nakama>> = {
    unready: victims.patient,
    hosting: victims.filling,
    seated: victims.filling,
  };
  for (const region of REGIONS) scenes[region] = await Scene.enter(stack, special[region] ?? victims.plain, region);
  const scene = (point: Point): Scene => scenes[point] as Scene;
  const freezers: Freezer[] = [];
  /** Since then nobody is told anything by a notification. */
  let silence: Freezer | undefined;
  const freezer = async (of: Scene): Promise<Freezer> => {
    const one = await Freezer.open(stack, of.region);
    freezers.push(one);
    return one;
  };
  const stored: [Scene, Progress][] = [];
  const arrived = (one: Scene, what: Progress): void => void stored.push([one, what]);

  const steps: Record<Exclude<Point, 'elsewhere' | 'untold'>, (one: Scene) => Promise<void>> = {
    // Its worker asks whether one more session may be started, and nothing is admitted.
    async queued(one) {
      const hold = await freezer(one);
      await hold.admission();
      await one.create();
      await hold.untilSomebodyWaits();
      arrived(one, { state: 'queued', attempts: 0 });
    },
    async 'on-its-way'(one) {
      one.fault({ operation: 'session-run', on: { times: 1 }, action: { kind: 'delay', ms: HELD_MS } });
      await one.create();
      await one.untilAsked('session-run');
      arrived(one, { state: 'starting', attempts: 1, in_doubt: true });
    },
    async unanswered(one) {
      one.fault({ operation: 'session-run', on: { times: 1 }, action: { kind: 'delay', ms: LONG_MS, when: 'after' } });
      await one.create();
      await until(() => one.running().length === 1, 40_000, 'the session');
      arrived(one, { state: 'starting', attempts: 1, in_doubt: true });
    },
    async unstored(one) {
      one.fault({ operation: 'session-run', on: { times: 1 }, action: { kind: 'delay', ms: 5000, when: 'after' } });
      await one.create();
      await one.untilAsked('session-run');
      const hold = await freezer(one);
      await hold.row('gameye_allocation', one.id);
      await hold.untilSomebodyWaits();
      arrived(one, { state: 'starting', attempts: 1 });
    },
    async 'in-doubt'(one) {
      one.fault({ operation: 'session-run', on: { ordinals: [1] }, action: { kind: 'drop', when: 'after' } });
      const again = Array.from({ length: 100 }, (_, i) => i + 2);
      one.fault({ operation: 'session-run', on: { ordinals: again }, action: { kind: 'status', status: 503 } });
      await one.create();
      await one.untilAsked('session-run', 3);
      arrived(one, { state: 'starting', in_doubt: true });
    },
    // First told, then frozen before that is stored, which deletes older notifications; those of another one are frozen, too.
    async told(one) {
      const notifications = await Freezer.open(stack, 'told, before');
      await notifications.notifications();
      await one.create();
      await notifications.untilSomebodyWaits();
      silence = await freezer(scene('untold'));
      await silence.takeOverNotifications(notifications);
      await silence.untilSomebodyWaits();
      arrived(one, { state: 'started' });
      await scene('untold').create();
      await silence.untilSomebodyWaits(2);
      arrived(scene('untold'), { state: 'started' });
    },
    async uncounted(one) {
      one.fault({ operation: 'join-session', on: 'always', action: { kind: 'delay', ms: LONG_MS } });
      await one.create();
      await one.untilAsked('join-session');
      arrived(one, { state: 'started' });
    },
    async 'full-of-errors'(one) {
      one.fault({ operation: 'session-run', on: 'always', action: { kind: 'status', status: 500 } });
      await one.create(['full-of-errors', 'elsewhere']);
      await one.untilStored({ state: 'announced' });
      arrived(one, { state: 'announced' });
    },
    async refused(one) {
      one.fault({ operation: 'session-run', on: { times: 1 }, action: { kind: 'delay', ms: 5000 } });
      one.fault({ operation: 'session-run', on: { times: 1 }, action: { kind: 'status', status: 402 } });
      await one.create();
      await one.untilAsked('session-run');
      const hold = await freezer(one);
      await hold.seat(one.player.userId);
      await hold.untilSomebodyWaits();
      arrived(one, { state: 'starting', attempts: 1 });
    },
    async unstopped(one) {
      one.fault({ operation: 'session-run', on: { times: 1 }, action: { kind: 'drop', when: 'after' } });
      one.fault({ operation: 'describe-session', on: 'always', action: { kind: 'status', status: 401 } });
      one.fault({ operation: 'session-stop', on: 'always', action: { kind: 'delay', ms: LONG_MS } });
      await one.create();
      await one.untilAsked('session-stop');
      arrived(one, { state: 'failed', told: true });
    },
    async cancelled(one) {
      one.fault({ operation: 'session-run', on: { times: 1 }, action: { kind: 'delay', ms: HELD_MS } });
      await one.create();
      await one.untilAsked('session-run');
      expect(await one.node.rpc('fleet_delete', { id: one.id })).toMatchObject({ status: 200 });
      arrived(one, { state: 'starting', cancelled: true });
    },
    async deleted(one) {
      await one.create();
      const isStored = async (): Promise<boolean> => (await instanceRows(stack, [one.id])).length === 1;
      await until(isStored, 40_000, 'the instance');
      const hold = await freezer(one);
      await hold.row('gameye_instance', one.id);
      void one.node.rpc('fleet_delete', { id: one.id }).catch(() => undefined); // Its answer never comes.
      await hold.untilSomebodyWaits();
      expect(one.running()).toEqual([]);
    },
    async hosting(one) {
      await one.playAlone();
      await until(async () => (await one.instances()).length === 1, 40_000, 'the session with free seats');
    },
    // Its player is about to be told where, and notifications are still frozen: three wait for them then.
    async seated(one) {
      await one.playAlone();
      await one.untilStored({ state: 'seated' });
      await until(async () => (await seatsOf(scene('hosting'))).includes(one.player.userId), 40_000, 'the seat');
      await silence?.untilSomebodyWaits(3);
      arrived(one, { state: 'seated' });
    },
    async unready(one) {
      await one.create();
      await one.untilStored({ state: 'started' });
      arrived(one, { state: 'started', waits: true });
    },
  };
  // Frozen notifications would stop others on their way, and the API is waited for only so long.
  const last: Point[] = ['on-its-way', 'cancelled', 'unanswered', 'seated'];
  const first = (Object.keys(steps) as (keyof typeof steps)[]).filter(
    (point) => point !== 'told' && point !== 'queued' && !last.includes(point),
  );
  for (const points of [first, ['told'], last, ['queued']] as (keyof typeof steps)[][]) {
    await Promise.all(points.map((point) => steps[point](scene(point)).catch((error) => explain(scene(point), error))));
  }
  for (const [one, what] of stored)
    expect({ [one.region]: await one.progress() }).toMatchObject({ [one.region]: what });
  return { scenes, freezers };
}

/** Fails with what else is known of a scene that did not come to its point. */
async function explain(scene: Scene, error: Error): Promise<never> {
  const stored = JSON.stringify(await scene.progress());
  const logged = scene.node.logs.filter(({ level }) => level === 'warn' || level === 'error').slice(-10);
  throw new Error(`${error.message}; stored is ${stored}; its node said ${JSON.stringify(logged)}`);
}

/** Who has a seat in the session of a scene, as it is stored. */
export async function seatsOf(scene: Scene): Promise<string[]> {
  const [row] = await instanceRows(scene.stack, await scene.instances());
  return Object.keys((row?.value['seats'] ?? {}) as object);
}
