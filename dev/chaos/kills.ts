import { runningAt } from '../gameye/ledger.ts';
import { until } from '../stack/until.ts';
import { cutStatements } from './cuts.ts';
import type { Killed } from './evidence.ts';
import type { Plan, PlannedKill } from './plan.ts';
import type { World } from './world.ts';

/** So long answers are lost at most. */
const LOSING_MS = 5000;

/** Does what the plan has for each moment: kills and brings back, closes and opens regions. */
export class Havoc {
  readonly killed: Killed[] = [];
  private readonly under: Promise<void>[] = [];

  constructor(
    private readonly world: World,
    private readonly plan: Plan,
  ) {}

  /** To be called when this allocation begins; does not wait for what it starts. */
  at(ordinal: number): void {
    const { plan, world } = this;
    for (const { region, from, to } of plan.outages) {
      if (from === ordinal) this.outage(region, true);
      if (to === ordinal) this.outage(region, false);
    }
    for (const kill of plan.killed) {
      if (kill.at === ordinal) this.under.push(this.kill(kill));
      if (kill.kind === 'node' && kill.restartAt === ordinal) this.under.push(world.bringUp(kill.node));
    }
    // Nobody could ask for the allocation at which the next node would come back.
    if (world.up.length === 0) this.under.push(world.bringAllUp());
  }

  /** Ends every outage, brings every node up, and waits until all that was begun is done. */
  async calm(): Promise<void> {
    for (const { region } of this.plan.outages) this.outage(region, false);
    await Promise.all(this.under);
    await this.world.bringAllUp();
  }

  private outage(region: string, outage: boolean): void {
    this.world.stack.simulator.configure({ regions: { [region]: { outage } } });
  }

  private async kill(kill: PlannedKill): Promise<void> {
    const atMs = Date.now();
    const victims = await this.carryOut(kill);
    this.killed.push({ kind: kill.kind, at: kill.at, atMs, victims });
    if (kill.kind === 'all-nodes' || this.world.up.length === 0) await this.world.bringAllUp();
  }

  /** Answers how many were hit. */
  private async carryOut(kill: PlannedKill): Promise<number> {
    const { world, plan } = this;
    switch (kill.kind) {
      case 'node':
        return (await world.kill(kill.node)) ? 1 : 0;
      case 'all-nodes': {
        const nodes = Array.from({ length: plan.nodes }, (_, node) => world.kill(node));
        return (await Promise.all(nodes)).filter(Boolean).length;
      }
      case 'connections':
        return world.records.terminateConnections(kill.share);
      case 'statements':
        return cutStatements(world.records);
      case 'answers': {
        const { proxy } = world;
        proxy.lose(kill.most);
        await until(() => !proxy.isLosing, LOSING_MS, 'answers to lose').catch(() => {}); // Fewer were lost, then.
        return proxy.endLosing();
      }
      case 'game-servers': {
        const { simulator } = world.stack;
        const running = runningAt(simulator.ledger.entries);
        // Evenly spread over those that run: older ones have been recorded, newer ones not yet.
        const step = 1 / kill.share;
        const victims = running.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
        return victims.filter(({ id }) => simulator.kill(id)).length;
      }
    }
  }
}
