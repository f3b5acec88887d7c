import { describe, expect, it } from 'vitest';
import { requestFromMatch } from '../../src/allocation/request';
import { labelsFrom, metadataProblem, publicMetadata } from '../../src/metadata';
import type { MatchmakerResult } from '../../src/nakama/runtime';
import { configWith } from './support/config';

/** A ticket; numeric properties are numbers, whatever the official declaration says. */
function entry(userId: string, properties: { [name: string]: string | number } = {}): MatchmakerResult {
  const presence = { userId, sessionId: `s-${userId}`, username: userId, node: 'n1' };
  return { presence, properties: properties as { [name: string]: string } };
}

describe('the request of a matched group', () => {
  it('names the players in order, and as many places as players', () => {
    expect(requestFromMatch(configWith(), [entry('a'), entry('b')])).toEqual({
      user_ids: ['a', 'b'],
      max_players: 2,
      latencies: [],
      metadata: {},
    });
  });
  it('names a player once', () => {
    const request = requestFromMatch(configWith(), [
      entry('a', { ping_eu: 1 }),
      entry('b'),
      entry('a', { ping_eu: 9 }),
    ]);
    expect(request).toMatchObject({ user_ids: ['a', 'b'], max_players: 2, latencies: [{ user_id: 'a', ms: 1 }] });
  });
  it.each([
    ['8', 8],
    ['2', 2],
  ])('with GAMEYE_MAX_PLAYERS=%s has room for %i', (text, places) => {
    const config = configWith({ GAMEYE_MAX_PLAYERS: text });
    expect(requestFromMatch(config, [entry('a'), entry('b'), entry('c')])?.max_players).toBe(places);
  });
  it('takes numeric ping properties as latencies, and nothing else', () => {
    const properties = { 'ping_eu-1': 30, ping_us: 0, ping_text: '40', ping_bad: -1, pong_eu: 5, mode: 'x', rank: 7 };
    expect(requestFromMatch(configWith(), [entry('a', properties)])?.latencies).toEqual([
      { user_id: 'a', region: 'eu-1', ms: 30 },
      { user_id: 'a', region: 'us', ms: 0 },
    ]);
  });
  it('takes ping properties with another prefix that is configured', () => {
    const config = configWith({ GAMEYE_PING_PREFIX: 'lat.' });
    const request = requestFromMatch(config, [entry('a', { 'lat.eu': 5, ping_us: 3 })]);
    expect(request?.latencies).toEqual([{ user_id: 'a', region: 'eu', ms: 5 }]);
  });
  it('is none without players', () => expect(requestFromMatch(configWith(), [])).toBeUndefined());
});

describe('GAMEYE_MATCH_PROPERTY', () => {
  it.each([
    ['mode', [{ mode: 'x' }, { mode: 'y' }], true],
    ['mode', [{ mode: 'x' }, {}], false],
    ['mode', [{}, { mode: 'x' }], false],
    ['mode', [{ mode: '' }], true],
    ['mode', [{ mode: 0 }], true],
    ['mode=ranked', [{ mode: 'ranked' }, { mode: 'ranked' }], true],
    ['mode=ranked', [{ mode: 'ranked' }, { mode: 'casual' }], false],
    ['mode=ranked', [{ mode: 'Ranked' }], false],
    ['mode=1', [{ mode: 1 }], true],
    ['mode=a=b', [{ mode: 'a=b' }], true],
  ])('%s of tickets %j: ours %s', (property, tickets, ours) => {
    const entries = tickets.map((properties, i) => entry(`u${i}`, properties as { [name: string]: string }));
    const request = requestFromMatch(configWith({ GAMEYE_MATCH_PROPERTY: property }), entries);
    expect(request !== undefined).toBe(ours);
  });
});

describe('the metadata of a request', () => {
  it.each([
    [{}],
    [{ map: 'dust', round: 3, nested: { a: [1] }, none: null }],
    [{ 'gameye.env': { A: 'b' }, 'gameye.external_id': 'x' }],
    [{ 'gameye.env': {} }],
    [{ 'gameye.env': null, 'gameye.external_id': null }],
  ])('may be %j', (metadata) => expect(metadataProblem(metadata)).toBeUndefined());
  it.each([
    [{ 'gameye.env': 'A=b' }, 'gameye.env'],
    [{ 'gameye.env': ['A'] }, 'gameye.env'],
    [{ 'gameye.env': { A: 1 } }, 'gameye.env'],
    [{ 'gameye.env': { A: '' } }, 'gameye.env'],
    [{ 'gameye.external_id': '' }, 'gameye.external_id'],
    [{ 'gameye.external_id': 7 }, 'gameye.external_id'],
    [{ env: 'x' }, 'use "gameye.env"'],
    [{ tags: 'x' }, '"tags": it is reserved'],
    [{ gameye: 'x' }, '"gameye": it is reserved'],
    [{ nakama_fleet: 'other' }, '"nakama_fleet": it is reserved'],
  ])('may not be %j', (metadata, words) => expect(metadataProblem(metadata)).toContain(words));

  const metadata = {
    'gameye.env': { SECRET: 's3cr3t' },
    'gameye.external_id': 'x',
    map: 'dust',
    n: 3,
    o: { a: 1 },
    no: null,
  };
  it('is shown without what is meant for Gameye', () => {
    expect(publicMetadata(metadata)).toEqual({ map: 'dust', n: 3, o: { a: 1 }, no: null });
  });
  it('becomes labels, which are texts', () => {
    expect(labelsFrom(metadata)).toEqual({ map: 'dust', n: '3', o: '{"a":1}' });
  });
  it('may have any other name, those of JavaScript’s own included', () => {
    const odd = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}') as { [key: string]: unknown };
    expect(JSON.stringify(publicMetadata(odd))).toBe(JSON.stringify(odd));
    expect(JSON.stringify(labelsFrom(odd))).toBe(JSON.stringify(odd));
  });
});
