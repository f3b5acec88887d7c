import type { Player } from '../demo/player.ts';
import type { AssignmentRow, Records } from './database.ts';
import { isAbout } from './attribution.ts';
import type { Asked, PlayerAnswer, StoredAnswer } from './evidence.ts';
import type { PlannedAllocation } from './plan.ts';

/** What one player knows about an attempt. */
export type Told = { kind: 'match'; sessionId: string } | { kind: 'failed' };

/** Everything that was asked for, and what the stored records said to the players while they waited. */
export class Books {
  readonly asked: Asked[] = [];
  readonly stored: StoredAnswer[] = [];
  /** Instances that were seen with more players than seats. */
  readonly oversold: string[] = [];
  /** By session id, when the allocation was made that led to it. */
  readonly madeAtMs = new Map<string, number>();
  private readonly starting = new Set<string>();
  private readonly open = new Map<string, Asked>();
  /** By player, the allocation of which the assignment told when the attempt began. */
  private readonly before = new Map<string, string>();

  /** Begins an attempt of these players, whose assignments still tell of `before`. */
  begin(planned: PlannedAllocation, attempt: number, node: string, players: Player[], before: AssignmentRow[]): Asked {
    const now = Date.now();
    const asked: Asked = {
      planned,
      attempt,
      label: `${planned.ordinal}.${attempt}`,
      userIds: players.map(({ userId }) => userId),
      node,
      beganAtMs: now,
      askedAtMs: now,
      outcome: 'open',
      cancelled: [],
    };
    this.asked.push(asked);
    for (const userId of asked.userIds) this.open.set(userId, asked);
    // What was told over the connection may be stored only later: that is no news then.
    for (const { userId, allocationId } of before) this.before.set(userId, allocationId);
    return asked;
  }

  /** Nobody waits for it any more. */
  close(asked: Asked): void {
    for (const userId of asked.userIds) if (this.open.get(userId) === asked) this.open.delete(userId);
  }

  /** True when a record of this attempt was seen. */
  isStored(asked: Asked): boolean {
    return this.starting.has(asked.label) || this.stored.some((one) => isAbout(asked, one));
  }

  /** What this player was told about the attempt, over the connection or by the stored assignment. */
  told(asked: Asked, player: Player): Told | undefined {
    for (const answer of player.answers.slice(-5)) {
      // What comes in the millisecond in which an attempt begins is the end of the one before, as attribution.ts has it.
      if (answer.atMs < asked.askedAtMs || answer.atMs === asked.beganAtMs) continue;
      if (answer.kind === 'failed') return { kind: 'failed' };
      const label = answer.content['chaos'];
      // Repeated after a crash, or of an earlier match that was cancelled too late.
      const isOld = (this.madeAtMs.get(answer.sessionId) ?? Infinity) < asked.beganAtMs;
      const isRepeated = player.answers.some((one) => {
        return one.kind === 'match' && one.sessionId === answer.sessionId && one.atMs < asked.beganAtMs;
      });
      if (isOld || isRepeated) continue;
      if (label === undefined || label === asked.label) return { kind: 'match', sessionId: answer.sessionId };
    }
    const stored = this.stored.findLast((one) => one.userId === player.userId && isAbout(asked, one));
    if (!stored) return undefined;
    return stored.state === 'ready' ? { kind: 'match', sessionId: stored.sessionId } : { kind: 'failed' };
  }

  /** Looks into the stored records once, for everybody who waits. */
  async look(records: Records): Promise<void> {
    for (const { id, sessionId, abandoned, createdAtMs } of await records.allocations()) {
      for (const session of [id, sessionId, ...abandoned]) this.madeAtMs.set(session, createdAtMs);
    }
    const rows = this.open.size === 0 ? [] : await records.assignments([...this.open.keys()]);
    for (const row of rows) {
      const asked = this.open.get(row.userId);
      if (!asked || row.updatedAtMs < asked.beganAtMs || this.isOfEarlier(asked, row)) continue;
      const { userId, allocationId, sessionId, reason, updatedAtMs: atMs, state } = row;
      if (state === 'starting') this.starting.add(asked.label);
      if (state !== 'ready' && state !== 'failed') continue;
      const known = this.stored.some((one) => one.allocationId === allocationId && one.userId === userId);
      if (known) continue;
      this.stored.push({
        ...{ label: asked.label, userId, allocationId, atMs, state, sessionId },
        ...(reason === undefined ? {} : { reason }),
      });
    }
    for (const { id, playerCount, maxPlayers, seats } of await records.instances()) {
      if (Math.max(playerCount, seats.length) <= maxPlayers) continue;
      this.oversold.push(`${id}: ${playerCount} players, ${seats.length} seats taken, of ${maxPlayers}`);
    }
  }

  /** A request that was given up may tell its players its end only now. */
  private isOfEarlier(asked: Asked, { userId, allocationId }: AssignmentRow): boolean {
    const isKnown = allocationId === this.before.get(userId);
    return isKnown || (this.madeAtMs.get(allocationId) ?? Infinity) < asked.beganAtMs;
  }
}

/** All answers of a player: what came over the connection, and what is in Nakama's list beside it. */
export async function answersOf(player: Player): Promise<PlayerAnswer[]> {
  const seen = new Set(player.answers.map(({ notificationId }) => notificationId));
  const listed = (await player.listAnswers()).filter(({ notificationId }) => !seen.has(notificationId));
  return [...player.answers, ...listed].map((answer) => ({ ...answer, userId: player.userId }));
}
