// One pass of Nakama's matchmaker over its tickets (matchmaker_process.go, processDefault): pure, so that it can be tested.

import type { Document, Query } from './query.ts';
import type { Presence } from './vm/protocol.ts';

/** A ticket: one player, or a party whose members are matched together. */
export interface Ticket {
  id: string;
  presences: Presence[];
  partyId: string;
  query: Query;
  document: Document;
  minCount: number;
  maxCount: number;
  countMultiple: number;
  stringProperties: Record<string, string>;
  numericProperties: Record<string, number>;
  /** Rising with the order of arrival. */
  createdAt: number;
  /** Passes in which this ticket looked for others. */
  intervals: number;
}

export interface Pass {
  /** Groups in the order in which they were found. */
  groups: Ticket[][];
  /** Tickets that stop looking for others; others may still find them. */
  expired: Ticket[];
}

const size = (tickets: Ticket[]): number => tickets.reduce((sum, ticket) => sum + ticket.presences.length, 0);

function shareSession(a: Ticket, b: Ticket): boolean {
  return a.presences.some((one) => b.presences.some((other) => other.sessionId === one.sessionId));
}

/**
 * Forms groups. A ticket that looks takes what its own query finds: the others' queries are not asked in return, which
 * is the real server's default (rev_precision off).
 * @param active tickets that still look, in order of arrival; their `intervals` are counted up here.
 */
export function processTickets(active: Ticket[], all: Ticket[], maxIntervals: number): Pass {
  const pass: Pass = { groups: [], expired: [] };
  const taken = new Set<Ticket>();
  for (const ticket of active) {
    if (taken.has(ticket)) continue;
    ticket.intervals += 1;
    const last = ticket.intervals >= maxIntervals || ticket.minCount === ticket.maxCount;
    if (last) pass.expired.push(ticket);
    const hits = candidates(ticket, all, taken);
    const group = combine(ticket, hits, last, maxIntervals);
    if (group === null) continue;
    for (const member of group) taken.add(member);
    pass.groups.push(group);
  }
  return pass;
}

/** What the ticket's query finds, best score first, then the longest waiting. */
function candidates(ticket: Ticket, all: Ticket[], taken: Set<Ticket>): Ticket[] {
  const scored: { hit: Ticket; score: number }[] = [];
  for (const hit of all) {
    if (hit === ticket || taken.has(hit)) continue;
    if (hit.minCount < ticket.minCount || hit.maxCount > ticket.maxCount) continue;
    if (ticket.partyId !== '' && hit.partyId === ticket.partyId) continue;
    const score = ticket.query(hit.document);
    if (score !== null) scored.push({ hit, score });
  }
  return scored.sort((a, b) => b.score - a.score || a.hit.createdAt - b.hit.createdAt).map(({ hit }) => hit);
}

function combine(ticket: Ticket, hits: Ticket[], last: boolean, maxIntervals: number): Ticket[] | null {
  const own = ticket.presences.length;
  const combos: Ticket[][] = [];
  for (const [position, hit] of hits.entries()) {
    // Who hopes for a bigger group and can still wait is left alone.
    if (ticket.maxCount < hit.maxCount && hit.intervals <= maxIntervals) continue;
    if (shareSession(ticket, hit)) continue;
    let combo = combos.find(
      (found) =>
        size(found) + hit.presences.length + own <= ticket.maxCount &&
        !found.some((member) => shareSession(member, hit)),
    );
    if (combo === undefined) combos.push((combo = [hit]));
    else combo.push(hit);

    const count = size(combo) + own;
    const full = count === ticket.maxCount;
    const enough = last && count >= ticket.minCount && count <= ticket.maxCount && position >= hits.length - 1;
    if (!full && !enough) continue;
    const fitting = fitMultiple(ticket, combo);
    if (fitting === null) continue;
    const total = size(fitting) + own;
    const content = (member: Ticket): boolean =>
      member.minCount <= total && member.maxCount >= total && total % member.countMultiple === 0;
    if (fitting.every(content)) return [...fitting, ticket];
  }
  return null;
}

/** Leaves out as few players as the count multiple demands, those who came last first; null when that is impossible. */
function fitMultiple(ticket: Ticket, combo: Ticket[]): Ticket[] | null {
  const excess = (size(combo) + ticket.presences.length) % ticket.countMultiple;
  if (excess === 0) return combo;
  const subsets = (tickets: Ticket[], wanted: number): Ticket[][] => {
    if (wanted === 0) return [[]];
    return tickets.flatMap((one, i) =>
      one.presences.length > wanted
        ? []
        : subsets(tickets.slice(i + 1), wanted - one.presences.length).map((rest) => [one, ...rest]),
    );
  };
  const average = (tickets: Ticket[]): number =>
    tickets.reduce((sum, one) => sum + one.createdAt, 0) / Math.max(1, tickets.length);
  const [leaving] = subsets(combo, excess).sort((a, b) => average(b) - average(a));
  return leaving === undefined ? null : combo.filter((one) => !leaving.includes(one));
}
