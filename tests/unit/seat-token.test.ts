import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { seatToken, sessionSeatSecret } from '../../src/credentials/seat-token';
import { SEAT_SECRET } from './support/config';
import { fakeNakama } from './support/nakama';

const { nk } = fakeNakama();
const decode = (part: string): string => Buffer.from(part, 'base64url').toString();

/** What a game server does with a token, written from the README's description: the payload, or undefined. */
function verify(token: string, secret: string): unknown {
  const [version, payload, signature, ...more] = token.split('.');
  const expected = createHmac('sha256', secret).update(`v1.${payload}`).digest('base64url');
  return version === 'v1' && signature === expected && more.length === 0 ? JSON.parse(decode(payload!)) : undefined;
}

describe('a seat token', () => {
  const secret = sessionSeatSecret(nk, SEAT_SECRET, 's1');
  const token = seatToken(nk, secret, 's1', 'ü-1', 1_700_000_120);

  it('is verified with the secret of its session', () => {
    expect(verify(token, secret)).toEqual({ t: 'seat', sid: 's1', uid: 'ü-1', exp: 1_700_000_120 });
  });
  it('is not verified with the secret of another session, nor with ours', () => {
    expect(verify(token, sessionSeatSecret(nk, SEAT_SECRET, 's2'))).toBeUndefined();
    expect(verify(token, SEAT_SECRET)).toBeUndefined();
  });
  it('is not verified when a bit of it was changed', () => {
    const [version, payload, signature] = token.split('.');
    const forged = Buffer.from(decode(payload!).replace('ü-1', 'ü-2')).toString('base64url');
    expect(verify([version, forged, signature].join('.'), secret)).toBeUndefined();
  });
  it('is base64url without padding', () => expect(token).toMatch(/^v1\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$/));
});

describe('the secret of a session', () => {
  it('is 64 hex digits, always the same, another for each session and each deployment', () => {
    const one = sessionSeatSecret(nk, SEAT_SECRET, 's1');
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(sessionSeatSecret(nk, SEAT_SECRET, 's1')).toBe(one);
    expect(sessionSeatSecret(nk, SEAT_SECRET, 's2')).not.toBe(one);
    expect(sessionSeatSecret(nk, `${SEAT_SECRET}x`, 's1')).not.toBe(one);
  });
});
