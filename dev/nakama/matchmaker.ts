import { randomUUID } from 'node:crypto';
import type { Config } from './config.ts';
import type { Log } from './log.ts';
import { processTickets, type Ticket } from './matchmaker-process.ts';
import { userPresence } from './running-match.ts';
import type { Connections } from './presences.ts';
import { addField, parseQuery, type Document } from './query.ts';
import type { Runtime } from './runtime.ts';
import { signJwt } from './tokens.ts';
import type { Presence } from './vm/protocol.ts';

/** What a player or a party leader asks for. */
export interface MatchmakerRequest {
  query: string;
  minCount: number;
  maxCount: number;
  countMultiple: number;
  stringProperties: Record<string, string>;
  numericProperties: Record<string, number>;
}

interface Entry {
  ticket: Ticket;
  presence: Presence;
}

/** This node's matchmaker. A pass waits for the hooks of all groups of the one before: a slow hook holds up everybody. */
export class Matchmaker {
  private readonly tickets = new Map<string, Ticket>();
  private readonly active = new Set<Ticket>();
  private arrivals = 0;
  private timer: NodeJS.Timeout | null = null;
  private busy = false;

  constructor(
    private readonly config: Config,
    private readonly log: Log,
    private readonly connections: Connections,
    private readonly runtime: Runtime,
  ) {}

  start(): void {
    const period = this.config.matchmakerIntervalSec * 1000;
    this.timer = setInterval(() => void this.process(), period);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
  }

  /** @returns the ticket's id. @throws Error in the real server's words. */
  add(presences: Presence[], partyId: string, request: MatchmakerRequest): string {
    let query;
    try {
      query = parseQuery(request.query);
    } catch (error) {
      this.log.debug('matchmaker query', { query: request.query, error: (error as Error).message });
      throw new Error('matchmaker query invalid');
    }
    const most = this.config.matchmakerMaxTickets;
    const own = (test: (ticket: Ticket) => boolean): number => [...this.tickets.values()].filter(test).length;
    for (const presence of presences) {
      const count = own((ticket) => ticket.presences.some((other) => other.sessionId === presence.sessionId));
      if (count >= most) throw new Error('matchmaker too many tickets');
    }
    if (partyId !== '' && own((ticket) => ticket.partyId === partyId) >= most)
      throw new Error('matchmaker too many tickets');
    const id = randomUUID();
    const ticket: Ticket = {
      ...request,
      id,
      presences,
      partyId,
      query,
      document: ticketDocument(id, partyId, request),
      createdAt: (this.arrivals += 1),
      intervals: 0,
    };
    this.tickets.set(id, ticket);
    this.active.add(ticket);
    return id;
  }

  /** @returns false when there is no such ticket of that session. */
  remove(sessionId: string, ticketId: string): boolean {
    const ticket = this.tickets.get(ticketId);
    if (ticket === undefined || ticket.partyId !== '' || ticket.presences[0]!.sessionId !== sessionId) return false;
    this.drop(ticket);
    return true;
  }

  removeParty(partyId: string, ticketId?: string): boolean {
    const found = [...this.tickets.values()].filter(
      (ticket) => ticket.partyId === partyId && (ticketId === undefined || ticket.id === ticketId),
    );
    for (const ticket of found) this.drop(ticket);
    return found.length > 0;
  }

  /** A socket has closed: its tickets, and those of the parties it is in, are gone. */
  removeSession(sessionId: string): void {
    for (const ticket of [...this.tickets.values()]) {
      if (ticket.presences.some((presence) => presence.sessionId === sessionId)) this.drop(ticket);
    }
  }

  private drop(ticket: Ticket): void {
    this.tickets.delete(ticket.id);
    this.active.delete(ticket);
  }

  private async process(): Promise<void> {
    if (this.busy || this.active.size === 0) return;
    this.busy = true;
    try {
      const { groups, expired } = processTickets(
        [...this.active],
        [...this.tickets.values()],
        this.config.matchmakerMaxIntervals,
      );
      for (const ticket of expired) this.active.delete(ticket);
      for (const group of groups) for (const ticket of group) this.drop(ticket);
      await Promise.all(groups.map((group) => this.finish(group)));
    } catch (error) {
      this.log.error('matchmaker pass failed', { error: (error as Error).stack ?? String(error) });
    } finally {
      this.busy = false;
    }
  }

  /** Calls the hook, then tells the players; a hook that fails does not keep them from being matched. */
  private async finish(group: Ticket[]): Promise<void> {
    const entries = group.flatMap((ticket) => ticket.presences.map((presence): Entry => ({ ticket, presence })));
    let id: object | null = null;
    if (this.runtime.has('matchmakerMatched')) {
      try {
        const matchId = matchIdOf(await this.runtime.hook('matchmakerMatched', 'matchmaker', [entries.map(hookEntry)]));
        if (matchId !== null) id = { match_id: matchId };
      } catch (error) {
        this.log.error('Error running Matchmaker Matched hook.', { error: (error as Error).message });
      }
    }
    id ??= {
      token: signJwt({ mid: `${randomUUID()}.`, exp: Math.floor(Date.now() / 1000) + 30 }, this.config.encryptionKey),
    };
    const users = entries.map(matchedUser);
    for (const [i, { ticket, presence }] of entries.entries()) {
      const matched = { ticket: ticket.id, ...id, users, self: users[i] };
      this.connections.sendToSessions([presence.sessionId], { matchmaker_matched: matched });
    }
  }
}

function ticketDocument(id: string, partyId: string, request: MatchmakerRequest): Document {
  const document: Document = new Map([
    ['ticket', [id]],
    ['min_count', [request.minCount]],
    ['max_count', [request.maxCount]],
    ['party_id', [partyId]],
  ]);
  addField(document, 'properties', { ...request.stringProperties, ...request.numericProperties });
  return document;
}

function hookEntry({ ticket, presence }: Entry): object {
  return {
    presence: { ...presence },
    properties: { ...ticket.stringProperties, ...ticket.numericProperties },
    ...(ticket.partyId === '' ? {} : { partyId: ticket.partyId }),
  };
}

function matchedUser({ ticket, presence }: Entry): object {
  const filled = (name: string, map: object): object => (Object.keys(map).length === 0 ? {} : { [name]: map });
  return {
    presence: userPresence(presence),
    ...(ticket.partyId === '' ? {} : { party_id: ticket.partyId }),
    ...filled('string_properties', ticket.stringProperties),
    ...filled('numeric_properties', ticket.numericProperties),
  };
}

function matchIdOf(value: unknown): string | null {
  if (value === null) return null;
  if (typeof value !== 'string')
    throw new Error('Unexpected return type from runtime Matchmaker Matched hook, must be string, null or undefined.');
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\./i.test(value))
    throw new Error('Invalid return value from runtime Matchmaker Matched hook, not a valid match ID.');
  return value;
}
