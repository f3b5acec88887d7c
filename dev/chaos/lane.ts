import { Player, type Answer } from '../demo/player.ts';
import type { Nakama } from '../stack/nakama.ts';
import { until } from '../stack/until.ts';
import type { World } from './world.ts';

/** The largest group. */
const SIZE = 3;
const CONNECT_MS = 120_000;

/** A few players who are in one allocation at a time, with live connections to one node. */
export class Lane {
  private at: Nakama | undefined;
  /** What each player found in the list, time and again: the module keeps only the latest match there. */
  readonly listed = new Map<Player, Answer[]>();

  private constructor(
    private readonly world: World,
    private readonly home: number,
    readonly players: Player[],
  ) {}

  static async open(world: World, home: number): Promise<Lane> {
    const nakama = await world.nodeFor(home);
    const players = await Promise.all(Array.from({ length: SIZE }, () => Player.authenticate(nakama)));
    return new Lane(world, home, players);
  }

  /** Brings every player to one node that is up, and answers it. */
  async connect(): Promise<Nakama> {
    return until(
      async () => {
        const nakama = await this.world.nodeFor(this.home);
        await Promise.all(this.players.map((player) => this.bring(player, nakama)));
        this.at = nakama;
        return this.isTogether() && nakama;
      },
      CONNECT_MS,
      'the connections of a group of players',
      200,
    );
  }

  /** False when somebody lost the connection, or when the node has died. */
  isTogether(): boolean {
    return this.at?.isRunning() === true && this.players.every((player) => player.isConnected);
  }

  /** Looks into the players' lists, before the next match takes the place of what is there. A node that is down shows none. */
  async look(): Promise<void> {
    await Promise.all(this.players.map((player) => this.note(player).catch(() => undefined)));
  }

  /** Everybody goes away; Nakama forgets their tickets. */
  leave(): void {
    for (const player of this.players) player.closeSocket();
  }

  private async bring(player: Player, nakama: Nakama): Promise<void> {
    if (player.isConnected && this.at === nakama) return;
    player.closeSocket();
    await player.openSocket(nakama);
    await this.note(player);
  }

  private async note(player: Player): Promise<void> {
    const found = await player.listAnswers();
    this.listed.set(player, [...(this.listed.get(player) ?? []), ...found]);
  }
}
