import { overlaps } from '../gameye/ledger.ts';
import type { LedgerEntry } from '../gameye/simulator.ts';
import type { Attribution } from './attribution.ts';
import type { Asked, Evidence, Snapshot } from './evidence.ts';
import { describe } from './judge-answers.ts';
import { seatProblems } from './seats.ts';
import type { Verdict } from './verdict.ts';

/** A node that takes over the reconciling waits for the lease of the one that died, and a pass takes a moment. */
const TAKE_OVER_MS = 45_000;

/** P2: no two sessions of one attempt ever ran at the same time. */
export function judgeDoubles(evidence: Evidence, found: Attribution): Verdict {
  const broken: string[] = [];
  const ran = evidence.ledger.filter((entry) => entry.runningAtMs !== undefined);
  for (const [a, b] of overlaps(evidence.ledger, (entry) => found.askedFor(entry)?.label)) {
    broken.push(`${where(a)} and ${where(b)} ran at once: ${describe(found.askedFor(a)!, found)}`);
  }
  const strangers = ran.filter((entry) => !found.askedFor(entry));
  broken.push(...strangers.map((entry) => `${where(entry)} was started for nobody of this run`));
  const again = new Set(
    evidence.asked.filter((asked) => found.sessionsOf(asked).filter(hasRun).length > 1).map(({ label }) => label),
  ).size;
  const says = `${ran.length} sessions ran, ${broken.length} doubles; ${again} requests had a second one after the first`;
  return { promise: 'P2', what: 'one session for one request', says, broken };
}

/** P3: once nothing goes wrong any more, whatever nobody wants is stopped within the time that was promised. */
export function judgeStrays(evidence: Evidence, found: Attribution): Verdict {
  const { reconcileIntervalMs, emptyGraceMs, seatTimeoutMs } = evidence.limits;
  const allowedMs = reconcileIntervalMs + emptyGraceMs + seatTimeoutMs + TAKE_OVER_MS;
  const wanted = wantedSessions(evidence, found);
  const leftOver = evidence.calm.running.filter(({ id }) => !wanted.has(id));
  const broken = leftOver.map((entry) => `${where(entry)} still ran at the end: ${whose(entry, found)}`);
  const tookMs = (evidence.tidyAtMs ?? evidence.calm.atMs) - evidence.calmFromMs;
  if (evidence.tidyAtMs !== undefined && tookMs > allowedMs) {
    broken.push(`it took ${tookMs} ms until only what was wanted ran; promised: ${allowedMs} ms`);
  }
  broken.push(...evidence.end.running.map((entry) => `${where(entry)} does not end: ${whose(entry, found)}`));
  const strays = evidence.ledger.filter((entry) => hasRun(entry) && !wasTold(entry, found));
  const lived = strays.map((entry) => lifetime(entry, evidence)).sort((a, b) => a - b);
  const says =
    `${strays.length} sessions ran that no player was told of, for ${lived.at(-1) ?? 0} ms at most; ` +
    `${leftOver.length} left at the end, ${tookMs} ms after the last fault`;
  return { promise: 'P3', what: 'no strays', says, broken };
}

/** P4: the records say what runs, and nothing was stopped that somebody still wanted. */
export function judgeRecords(evidence: Evidence, found: Attribution): Verdict {
  const broken = [...differences(evidence.calm), ...differences(evidence.end).map((what) => `after the end: ${what}`)];
  let stopped = 0;
  for (const asked of evidence.asked) {
    for (const entry of found.sessionsOf(asked)) {
      if (entry.stopRequestedAtMs === undefined || !wasTold(entry, found)) continue;
      stopped++;
      if (entry.stopRequestedAtMs >= (asked.mayEndFromMs ?? evidence.calm.atMs)) continue;
      broken.push(`${where(entry)} was stopped while its players wanted it: ${describe(asked, found)}`);
    }
  }
  const { instances, running } = evidence.calm;
  const says =
    `${instances.length} records, ${running.length} sessions at the end, ${broken.length} differences; ` +
    `${stopped} sessions with players were stopped, each because somebody asked for it or had left`;
  return { promise: 'P4', what: 'records tell the truth', says, broken };
}

