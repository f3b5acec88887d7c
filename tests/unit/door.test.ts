import { describe, expect, it } from 'vitest';
import type { Context } from '../../src/nakama/runtime';
import { gameServer, serverToServer, type Rpc } from '../../src/rpc/callers';
import { isRpcError, rpcError, sessionApiError } from '../../src/refusal';
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
const echo: Rpc<string | undefined> = {
  fields: ['id', 'n'],
  answer: (_call, payload, caller) => ({ payload, caller: caller ?? null }),
};
const failing = (error: unknown): Rpc<string | undefined> => ({
  fields: ['id'],
  answer: () => {
    throw error;
  },
});
const through = (door: typeof gameServer, ctx: Context, payload: string, rpc = echo, fake = fakeNakama()): unknown =>
  JSON.parse(door(ctx, fake.logger, fake.nk, payload, rpc as Rpc<string>));
const operators = serverToServer as unknown as typeof gameServer;

describe('the door for servers', () => {
  it('lets in who has the http_key', () => {
    expect(through(operators, operator, '{"n":1}')).toEqual({ payload: { n: 1 }, caller: null });
  });
  it.each([
    ['a player', player],
    ['a game server', serverOf('s1')],
  ])('refuses %s, before it reads the payload', (_sentence, ctx) => {
    expect(refusal(() => through(operators, ctx, 'broken'))).toEqual({
      code: 7,
      message: 'Only servers may call this: use the http_key, not a session.',
    });
  });
  it('refuses a payload that it does not know', () => {
    expect(refusal(() => through(operators, operator, '{"x":1}')).code).toBe(3);
  });
});

describe('the door for game servers', () => {
  it.each([
    ['its own session without naming it', serverOf('s1'), '', 's1'],
    ['its own session by name', serverOf('s1'), '{"id":"s1"}', 's1'],
    ['any session with the http_key', operator, '{"id":"s2"}', 's2'],
  ])('lets in %s', (_sentence, ctx, payload, caller) => {
    expect(through(gameServer, ctx, payload)).toMatchObject({ caller });
  });
  it.each([
    ['a player', player, '{"id":"s1"}', 7],
    ['a player, before it reads the payload', player, 'broken', 7],
    ['a server that names another session', serverOf('s1'), '{"id":"s2"}', 7],
    ['a server that names nonsense', serverOf('s1'), '{"id":7}', 3],
    ['an operator who names no session', operator, '{}', 3],
  ])('refuses %s', (_sentence, ctx, payload, code) => {
    expect(refusal(() => through(gameServer, ctx, payload)).code).toBe(code);
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
    for (const [door, ctx] of [
      [operators, operator],
      [gameServer, serverOf('s1')],
    ] as const) {
      const fake = fakeNakama();
      const refused = refusal(() => through(door, ctx, '', failing(error), fake));
      expect(refused.code).toBe(14);
      expect(JSON.stringify(refused)).not.toMatch(/pq|s3cr3t|10\.0|undefined/);
      expect(fake.log).toMatchObject([{ level: 'error', message: 'Gameye: an RPC failed.' }]);
    }
  });
  it('with an error of ours passes it on as a plain object', () => {
    const refused = refusal(() => through(operators, operator, '', failing({ code: 8, message: 'Full.' })));
    expect(refused).toEqual({ code: 8, message: 'Full.' });
  });
});

describe('our errors', () => {
  it('are recognised', () => {
    expect(isRpcError({ code: 5, message: 'm' })).toBe(true);
    for (const other of [new Error('m'), goError('m'), null, undefined, 'm', 5, {}])
      expect(isRpcError(other)).toBe(false);
    expect(refusal(() => rpcError(9, 'm'))).toEqual({ code: 9, message: 'm' });
  });
  it.each<[FailureKind, number]>([
    ['invalid', 9],
    ['unauthorized', 9],
    ['forbidden', 9],
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
