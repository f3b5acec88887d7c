import { describe, expect, it } from 'vitest';
import type { Context } from '../../src/nakama/runtime';
import { answer } from '../../src/rpc/callers';
import type { Caller, Rpc } from '../../src/rpc/table';
import { sessionApiError } from '../../src/gameye/refusal';
import { isRpcError, rpcError } from '../../src/refusal';
import { reasonFor, type FailureKind } from '../../src/gameye/failure';
import { serverToken } from '../../src/credentials/server-token';
import { configWith, FIVE, SEAT_SECRET } from './support/config';
import { context, fakeNakama, goError } from './support/nakama';
import { refusal } from './support/refusal';

const env = { ...FIVE, GAMEYE_SEAT_SECRET: SEAT_SECRET };
const PLAYER = '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6';
const operator = context({ env });
const player = context({ env, userId: PLAYER, vars: { gameye_session_id: 's1' } });

function serverOf(sessionId: string): Context {
  const token = serverToken(fakeNakama().nk, configWith(env), sessionId, 'a1', 0)!;
  const { userId, vars } = JSON.parse(token) as { userId: string; vars: { [key: string]: string } };
  return context({ env, userId, vars });
}

/** Answers what it was asked with. */
const echo: Pick<Rpc, 'fields' | 'answer'> = {
  fields: ['id', 'n'],
  answer: (_call, payload, who) => ({ payload, who }),
};
const failing = (error: unknown): Pick<Rpc, 'fields' | 'answer'> => ({
  fields: ['id'],
  answer: () => {
    throw error;
  },
});
/** Asks an RPC for such callers. */
const asked = (caller: Caller, ctx: Context, payload: string, rpc = echo, fake = fakeNakama()): unknown =>
  JSON.parse(answer({ id: 'echo', doc: ' → ', caller, ...rpc }, ctx, fake.logger, fake.nk, payload));

describe('an RPC that only servers may call', () => {
  it('lets in who has the http_key', () => {
    expect(asked('server', operator, '{"n":1}')).toEqual({ payload: { n: 1 }, who: '' });
  });
  it.each([
    ['a player', player],
    ['a game server', serverOf('s1')],
  ])('refuses %s, before it reads the payload', (_sentence, ctx) => {
    expect(refusal(() => asked('server', ctx, 'broken'))).toEqual({
      code: 7,
      message: 'Only servers may call this: use the http_key, not a session.',
    });
  });
  it('refuses a payload that it does not know', () => {
    expect(refusal(() => asked('server', operator, '{"x":1}')).code).toBe(3);
  });
});

describe('an RPC that game servers may call', () => {
  it.each([
    ['its own session without naming it', serverOf('s1'), '', 's1'],
    ['its own session by name', serverOf('s1'), '{"id":"s1"}', 's1'],
    ['any session with the http_key', operator, '{"id":"s2"}', 's2'],
  ])('lets in %s', (_sentence, ctx, payload, who) => {
    expect(asked('game server', ctx, payload)).toMatchObject({ who });
  });
  it.each([
    ['a player', player, '{"id":"s1"}', 7],
    ['a player, before it reads the payload', player, 'broken', 7],
    ['a server that names another session', serverOf('s1'), '{"id":"s2"}', 7],
    ['a server that names nonsense', serverOf('s1'), '{"id":7}', 3],
    ['an operator who names no session', operator, '{}', 3],
  ])('refuses %s', (_sentence, ctx, payload, code) => {
    expect(refusal(() => asked('game server', ctx, payload)).code).toBe(code);
  });
});

describe('an RPC that only players may call', () => {
  it('acts for the player who calls it', () => {
    expect(asked('player', player, '{"n":1}')).toEqual({ payload: { n: 1 }, who: PLAYER });
  });
  it.each([
    ['a server', operator, 16],
    ['a game server', serverOf('s1'), 7],
  ])('refuses %s, before it reads the payload', (_sentence, ctx, code) => {
    expect(refusal(() => asked('player', ctx, 'broken')).code).toBe(code);
  });
});

describe('an RPC that fails', () => {
  const secret = 'pq: password authentication failed for user "nakama" http://10.0.0.5/ s3cr3t';
  it.each([
    ['a Go error', goError(secret)],
    ['a text', secret],
    ['a TypeError', new TypeError(secret)],
    ['an Error with a code', Object.assign(new Error(secret), { code: 3 })],
    ['nothing', undefined],
    ['an object without a code', { message: secret }],
  ])('with %s tells its caller nothing of it', (_sentence, error) => {
    for (const [caller, ctx] of [
      ['server', operator],
      ['game server', serverOf('s1')],
      ['player', player],
    ] as const) {
      const fake = fakeNakama();
      const refused = refusal(() => asked(caller, ctx, '', failing(error), fake));
      expect(refused.code).toBe(14);
      expect(JSON.stringify(refused)).not.toMatch(/pq|s3cr3t|10\.0|undefined/);
      expect(fake.log).toMatchObject([{ level: 'error', message: 'Gameye: an RPC failed.' }]);
    }
  });
  it('with an error of ours passes it on as a plain object', () => {
    const refused = refusal(() => asked('server', operator, '', failing({ code: 8, message: 'Full.' })));
    expect(refused).toEqual({ code: 8, message: 'Full.' });
  });
});

describe('the errors of the RPCs', () => {
  it('are told apart from all other errors', () => {
    expect(isRpcError({ code: 5, message: 'm' })).toBe(true);
    for (const other of [new Error('m'), goError('m'), null, undefined, 'm', 5, {}])
      expect(isRpcError(other)).toBe(false);
    expect(refusal(() => rpcError(9, 'm'))).toEqual({ code: 9, message: 'm' });
  });
  it.each<[FailureKind, number]>([
    ['invalid', 9],
    ['unauthorized', 9],
    ['forbidden', 9],
    ['redirected', 9],
    ['untrusted', 9],
    ['quota-exceeded', 8],
    ['no-capacity', 8],
    ['not-found', 5],
    ['conflict', 10],
    ['unavailable', 14],
    ['unknown', 14],
  ])('for a failure %s have code %i and an advice, not the API’s words', (kind, code) => {
    const failure = { kind, operation: 'session-stop' as const, message: 'internal words', identifier: 'i' };
    const refused = refusal(() => sessionApiError(failure));
    expect(refused.code).toBe(code);
    expect(refused.message).not.toContain('internal words');
    expect(reasonFor(kind)).toBeTypeOf('string');
  });
});
