import type { LedgerEntry } from '../gameye/simulator.ts';
import type { Attribution } from './attribution.ts';
import type { Asked, Evidence, PlayerAnswer } from './evidence.ts';
import { dueMs, wasHurt } from './excuses.ts';
import { percentile } from '../bench/statistics.ts';
import type { Verdict } from './verdict.ts';

/**
 * P1: every player of every request that was stored was answered, in time, and with one thing only. A node that dies between
 * sending an answer and storing that it did so makes another send the same one again; that is counted, and allowed only when
 * its own node died or the database was hurt while it was under way.
 */
export function judgeAnswers(evidence: Evidence, found: Attribution): Verdict {
  const broken: string[] = [];
  const counts = { match: 0, failed: 0, cancelled: 0, withdrawn: 0, repeated: 0, away: 0 };
  const took: number[] = [];
  for (const asked of evidence.asked) {
    if (!wasStored(asked, found) || asked.userIds.length === 0) continue;
    const told = new Set<string>();
    for (const userId of asked.userIds) {
      const outcome = judgePlayer(evidence, found, asked, userId);
      broken.push(...outcome.broken.map((what) => `${what}: ${describe(asked, found)}, player ${userId}`));
      if (outcome.sessionId !== undefined) told.add(outcome.sessionId);
      counts[outcome.kind]++;
      counts.repeated += outcome.repeated;
      if (outcome.away) counts.away++;
      if (outcome.tookMs !== undefined) took.push(outcome.tookMs);
    }
    if (told.size > 1) broken.push(`one group was told ${told.size} sessions: ${describe(asked, found)}`);
  }
  broken.push(...found.unknown.map((answer) => `an answer about no session of this run: ${JSON.stringify(answer)}`));
  const says =
    `${counts.match} players were told an address, ${counts.failed} a reason, ${counts.cancelled} had cancelled, ` +
    `${counts.withdrawn} were in requests that were deleted before anything began; ` +
    `${broken.length} wrong; after ${percentile(took, 0.5)} ms (p50), ${percentile(took, 0.99)} ms (p99), ` +
    `${Math.max(0, ...took)} ms (longest); told the same again after a kill: ${counts.repeated}; ` +
    `only by the stored assignment: ${counts.away}`;
  return { promise: 'P1', what: 'everybody answered, once', says, broken };
}

interface Outcome {
  kind: 'match' | 'failed' | 'cancelled' | 'withdrawn';
  broken: string[];
  repeated: number;
  /** Not told by a notification. */
  away: boolean;
  sessionId?: string;
  tookMs?: number;
}

function judgePlayer(evidence: Evidence, found: Attribution, asked: Asked, userId: string): Outcome {
  const answers = found.answersTo(asked, userId);
  const stored = found.storedFor(asked, userId);
  const cancelled = asked.cancelled.find((one) => one.userId === userId);
  const [first] = answers;
  const broken: string[] = [];
  if (cancelled && !first) return { kind: 'cancelled', broken, repeated: 0, away: false };
  if (cancelled?.certain && first) broken.push(`told ${nameOf(first)} although cancelled`);
  if (!first && !stored && wasWithdrawn(asked, found)) return { kind: 'withdrawn', broken, repeated: 0, away: false };
  if (!first && !stored) {
    return { kind: 'failed', broken: ['no answer'], repeated: 0, away: false };
  }
  const others = answers.slice(1).filter((answer) => nameOf(answer) !== nameOf(first!));
  if (others.length > 0) broken.push(`told ${[first!, ...others].map(nameOf).join(' and ')}`);
  const repeated = answers.slice(1).filter((answer) => !others.includes(answer));
  const unexcused = repeated.filter((answer) => !wasHurt(evidence, asked, answer.atMs));
  if (unexcused.length > 0)
    broken.push(`told ${nameOf(first!)} ${1 + repeated.length} times although nothing hit its node or the database`);
  if (first?.kind === 'match') broken.push(...wrongAddress(first, found.sessionsOf(asked)));

  const atMs = Math.min(first?.atMs ?? Infinity, stored?.atMs ?? Infinity);
  const tookMs = Math.max(0, atMs - asked.askedAtMs);
  if (atMs > dueMs(evidence, asked, atMs)) broken.push(`answered after ${tookMs} ms`);
  const kind = first?.kind ?? (stored?.state === 'ready' ? 'match' : 'failed');
  const sessionId = first?.kind === 'match' ? first.sessionId : undefined;
  return { kind, broken, repeated: repeated.length, away: !first, tookMs, ...(sessionId ? { sessionId } : {}) };
}

/** Stored for certain, or something came of it. */
export function wasStored(asked: Asked, found: Attribution): boolean {
  if (asked.outcome === 'accepted') return true;
  const answered = asked.userIds.some((userId) => found.answersTo(asked, userId).length > 0);
  return answered || found.sessionsOf(asked).length > 0;
}

/**
 * Its creator took it back before a session was asked for, or an assignment stored: nobody but the creator knew of it. Who
 * is connected hears of it all the same.
 */
function wasWithdrawn(asked: Asked, found: Attribution): boolean {
  return asked.planned.ending === 'delete-starting' && found.sessionsOf(asked).length === 0;
}

function wrongAddress(answer: PlayerAnswer & { kind: 'match' }, sessions: LedgerEntry[]): string[] {
  const session = sessions.find(({ id }) => id === answer.sessionId);
  if (session?.runningAtMs === undefined) return [`told session ${answer.sessionId}, which never ran`];
  const isThere = session.host === answer.host && session.ports.some(({ host }) => host === answer.port);
  return isThere ? [] : [`told ${answer.host}:${answer.port}, where session ${session.id} is not`];
}

function nameOf(answer: PlayerAnswer): string {
  return answer.kind === 'match' ? `session ${answer.sessionId}` : `"${answer.reason}"`;
}

/** What is needed to look an attempt up in logs and ledger. */
export function describe(asked: Asked, found: Attribution): string {
  const sessions = found.sessionsOf(asked).map(({ id }) => id);
  const at = new Date(asked.askedAtMs).toISOString();
  return (
    `allocation ${asked.label} (${asked.planned.way} on ${asked.node}, ${asked.planned.ending}, ${at}, ` +
    `id ${asked.allocationId ?? 'not told'}, sessions ${sessions.join(' ') || 'none'})`
  );
}
