import { expect } from 'vitest';
import type { FaultRule, LedgerEntry } from '../../../dev/gameye/simulator.ts';
import type { Nakama } from '../../../dev/stack/nakama.ts';
import type { Stack } from '../../../dev/stack/stack.ts';
import { until } from '../../../dev/stack/until.ts';
import { Player } from '../../helpers/players.ts';
import { allocationRows, instanceRows, requestsOf, type AllocationValue } from '../../integration/support/world.ts';

/** Longer than anything takes to come to the point where its node is killed. */
const ARRIVAL_MS = 40_000;

/** The parts of a stored allocation that tell how far it is. */
export type Progress = Partial<AllocationValue & { told: boolean; in_doubt: boolean; waits: boolean }>;

/** One player, and the session that was asked for: what a node worked on when it died. */
export class Scene {
  constructor(
    readonly stack: Stack,
    readonly node: Nakama,
    readonly region: string,
    readonly player: Player,
    /** What `fleet_create` answered last. */
    public id = '',
  ) {}

  /** A player without a live connection, whose node is `node`. */
  static async enter(stack: Stack, node: Nakama, region: string): Promise<Scene> {
    return new Scene(stack, node, region, await Player.authenticate(node));
  }

  /** Something that goes wrong in the region of this scene only. */
  fault(rule: Omit<FaultRule, 'region'>): void {
    this.stack.simulator.faults.add({ ...rule, region: this.region });
  }

  /** Asks for a session for the player, in this region or in the ones given. */
  async create(regions = [this.region]): Promise<void> {
    const payload = { max_players: 2, user_ids: [this.player.userId], regions };
    const answer = await this.node.rpc('fleet_create', payload);
    expect(answer).toMatchObject({ status: 200 });
    this.id = (answer.payload as { session_id: string }).session_id;
  }

  /** The player asks for a session, or a seat in one, as a player. */
  async playAlone(): Promise<void> {
    expect(await this.player.rpc('gameye_solo_match')).toMatchObject({ status: 200 });
    const [row] = await allocationRows(this.stack, [this.player]);
    this.id = row?.key ?? '';
  }

  /** What is stored of the allocation; undefined when it has ended. */
  async progress(): Promise<Progress | undefined> {
    return (await allocationRows(this.stack, [this.player])).find(({ key }) => key === this.id)?.value;
  }

  /** Until the stored allocation is as described. */
  async untilStored(what: Progress): Promise<void> {
    await until(
      async () => {
        const stored = (await this.progress()) ?? {};
        return Object.entries(what).every(([name, value]) => stored[name as keyof Progress] === value);
      },
      ARRIVAL_MS,
      () => `${this.region}: ${JSON.stringify(what)}`,
    );
  }

  /** Until Gameye got this request about the scene. */
  async untilAsked(operation: 'session-run' | 'session-stop' | 'join-session', times = 1): Promise<void> {
    const asked = (): boolean => requestsOf(this.stack, operation, this.region).length >= times;
    await until(asked, ARRIVAL_MS, `${operation} in ${this.region}`);
  }

  /** Every session that was ever started for the player. */
  sessions(): LedgerEntry[] {
    const { entries } = this.stack.simulator.ledger;
    return entries.filter(({ matchUserIds }) => matchUserIds.includes(this.player.userId));
  }

  running(): LedgerEntry[] {
    return this.sessions().filter(({ endedAtMs }) => endedAtMs === undefined);
  }

  async instances(): Promise<string[]> {
    const ids = this.sessions().map(({ id }) => id);
    return (await instanceRows(this.stack, ids)).map(({ key }) => key);
  }
}
