import { notEnded } from '../gameye/ledger.ts';
import { freeNakamaPorts, type NakamaPorts } from '../stack/ports.ts';
import type { Nakama } from '../stack/nakama.ts';
import type { NakamaRuntime } from '../stack/runtimes.ts';
import { startStack, type Stack } from '../stack/stack.ts';
import { until } from '../stack/until.ts';
import { startPostgres } from '../stack/postgres.ts';
import { Records } from './database.ts';
import type { Evidence, NodeEvent, Snapshot } from './evidence.ts';
import type { Plan } from './plan.ts';
import { LossyProxy } from './proxy.ts';

export const CHAOS_REGIONS = ['eu-central-1', 'eu-west-1', 'us-east-1'];
/** The image of sessions without a process: one costs nothing, and nothing but a DELETE or a kill ends it. */
const QUIET_IMAGE = 'quiet';
const SEAT_SECRET = 'chaos-seat-secret-0123456789abcdef';
/** The first region is often full, so that 420 also comes by itself. */
const SMALL_REGION = 60;

export interface WorldOptions {
  runtime: NakamaRuntime;
  plan: Plan;
  limits: Evidence['limits'];
  modulePath?: string;
  /** A Postgres that runs already; default: our own. */
  postgres?: string;
}

interface Slot {
  name: string;
  ports: NakamaPorts;
  /** Absent while it is down. */
  nakama?: Nakama;
  starting?: Promise<void>;
}

/** The nodes on their database, and the simulator: what is killed, and what comes back. */
export class World {
  readonly events: NodeEvent[] = [];
  readonly records: Records;
  private closing = false;

  private constructor(
    readonly stack: Stack,
    /** Between the nodes and their database. */
    readonly proxy: LossyProxy,
    private readonly slots: Slot[],
    private readonly ends: (() => Promise<void>)[],
  ) {
    this.records = new Records(this.database, stack.runtime.kind);
  }

  /** The address of the nodes' database, past what stands between. */
  get database(): string {
    return this.proxy.past(this.stack.database);
  }

  static async start(options: WorldOptions): Promise<World> {
    const ends: (() => Promise<void>)[] = [];
    try {
      return await World.startAll(options, ends);
    } catch (error) {
      await endAll(ends);
      throw error;
    }
  }

  private static async startAll(options: WorldOptions, ends: (() => Promise<void>)[]): Promise<World> {
    const { runtime, plan, limits, modulePath } = options;
    const own = options.postgres === undefined ? await startPostgres() : undefined;
    if (own) ends.push(() => own.stop());
    const proxy = await LossyProxy.start(own?.address ?? options.postgres!);
    ends.push(() => proxy.stop());
    const seconds = (ms: number): string => `${Math.round(ms / 1000)}s`;
    const slots: Slot[] = [];
    for (let i = 1; i <= plan.nodes; i++) slots.push({ name: `n${i}`, ports: await freeNakamaPorts() });
    const [first, ...others] = slots as [Slot, ...Slot[]];
    const stack = await startStack({
      runtime,
      ...(modulePath === undefined ? {} : { modulePath }),
      postgres: proxy.address,
      env: {
        GAMEYE_API_IMAGE: QUIET_IMAGE,
        GAMEYE_API_REGION: plan.regions.join(','),
        GAMEYE_SEAT_SECRET: SEAT_SECRET,
        GAMEYE_NAKAMA_URL: '{nakama}',
        GAMEYE_CREATE_TIMEOUT: seconds(limits.createTimeoutMs),
        GAMEYE_RECONCILE_INTERVAL: seconds(limits.reconcileIntervalMs),
        GAMEYE_EMPTY_GRACE: seconds(limits.emptyGraceMs),
        GAMEYE_SEAT_TIMEOUT: seconds(limits.seatTimeoutMs),
        // A lane's players are asked for again and again.
        GAMEYE_STARTS_PER_MINUTE: '0',
      },
      simulator: {
        startMs: 100,
        images: { [QUIET_IMAGE]: { command: [], ports: ['7777/udp'] } },
        regions: Object.fromEntries(
          plan.regions.map((region, i) => [region, { capacity: i ? 100_000 : SMALL_REGION }]),
        ),
      },
      gameServerArgs: ['--no-show', '3600'],
      firstNode: { name: first.name, ports: first.ports },
    });
    ends.push(() => stack.stop());
    const world = new World(stack, proxy, slots, ends);
    ends.push(() => world.records.close());
    world.arrived(first, stack.nakama);
    for (const slot of others) await world.bringUp(slot);
    return world;
  }

