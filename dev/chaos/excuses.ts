import type { Asked, Evidence, NodeEvent } from './evidence.ts';

/*
 * What may delay or repeat an answer: only what hit the node that worked on this allocation, or the database. A kill that hit
 * another node is no excuse.
 */

/** An answer is due this long after the create timeout. */
const BEYOND_TIMEOUT_MS = 10_000;
/** Stored notifications have the second of their sending. */
const SECOND_MS = 1000;
/** What a worker loses by a cut connection: its next try comes a second later, and connections that are idle tell when used. */
const CUT_MS = 5000;
/** The tables are looked at twice a second: a node that took over is seen a moment later. */
const SEEN_AFTER_MS = 1000;

/** Until when the answer that came at `untilMs` had to come. */
export function dueMs(evidence: Evidence, asked: Asked, untilMs: number): number {
  const { createTimeoutMs } = evidence.limits;
  const isMeanwhile = ({ atMs }: { atMs: number }): boolean => atMs > asked.askedAtMs && atMs < untilMs;
  // The death of its node starts the time anew, and so does the return of the first node where none was up.
  const anew = [...deathsOf(evidence, asked), ...revivals(evidence.nodes)].filter(isMeanwhile);
  const startMs = Math.max(asked.askedAtMs, ...anew.map(({ atMs }) => atMs));
  const cuts = cutsOf(evidence).filter(({ atMs }) => atMs > startMs && atMs < untilMs).length;
  return startMs + createTimeoutMs + BEYOND_TIMEOUT_MS + SECOND_MS + cuts * CUT_MS;
}

/** Its node died while it was under way or in the second after, or the database was hurt. */
export function wasHurt(evidence: Evidence, asked: Asked, untilMs: number): boolean {
  const isNear = ({ atMs }: { atMs: number }): boolean => atMs <= untilMs + SECOND_MS;
  const isDeath = deathsOf(evidence, asked).some((death) => death.atMs >= asked.beganAtMs && isNear(death));
  return isDeath || cutsOf(evidence).some((cut) => cut.atMs + CUT_MS >= asked.beganAtMs && isNear(cut));
}

/** Deaths of whichever node worked on it then. */
function deathsOf({ nodes }: Evidence, asked: Asked): NodeEvent[] {
  const owners = [{ node: asked.node, fromMs: 0 }, ...asked.owners];
  return nodes.filter(({ kind, node, atMs }) => {
    if (kind !== 'killed' && kind !== 'died') return false;
    const known = owners.findLastIndex(({ fromMs }) => fromMs <= atMs);
    return owners.slice(known).some((owner) => owner.node === node && owner.fromMs <= atMs + SEEN_AFTER_MS);
  });
}

/** Returns of a node when none was up. */
function revivals(nodes: NodeEvent[]): NodeEvent[] {
  const up = new Set<string>();
  const found: NodeEvent[] = [];
  for (const event of [...nodes].sort((a, b) => a.atMs - b.atMs)) {
    if (event.kind === 'up' && up.size === 0) found.push(event);
    if (event.kind === 'up') up.add(event.node);
    else up.delete(event.node);
  }
  return found;
}

function cutsOf({ kills }: Evidence): Evidence['kills'] {
  return kills.filter(({ kind, victims }) => victims > 0 && ['connections', 'statements', 'answers'].includes(kind));
}
