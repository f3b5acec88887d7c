import { randomUUID } from 'node:crypto';
import type { Matchmaker, MatchmakerRequest } from './matchmaker.ts';
import { presenceOf, userPresence } from './running-match.ts';
import type { Connection, Connections } from './presences.ts';
import type { Presence } from './vm/protocol.ts';

interface Party {
  id: string;
  open: boolean;
  maxSize: number;
  leader: Presence;
  members: Presence[];
}

/** Parties as far as matchmaking needs them: open ones, which anybody may join who knows the id. */
export class Parties {
  private readonly parties = new Map<string, Party>();

  constructor(
    private readonly node: string,
    private readonly connections: Connections,
    private readonly matchmaker: Matchmaker,
  ) {}

  create(connection: Connection, open: boolean, maxSize: number): object {
    const leader = presenceOf(connection);
    const party = { id: `${randomUUID()}.${this.node}`, open, maxSize, leader, members: [leader] };
    this.parties.set(party.id, party);
    return describe(party, leader);
  }

  /** @throws Error in the real server's words. */
  join(connection: Connection, id: string): void {
    const party = this.parties.get(id);
    if (party === undefined) throw new Error('party not found');
    if (!party.open) throw new Error('the embedded runtime lets players join open parties only');
    if (party.members.some((member) => member.userId === connection.userId))
      throw new Error('party member already in the party');
    if (party.members.length >= party.maxSize) throw new Error('party full');
    const joined = presenceOf(connection);
    party.members.push(joined);
    // Whoever is in the matchmaker with the old members would be matched without the new one.
    this.matchmaker.removeParty(id);
    connection.send({ party: describe(party, joined) });
    this.tell(party, { party_presence_event: { party_id: id, joins: [userPresence(joined)] } });
  }

  leave(sessionId: string, id: string): void {
    const party = this.parties.get(id);
    const gone = party?.members.find((member) => member.sessionId === sessionId);
    if (party === undefined || gone === undefined) return;
    party.members = party.members.filter((member) => member !== gone);
    this.matchmaker.removeParty(id);
    if (party.members.length === 0) {
      this.parties.delete(id);
      return;
    }
    if (party.leader === gone) {
      party.leader = party.members[0]!;
      this.tell(party, { party_leader: { party_id: id, presence: userPresence(party.leader) } });
    }
    this.tell(party, { party_presence_event: { party_id: id, leaves: [userPresence(gone)] } });
  }

  leaveAll(sessionId: string): void {
    for (const id of [...this.parties.keys()]) this.leave(sessionId, id);
  }

  close(sessionId: string, id: string): void {
    const party = this.led(sessionId, id);
    this.parties.delete(id);
    this.matchmaker.removeParty(id);
    this.tell(party, { party_close: { party_id: id } });
  }

  /** Puts all members into the matchmaker as one ticket; the others are told its id. */
  matchmakerAdd(sessionId: string, id: string, request: MatchmakerRequest): string {
    const party = this.led(sessionId, id);
    const ticket = this.matchmaker.add(party.members, id, request);
    const others = party.members.filter((member) => member !== party.leader).map((member) => member.sessionId);
    this.connections.sendToSessions(others, { party_matchmaker_ticket: { party_id: id, ticket } });
    return ticket;
  }

  matchmakerRemove(sessionId: string, id: string, ticket: string): void {
    this.led(sessionId, id);
    if (!this.matchmaker.removeParty(id, ticket)) throw new Error('matchmaker ticket not found');
  }

  /** Who is in a party, as its stream lists them: players with a live connection. */
  membersOf(id: string): { userId: string; sessionId: string; nodeId: string; username: string }[] {
    const members = this.parties.get(id)?.members ?? [];
    return members.map(({ userId, sessionId, username }) => ({ userId, sessionId, nodeId: this.node, username }));
  }

  private led(sessionId: string, id: string): Party {
    const party = this.parties.get(id);
    if (party === undefined) throw new Error('party closed');
    if (party.leader.sessionId !== sessionId) throw new Error('party not leader');
    return party;
  }

  private tell(party: Party, envelope: object): void {
    this.connections.sendToSessions(
      party.members.map((member) => member.sessionId),
      envelope,
    );
  }
}

function describe(party: Party, self: Presence): object {
  return {
    party_id: party.id,
    ...(party.open ? { open: true } : {}),
    max_size: party.maxSize,
    self: userPresence(self),
    leader: userPresence(party.leader),
    presences: party.members.map(userPresence),
  };
}