  get secrets(): string[] {
    return ['sim-token', SEAT_SECRET];
  }

  /** The nodes that are up. */
  get up(): Nakama[] {
    return this.slots.flatMap(({ nakama }) => nakama ?? []);
  }

  /** This node when it is up, else another one, as soon as there is one. */
  nodeFor(preferred: number): Promise<Nakama> {
    const size = this.slots.length;
    const found = (): Nakama | undefined => {
      for (let i = 0; i < size; i++) {
        const nakama = this.slots[(preferred + i) % size]?.nakama;
        if (nakama) return nakama;
      }
      return undefined;
    };
    return until(found, 120_000, 'a node that is up');
  }

  /** kill -9. False when it is down already. */
  async kill(node: number): Promise<boolean> {
    const slot = this.slots[node];
    const nakama = slot?.nakama;
    if (!slot || !nakama) return false;
    delete slot.nakama;
    this.events.push({ node: slot.name, kind: 'killed', atMs: Date.now() });
    await nakama.kill();
    return true;
  }

  /** Starts a node again, on the ports that it had; nothing when it is up. */
  async bringUp(which: number | Slot): Promise<void> {
    const slot = typeof which === 'number' ? this.slots[which] : which;
    if (!slot || slot.nakama || this.closing) return;
    slot.starting ??= this.start(slot).finally(() => delete slot.starting);
    await slot.starting;
  }

  /** Starts every node that is down. */
  async bringAllUp(): Promise<void> {
    await Promise.all(this.slots.map((slot) => this.bringUp(slot)));
  }

  /** Both sides, the ledger first: what started in between may be missing there, not the other way round. */
  async snapshot(): Promise<Snapshot> {
    const { records } = this;
    const [instances, allocations] = [await records.instances(), await records.allocations()];
    const ghosts = await records.ghosts();
    const running = structuredClone(notEnded(this.stack.simulator.ledger.entries));
    return { atMs: Date.now(), running, instances, allocations, ghosts };
  }

  async stop(): Promise<void> {
    this.closing = true;
    for (const { name, nakama } of this.slots) {
      if (nakama) this.events.push({ node: name, kind: 'stopped', atMs: Date.now() });
    }
    await Promise.allSettled(this.slots.map(({ starting }) => starting));
    await endAll(this.ends);
  }

  private async start(slot: Slot): Promise<void> {
    // A node can fail to start because its connections are just being killed, too.
    for (let attempt = 1; ; attempt++) {
      try {
        this.arrived(slot, await this.stack.startNode({ name: slot.name, ports: slot.ports }));
        return;
      } catch (error) {
        if (attempt === 3 || this.closing) throw error;
      }
    }
  }

  private arrived(slot: Slot, nakama: Nakama): void {
    slot.nakama = nakama;
    this.events.push({ node: slot.name, kind: 'up', atMs: Date.now() });
    void nakama.exited.then(() => {
      if (slot.nakama !== nakama || this.closing) return;
      delete slot.nakama;
      const lastWords = nakama.logText().slice(-3000);
      this.events.push({ node: slot.name, kind: 'died', atMs: Date.now(), lastWords });
      void this.bringUp(slot).catch(() => {}); // Who waits for a node says that there is none.
    });
  }
}

/** The last first; one that fails must not keep the others alive. */
async function endAll(ends: (() => Promise<void>)[]): Promise<void> {
  for (const end of ends.splice(0).reverse()) await end().catch(() => {});
}