/** P6: never more players than seats, each counted once, and nobody with a seat where there is no session. */
export function judgeSeats(evidence: Evidence, found: Attribution): Verdict {
  const { calm, end } = evidence;
  const broken = [
    ...new Set([...evidence.miscounted, ...seatProblems(calm.instances), ...seatProblems(end.instances)]),
  ];
  broken.push(...new Set([...calm.ghosts, ...end.ghosts].map((ghost) => `${ghost}, which has no record`)));
  let tried = 0;
  let granted = 0;
  for (const asked of evidence.asked) {
    const { joins, planned } = asked;
    if (!joins) continue;
    tried += planned.joins;
    granted += joins.granted.length;
    // Later, reservations run out, and a seat may rightly be given again.
    if (joins.untilMs - asked.askedAtMs > evidence.limits.seatTimeoutMs) continue;
    const seated = asked.userIds.length + joins.granted.length;
    if (seated > planned.maxPlayers) broken.push(`${seated} in ${planned.maxPlayers} seats: ${describe(asked, found)}`);
  }
  const says = `${tried} strangers tried to join sessions with players, all at once; ${granted} were let in`;
  return { promise: 'P6', what: 'no seat given twice', says, broken };
}

/** The sessions that nobody has asked to end, and whose players know them. */
export function wantedSessions(evidence: Pick<Evidence, 'asked'>, found: Attribution): Set<string> {
  const wanted = new Set<string>();
  for (const asked of evidence.asked) {
    if (asked.mayEndFromMs !== undefined) continue;
    for (const entry of found.sessionsOf(asked)) if (wasTold(entry, found)) wanted.add(entry.id);
  }
  return wanted;
}

/** In what records and sessions differ; nothing when they are the same. */
export function differences({ running, instances, allocations }: Snapshot): string[] {
  const rows = new Map(instances.map((row) => [row.id, row]));
  const sessions = new Set(running.map(({ id }) => id));
  const result: string[] = [];
  for (const entry of running) {
    const row = rows.get(entry.id);
    if (!row) result.push(`${where(entry)} runs and has no record`);
    else if (row.status !== 'running') result.push(`${where(entry)} runs, its record says ${row.status}`);
    else if (row.host !== entry.host || !entry.ports.some(({ host }) => host === row.port)) {
      result.push(`${where(entry)} is not at ${row.host}:${row.port}, as its record says`);
    }
  }
  for (const { id } of instances) if (!sessions.has(id)) result.push(`session ${id} does not run and has a record`);
  for (const { id, state, sessionId, abandoned } of allocations) {
    result.push(`allocation ${id} is still there: ${state}, session ${sessionId}, to be stopped: ${abandoned.length}`);
  }
  return result;
}

function wasTold(entry: LedgerEntry, found: Attribution): boolean {
  const asked = found.askedFor(entry);
  if (!asked) return false;
  if (asked.userIds.length === 0) return asked.foundSessionId === entry.id;
  return asked.userIds.some((userId) => {
    const told = found.answersTo(asked, userId).some((one) => one.kind === 'match' && one.sessionId === entry.id);
    return told || found.storedFor(asked, userId)?.sessionId === entry.id;
  });
}

function hasRun({ runningAtMs, stopRequestedAtMs, endedAtMs }: LedgerEntry): boolean {
  return runningAtMs !== undefined && runningAtMs < Math.min(stopRequestedAtMs ?? Infinity, endedAtMs ?? Infinity);
}

function lifetime(entry: LedgerEntry, { endedAtMs }: Evidence): number {
  return (entry.stopRequestedAtMs ?? entry.endedAtMs ?? endedAtMs) - entry.runningAtMs!;
}

function whose(entry: LedgerEntry, found: Attribution): string {
  const asked: Asked | undefined = found.askedFor(entry);
  return asked ? describe(asked, found) : `labels ${JSON.stringify(entry.labels)}`;
}

function where({ id, region }: LedgerEntry): string {
  return `session ${id} (${region})`;
}
