import { describe, expect, it } from 'vitest';
import { initialize, matchmakerMatched } from '../../src/library';
import type { MatchmakerResult } from '../../src/nakama/runtime';
import type { Allocation } from '../../src/allocation/allocation';
import { claimDue } from '../../src/database/allocations';
import { FIVE, TOKEN } from './support/config';
import { context, fakeNakama, goError } from './support/nakama';
import { FLEET, rowsIn, seatOf } from './support/records';

const env = { ...FIVE, GAMEYE_MATCH_PROPERTY: 'mode=ranked', GAMEYE_REGIONS: 'eu' };
const ctx = context({ env, executionMode: 'matchmaker' });
const entry = (userId: string, properties: { [name: string]: unknown } = {}): MatchmakerResult => ({
  presence: { userId, sessionId: 's', username: 'n', node: 'n1' },
  properties: { mode: 'ranked', ...properties } as { [name: string]: string },
});

describe('the matchmaker hook', () => {
  it('hands a matched group to an allocator and does nothing else: no network, no database', () => {
    const fake = fakeNakama();
    const pings = { 'ping_us-east-1': 10, 'ping_eu-central-1': 90 };
    expect(matchmakerMatched(ctx, fake.logger, fake.nk, [entry('a', pings), entry('b', pings)])).toBeUndefined();
    expect(fake.events).toHaveLength(1);
    const [event] = fake.events;
    if (event?.kind !== 'match') throw new Error('no match was created');
    expect(event.module).toBe('gameye_allocator');
    const allocation = JSON.parse(event.params['allocation'] as string) as Allocation;
    expect(allocation).toMatchObject({
      state: 'starting',
      attempts: 0,
      version: 0,
      regions: ['us-east-1', 'eu-central-1'],
    });
    expect(allocation.request).toMatchObject({ user_ids: ['a', 'b'], max_players: 2, metadata: {} });
    expect(allocation.id).toBe(allocation.session_id);
    expect(JSON.stringify(event)).not.toContain(TOKEN);
  });
  it('leaves a group alone that is not ours', () => {
    const fake = fakeNakama();
    matchmakerMatched(ctx, fake.logger, fake.nk, [entry('a'), entry('b', { mode: 'casual' })]);
    expect(fake.events).toEqual([]);
  });
  it('stores the group for any node when its own shuts down, and tells the players nothing yet', () => {
    const fake = fakeNakama();
    fake.before = (event) => {
      if (event.kind === 'match') throw goError('error creating match: shutdown in progress');
    };
    matchmakerMatched(ctx, fake.logger, fake.nk, [entry('a'), entry('b')]);
    expect(fake.sent()).toEqual([]);
    const log = fake.log.slice();
    expect(claimDue(fake.nk, FLEET, { holder: 'another node', ms: 20_000 }, 10)).toEqual([]);
    fake.clock = () => Date.now() + 6000;
    const [stored] = claimDue(fake.nk, FLEET, { holder: 'another node', ms: 20_000 }, 10);
    expect(stored).toMatchObject({ state: 'queued', doc: { attempts: 0, request: { user_ids: ['a', 'b'] } } });
    expect(seatOf(fake, 'a')).toMatchObject({ state: 'starting', allocation_id: stored?.id });
    expect(log).toMatchObject([{ level: 'warn', fields: { allocation: stored?.id } }]);
  });
  const nowhere: [string, (kind: string) => void][] = [
    [
      'the server shuts down and its database is gone',
      (kind) => {
        if (kind === 'match') throw goError('error creating match: shutdown in progress');
        if (kind === 'sql') throw goError('failed to exec db query: sql: database is closed');
      },
    ],
    [
      'no node can start one',
      (kind) => {
        if (kind === 'match') throw goError('error creating match: not found');
      },
    ],
  ];
  it.each(nowhere)('tells the players when %s, and does not throw', (_situation, fail) => {
    const fake = fakeNakama();
    fake.before = (event) => fail(event.kind);
    matchmakerMatched(ctx, fake.logger, fake.nk, [entry('a'), entry('b')]);
    expect(fake.sent()).toMatchObject([
      { userId: 'a', code: 7301, content: { reason: 'unavailable' } },
      { userId: 'b', code: 7301 },
    ]);
    fake.before = () => undefined;
    expect(rowsIn(fake, 'allocation')).toBe(0);
    expect(fake.log.at(-1)).toMatchObject({ level: 'error', fields: { error: expect.any(String) } });
  });
});

describe('the start of the module', () => {
  it('warns of unknown variables, and says what it does without its token', () => {
    const fake = fakeNakama();
    initialize(ctx, fake.logger, fake.nk);
    expect(fake.log).toMatchObject([
      { level: 'warn', fields: { variable: 'GAMEYE_REGIONS' } },
      { level: 'info', message: 'Gameye: fleet manager ready.', fields: { image: 'my-game', fleet: 'default' } },
      { level: 'info', message: expect.stringContaining('GAMEYE_NAKAMA_URL') as string },
    ]);
    expect(JSON.stringify(fake.log)).not.toContain(TOKEN);
  });
});
