import type { Answer, Player } from '../demo/player.ts';
import type { Records, SeatRow } from './database.ts';
import { isAbout } from './attribution.ts';
import type { Asked, PlayerAnswer, StoredAnswer } from './evidence.ts';
import type { PlannedAllocation } from './plan.ts';
import { seatProblems } from './seats.ts';

/** What one player knows about an attempt. */
export type Told = { kind: 'match'; sessionId: string } | { kind: 'failed' };

/** Everything that was asked for, and what the stored records said to the players while they waited. */
export class Books {
  readonly asked: Asked[] = [];
  readonly stored: StoredAnswer[] = [];
  /** What was wrong with the seats and counters of instances. */
  readonly miscounted: string[] = [];
  /** By session id, when the allocation was made that led to it. */
  readonly madeAtMs = new Map<string, number>();
  private readonly starting = new Set<string>();
  private readonly open = new Map<string, Asked>();
  /** By player, the row as it was when the attempt began. */
  private readonly before = new Map<string, SeatRow>();

  /** Begins an attempt of these players, whose rows still tell of `before`. */
  begin(planned: PlannedAllocation, attempt: number, node: string, players: Player[], before: SeatRow[]): Asked {
    const now = Date.now();
    const asked: Asked = {
      planned,
      attempt,
      label: `${planned.ordinal}.${attempt}`,
      userIds: players.map(({ userId }) => userId),
      node,
      owners: [],
      beganAtMs: now,
      askedAtMs: now,
      outcome: 'open',
      cancelled: [],
    };
    this.asked.push(asked);
    for (const userId of asked.userIds) this.open.set(userId, asked);
    // What was told over the connection may be stored only later: that is no news then.
    for (const userId of asked.userIds) this.before.delete(userId);
    for (const row of before) this.before.set(row.userId, row);
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

  /** What this player was told about the attempt, over the connection or by the player's row. */
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

  /** Looks into the tables once, for everybody who waits. */
  async look(records: Records): Promise<void> {
    const workers = new Map<string, string>();
    for (const { id, sessionId, abandoned, createdAtMs, node } of await records.allocations()) {
      for (const session of [id, sessionId, ...abandoned]) this.madeAtMs.set(session, createdAtMs);
      workers.set(id, node);
    }
    const rows = this.open.size === 0 ? [] : await records.seats([...this.open.keys()]);
    for (const row of rows) {
      const asked = this.open.get(row.userId);
      if (!asked || row.updatedAtMs < asked.beganAtMs || this.isOfEarlier(asked, row)) continue;
      this.noteOwner(asked, workers.get(row.allocationId) ?? '');
      this.noteRow(asked, row);
    }
    this.miscounted.push(...seatProblems(await records.instances()));
  }

  private noteRow(asked: Asked, row: SeatRow): void {
    const { userId, allocationId, sessionId, reason, updatedAtMs: atMs } = row;
    if (row.state === 'starting') this.starting.add(asked.label);
    const isSeated = row.state === 'reserved' || row.state === 'joined';
    if (!isSeated && row.state !== 'failed') return;
    const isKnown = (one: StoredAnswer): boolean =>
      one.userId === userId && one.allocationId === allocationId && one.label === asked.label;
    if (this.stored.some(isKnown)) return;
    this.stored.push({
      ...{ label: asked.label, userId, allocationId, atMs, sessionId },
      state: isSeated ? 'ready' : 'failed',
      ...(reason === undefined ? {} : { reason }),
    });
  }

  private noteOwner({ owners, node }: Asked, worker: string): void {
    if (worker === '' || worker === (owners.at(-1)?.node ?? node)) return;
    owners.push({ node: worker, fromMs: Date.now() });
  }

  /** A request that was given up may tell its players its end only now. */
  private isOfEarlier(asked: Asked, { userId, allocationId, version }: SeatRow): boolean {
    const before = this.before.get(userId);
    // The row forgets its allocation when the session is removed. It is this attempt's when it was stored, ended and removed.
    if (allocationId === '') return before?.state === 'starting' || version < (before?.version ?? 0) + 3;
    const isKnown = allocationId === before?.allocationId;
    return isKnown || (this.madeAtMs.get(allocationId) ?? Infinity) < asked.beganAtMs;
  }
}

/** All answers of a player: what came over the connection, and what was or is in Nakama's list beside it. */
export async function answersOf(player: Player, before: Answer[] = []): Promise<PlayerAnswer[]> {
  const seen = new Set(player.answers.map(({ notificationId }) => notificationId));
  const all = [...before, ...(await player.listAnswers())];
  const listed = all.filter(
    ({ notificationId }, i) =>
      !seen.has(notificationId) && all.findIndex((one) => one.notificationId === notificationId) === i,
  );
  return [...player.answers, ...listed].map((answer) => ({ ...answer, userId: player.userId }));
}
