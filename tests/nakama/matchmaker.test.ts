import { describe, expect, it } from 'vitest';
import { processTickets, type Ticket } from '../../dev/nakama/matchmaker-process.ts';
import { addField, parseQuery, type Document } from '../../dev/nakama/query.ts';

let arrivals = 0;

interface Wish {
  id: string;
  query?: string;
  min?: number;
  max?: number;
  multiple?: number;
  players?: number;
  partyId?: string;
  properties?: Record<string, string | number>;
  sessions?: string[];
}

function ticket(wish: Wish): Ticket {
  const { id, max = 2, min = 2, multiple = 1, partyId = '', players = 1, properties = {}, query = '*' } = wish;
  const document: Document = new Map();
  addField(document, 'properties', properties);
  const sessions = wish.sessions ?? Array.from({ length: players }, (_, i) => `${id}-${i}`);
  return {
    id,
    presences: sessions.map((sessionId) => ({ userId: sessionId, sessionId, username: sessionId, node: 'n1' })),
    partyId,
    query: parseQuery(query),
    document,
    minCount: min,
    maxCount: max,
    countMultiple: multiple,
    stringProperties: {},
    numericProperties: {},
    createdAt: (arrivals += 1),
    intervals: 0,
  };
}

/** The ids of the groups after one pass, or several with the tickets that are left. */
function groups(wishes: Wish[], passes = 1): string[][] {
  let all = wishes.map(ticket);
  let active = [...all];
  const found: string[][] = [];
  for (let i = 0; i < passes; i += 1) {
    const pass = processTickets(active, all, 2);
    const taken = new Set(pass.groups.flat());
    all = all.filter((one) => !taken.has(one));
    active = active.filter((one) => !taken.has(one) && !pass.expired.includes(one));
    found.push(...pass.groups.map((group) => group.map((one) => one.id).sort()));
  }
  return found;
}

describe('the matchmaker', () => {
  it('matches two players who ask for two', () => {
    expect(groups([{ id: 'a' }, { id: 'b' }])).toEqual([['a', 'b']]);
  });

  it('leaves one player alone', () => {
    expect(groups([{ id: 'a' }], 3)).toEqual([]);
  });

  it('matches by properties', () => {
    const query = '+properties.mode:duel';
    const duel = { query, properties: { mode: 'duel' } };
    expect(
      groups([
        { id: 'a', ...duel },
        { id: 'x', properties: { mode: 'ffa' } },
        { id: 'b', ...duel },
      ]),
    ).toEqual([['a', 'b']]);
  });

  it('does not ask for the consent of those whom a query finds', () => {
    // The real server's default: rev_precision is off.
    const picky = { query: '+properties.rank:>100', properties: { rank: 500 } };
    expect(
      groups([
        { id: 'a', properties: { rank: 1 } },
        { id: 'b', ...picky },
      ]),
    ).toEqual([['a', 'b']]);
  });

  it('does not put tickets with other sizes together', () => {
    expect(
      groups(
        [
          { id: 'a', min: 2, max: 2 },
          { id: 'b', min: 4, max: 4 },
        ],
        3,
      ),
    ).toEqual([]);
  });

  it('waits for the bigger group in the first pass, and takes what there is in the last', () => {
    const wishes = [
      { id: 'a', min: 2, max: 4 },
      { id: 'b', min: 2, max: 4 },
      { id: 'c', min: 2, max: 4 },
    ];
    expect(groups(wishes, 1)).toEqual([]);
    expect(groups(wishes, 2)).toEqual([['a', 'b', 'c']]);
  });

  it('fills the bigger group at once when it can', () => {
    const wishes = ['a', 'b', 'c', 'd'].map((id) => ({ id, min: 2, max: 4 }));
    expect(groups(wishes, 1)).toEqual([['a', 'b', 'c', 'd']]);
  });

  it('keeps to the count multiple and leaves out who came last', () => {
    const wishes = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, min: 2, max: 6, multiple: 2 }));
    expect(groups(wishes, 2)).toEqual([['a', 'b', 'c', 'd']]);
  });

  it('matches a party as a whole, and never with another ticket of the same party', () => {
    const party = { min: 4, max: 4, players: 2, partyId: 'p.n1' };
    expect(
      groups(
        [
          { id: 'a', ...party },
          { id: 'b', ...party },
        ],
        3,
      ),
    ).toEqual([]);
    expect(
      groups([
        { id: 'a', ...party },
        { id: 'b', ...party, partyId: 'q.n1' },
      ]),
    ).toEqual([['a', 'b']]);
  });

  it('never matches a session with itself', () => {
    expect(
      groups(
        [
          { id: 'a', sessions: ['s'] },
          { id: 'b', sessions: ['s'] },
        ],
        3,
      ),
    ).toEqual([]);
  });

  it('prefers the better score, then the longer wait', () => {
    const seeker = { id: 'z', query: 'properties.region:eu^10 properties.region:us' };
    const us = { properties: { region: 'us' }, query: '+properties.region:none' };
    const eu = { properties: { region: 'eu' }, query: '+properties.region:none' };
    expect(groups([{ id: 'us', ...us }, { id: 'eu', ...eu }, seeker])).toEqual([['eu', 'z']]);
  });
});
