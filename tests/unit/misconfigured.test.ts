import { describe, expect, it } from 'vitest';
import { allocatorLoop } from '../../src/allocator';
import { answerRpc, initialize, matchmakerMatched } from '../../src/library';
import type { MatchmakerResult } from '../../src/nakama/runtime';
import { context, fakeNakama } from './support/nakama';
import { refusal } from './support/refusal';

/* A file of its own: a VM reads its configuration once. Here it is a broken one, for every test. */
const ctx = context({ env: { GAMEYE_API_URL: 'nowhere', GAMEYE_API_TOKEN: 'with a s3cr3t' } });

describe('a module that is not configured', () => {
  it('lets Nakama start, and logs all mistakes in one line', () => {
    const fake = fakeNakama();
    initialize(ctx, fake.logger, fake.nk);
    expect(fake.log).toHaveLength(1);
    expect(fake.log[0]).toMatchObject({ level: 'error', fields: { count: '4' } });
    const text = JSON.stringify(fake.log);
    for (const variable of ['GAMEYE_API_TOKEN', 'GAMEYE_API_URL', 'GAMEYE_API_IMAGE', 'GAMEYE_API_REGION']) {
      expect(text).toContain(variable);
    }
    expect(text).not.toContain('s3cr3t');
  });
  it('tells matched players at once that it is misconfigured, each once', () => {
    const fake = fakeNakama();
    const entry = (userId: string): MatchmakerResult => ({
      presence: { userId, sessionId: 's', username: 'n', node: 'n1' },
      properties: {},
    });
    matchmakerMatched(ctx, fake.logger, fake.nk, [entry('a'), entry('b'), entry('a')]);
    expect(fake.sent().map((one) => [one.userId, one.code, one.content])).toEqual([
      ['a', 7301, { reason: 'misconfigured' }],
      ['b', 7301, { reason: 'misconfigured' }],
    ]);
    expect(fake.events.filter((event) => event.kind === 'match')).toEqual([]);
  });
  it('tells an operator what is wrong, and nobody else', () => {
    const fake = fakeNakama();
    const operator = refusal(() => answerRpc('fleet_get', ctx, fake.logger, fake.nk, '{"id":"s1"}'));
    expect(operator.code).toBe(9);
    expect(operator.message).toContain('GAMEYE_API_IMAGE is not set');
    const user = refusal(() => answerRpc('gameye_server_join', { ...ctx, userId: 'u1' }, fake.logger, fake.nk, '{}'));
    expect(user).toEqual({ code: 9, message: 'The server is not configured. Its log says what is missing.' });
  });
  it('ends an allocator that somebody started', () => {
    const fake = fakeNakama();
    expect(allocatorLoop(ctx, fake.logger, fake.nk, { allocation: '{}', wake_at_ms: 0 }, 0)).toBeNull();
  });
});
