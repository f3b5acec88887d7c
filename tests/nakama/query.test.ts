import { describe, expect, it } from 'vitest';
import { addField, parseQuery, type Document } from '../../dev/nakama/query.ts';

function document(value: object): Document {
  const fields: Document = new Map([['key', ['abc']]]);
  addField(fields, 'value', value);
  return fields;
}

const instance = document({
  state: 'ready',
  players: 3,
  open: true,
  at: 1_700_000_000_000,
  name: 'a b',
  weird: 'x:y^z',
  since: '2024-05-01T10:00:00Z',
  tags: ['one', 'two'],
  nested: { deep: 'yes' },
});

const matches = (query: string): boolean => parseQuery(query)(instance) !== null;

describe('a query', () => {
  it.each([
    '*',
    '+value.state:ready',
    'value.state:ready',
    '+value.state:ready -value.state:stopped',
    '-value.state:stopped',
    '+value.players:3',
    '+value.players:>=3',
    '+value.players:>2',
    '+value.players:<=3 +value.players:<4',
    '+value.players:>-1',
    '+value.open:T',
    '+value.at:<=1700000000000',
    '+value.name:a\\ b',
    '+value.weird:x\\:y\\^z',
    '+value.since:>="2024-05-01T10:00:00Z"',
    '+value.since:<"2025-01-01"',
    '+value.tags:two',
    '+value.nested.deep:yes',
    '+key:abc',
    '+value.state:re*',
    '+value.state:read?',
    '+value.state:/re.*/',
    'value.state:stopped value.players:3',
  ])('matches: %s', (query) => {
    expect(matches(query)).toBe(true);
  });

  it.each([
    '+value.state:stopped',
    '+value.state:ready -value.players:3',
    '+value.players:>3',
    '+value.players:"3"',
    '+value.name:"a b"',
    '+value.state:"ready"',
    '+value.open:F',
    '+value.open:true',
    '+value.missing:1',
    '+value.state:Ready',
    'value.state:stopped value.players:4',
    '+value.since:>"2024-05-01T10:00:00Z"',
    '+value.at:>=1700000000001',
    '-value.state:ready',
    '+value.state:re',
    '+value.state:/re/',
  ])('does not match: %s', (query) => {
    expect(matches(query)).toBe(false);
  });

  it.each([
    ['"', 'parse error: unterminated quote'],
    ['a:b:c', 'syntax error'],
    ['+', 'syntax error'],
    ['+value.n:>', 'syntax error'],
    ['+value.since:>"yesterday"', 'parse error: invalid time: yesterday'],
  ])('is refused as the real parser refuses it: %s', (query, message) => {
    expect(() => parseQuery(query)).toThrow(message);
  });

  it.each([['ready'], ['+value.state:ready~1'], ['+value.state:ready free']])(
    'is an error when it needs what the embedded runtime lacks: %s',
    (query) => {
      expect(() => parseQuery(query)).toThrow('the embedded runtime does not implement');
    },
  );

  it('scores by boost', () => {
    const query = parseQuery('value.state:ready^5 value.players:3');
    expect(query(instance)).toBe(6);
  });
});
