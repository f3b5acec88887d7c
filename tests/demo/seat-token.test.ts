import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { refuseSeat, signSeat } from '../../dev/demo/game/seat-token.ts';

const secret = 'a-secret-of-this-session';
const nowMs = 1_800_000_000_000;
const good = { t: 'seat', sid: 'session-1', uid: 'player-1', exp: nowMs / 1000 + 120 };
const expected = { secret, sessionId: 'session-1', userId: 'player-1', nowMs };

describe('the demo game server', () => {
  it('lets a player in whose token is for this session, this player, and not expired', () => {
    expect(refuseSeat(signSeat(secret, good), expected)).toBeUndefined();
  });

  it('reads the format that the module writes, byte by byte', () => {
    const signed = `v1.${Buffer.from('{"t":"seat","sid":"session-1","uid":"player-1","exp":1800000120}').toString('base64url')}`;
    const signature = createHmac('sha256', secret).update(signed).digest('base64url');
    expect(signSeat(secret, good)).toBe(`${signed}.${signature}`);
  });

  it.each([
    ['no token', undefined],
    ['an empty token', ''],
    ['anything else', 'let me in'],
    ['a token without signature', signSeat(secret, good).split('.').slice(0, 2).join('.')],
    ['a token with something behind it', `${signSeat(secret, good)}.more`],
    ['a token signed with another secret', signSeat('another', good)],
    ['another version of token', signSeat(secret, good).replace(/^v1/, 'v2')],
    ['a token for something else than a seat', signSeat(secret, { ...good, t: 'server' })],
    ['a token for another session', signSeat(secret, { ...good, sid: 'session-2' })],
    ["another player's token", signSeat(secret, { ...good, uid: 'player-2' })],
    ['a token that expires now', signSeat(secret, { ...good, exp: nowMs / 1000 })],
    ['a token whose expiry is no number', signSeat(secret, { ...good, exp: '9999999999' as unknown as number })],
  ])('refuses %s', (_what, token) => {
    expect(refuseSeat(token, expected)).toEqual(expect.any(String));
  });

  it('refuses a token whose payload was changed after signing', () => {
    const [version, , signature] = signSeat(secret, good).split('.');
    const changed = Buffer.from(JSON.stringify({ ...good, exp: good.exp + 1000 })).toString('base64url');
    expect(refuseSeat(`${version}.${changed}.${signature}`, expected)).toMatch(/signature/);
  });
});
