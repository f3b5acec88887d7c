import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Context } from '../../src/nakama/runtime';
import { compareSeatSecret } from '../../src/credentials/seat-secret';
import { callingServer, serverToken } from '../../src/credentials/server-token';
import { configWith, SEAT_SECRET, TOKEN } from './support/config';
import { context, fakeNakama, type FakeNakama } from './support/nakama';

const { nk } = fakeNakama();
const config = configWith({ GAMEYE_SEAT_SECRET: SEAT_SECRET });
const NOW = 1_700_000_000_000;

interface Token {
  userId: string;
  username: string;
  exp: number;
  vars: { [key: string]: string };
}
const issued = (sessionId: string, secret = SEAT_SECRET): Token =>
  JSON.parse(serverToken(nk, configWith({ GAMEYE_SEAT_SECRET: secret }), sessionId, 'a1', NOW)) as Token;
const caller = (more: Partial<Context>) => callingServer(context(more), nk, config);

describe('the credential of a game server', () => {
  it('is for a user whose id is a UUID of version 8, whatever the session', () => {
    const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    fc.assert(
      fc.property(fc.string(), (sessionId) => {
        expect(issued(sessionId).userId).toMatch(uuid);
      }),
    );
  });
  it('outlives its session by five minutes', () => {
    expect(issued('s1').exp).toBe(NOW / 1000 + 30 * 60 + 5 * 60);
  });
  it('proves the session that it was made for', () => {
    const { userId, vars } = issued('s1');
    expect(vars).toEqual({ gameye_session_id: 's1', gameye_allocation_id: 'a1' });
    expect(caller({ userId, vars })).toBe('s1');
  });
  it('needs no configured seat secret, and then changes with the API token', () => {
    const credential = (token: string): Token =>
      JSON.parse(serverToken(nk, configWith({ GAMEYE_API_TOKEN: token }), 's1', 'a1', NOW)) as Token;
    const { userId, vars } = credential(TOKEN);
    expect(callingServer(context({ userId, vars }), nk, configWith())).toBe('s1');
    expect(credential(`${TOKEN}x`).userId).not.toBe(userId);
  });
  it('made with the previous seat secret is good as long as that one is configured', () => {
    const { userId, vars } = issued('s1');
    const judged = (variables: { [variable: string]: string }): string | undefined =>
      callingServer(context({ userId, vars }), nk, configWith(variables));
    const GAMEYE_SEAT_SECRET = SEAT_SECRET.split('').reverse().join('');
    expect(judged({ GAMEYE_SEAT_SECRET })).toBeUndefined();
    expect(judged({ GAMEYE_SEAT_SECRET, GAMEYE_SEAT_SECRET_PREVIOUS: SEAT_SECRET })).toBe('s1');
    expect(judged({ GAMEYE_SEAT_SECRET_PREVIOUS: SEAT_SECRET })).toBe('s1');
    const other = { userId, vars: { ...vars, gameye_session_id: 's2' } };
    const both = configWith({ GAMEYE_SEAT_SECRET, GAMEYE_SEAT_SECRET_PREVIOUS: SEAT_SECRET });
    expect(callingServer(context(other), nk, both)).toBeUndefined();
  });
  it('is made with the present seat secret, never with the previous one', () => {
    const both = configWith({ GAMEYE_SEAT_SECRET: SEAT_SECRET, GAMEYE_SEAT_SECRET_PREVIOUS: 'x'.repeat(32) });
    expect(JSON.parse(serverToken(nk, both, 's1', 'a1', NOW))).toEqual(issued('s1'));
  });
});

describe('a seat secret that was changed', () => {
  const warned = (fake: FakeNakama, variables: { [variable: string]: string }): number => {
    const before = fake.log.length;
    compareSeatSecret(fake.nk, fake.logger, configWith(variables));
    return fake.log.length - before;
  };
  const next = { GAMEYE_SEAT_SECRET: SEAT_SECRET.split('').reverse().join('') };

  it('is warned about once, and not when the previous one is configured', () => {
    const fake = fakeNakama();
    const before = { GAMEYE_SEAT_SECRET: SEAT_SECRET };
    expect([before, before, next, next].map((one) => warned(fake, one))).toEqual([0, 0, 1, 0]);
    expect(warned(fake, { ...before, GAMEYE_SEAT_SECRET_PREVIOUS: next.GAMEYE_SEAT_SECRET })).toBe(0);
    expect(fake.log).toMatchObject([{ level: 'warn', fields: { fleet: 'default' } }]);
  });
  it('counts as changed also when it was derived from another API token', () => {
    const fake = fakeNakama();
    expect([{}, { GAMEYE_API_TOKEN: 'another' }].map((one) => warned(fake, one))).toEqual([0, 1]);
  });
  it('does not concern another fleet, and no secret is a value of a statement', () => {
    const fake = fakeNakama();
    const other = { GAMEYE_SEAT_SECRET: SEAT_SECRET, GAMEYE_FLEET: 'other' };
    expect([next, other].map((one) => warned(fake, one))).toEqual([0, 0]);
    for (const secret of [SEAT_SECRET, next.GAMEYE_SEAT_SECRET])
      expect(JSON.stringify(fake.events)).not.toContain(secret);
  });
});

describe('the check of a game server’s credential', () => {
  const server = issued('s1');
  const player = '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6';
  it.each<[string, Partial<Context>]>([
    ['a player', { userId: player }],
    ['a player with vars of its own choice', { userId: player, vars: { gameye_session_id: 's1' } }],
    ['a player who names itself', { userId: player, vars: { gameye_session_id: player } }],
    ['the server of another session', { userId: issued('s2').userId, vars: { gameye_session_id: 's1' } }],
    ['a server that names another session', { userId: server.userId, vars: { gameye_session_id: 's2' } }],
    ['a server without vars', { userId: server.userId }],
    ['a server of another deployment', { userId: issued('s1', 'x'.repeat(32)).userId, vars: server.vars }],
    ['a server-to-server call', {}],
    ['a server-to-server call with vars', { vars: server.vars }],
    ['an empty user', { userId: '', vars: server.vars }],
    ['an empty session', { userId: issued('').userId, vars: { gameye_session_id: '' } }],
  ])('takes %s for no game server', (_sentence, ctx) => expect(caller(ctx)).toBeUndefined());
});
