import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Allocation } from '../../src/allocation/allocation';
import type { Extension } from '../../src/extension/extension';
import type { MatchmakerResult } from '../../src/nakama/runtime';
import type { Instance } from '../../src/records';
import { configWith, FIVE } from './support/config';
import { context, fakeNakama, type FakeNakama } from './support/nakama';

const USER = '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6';
const OTHER = '00000000-0000-4000-8000-000000000001';
const ctx = context({ env: FIVE });

/** Each VM has a library of its own: so has each test. */
beforeEach(() => vi.resetModules());
async function vm(extension?: Extension) {
  const library = await import('../../src/library');
  if (extension) library.configure(extension);
  return library;
}

const entries: MatchmakerResult[] = [USER, OTHER].map((userId) => ({
  presence: { userId, sessionId: 's', username: 'n', node: 'n1' },
  properties: { mode: 'duel' },
}));

/** The allocation that the hook started, and what the players were told instead. */
async function matched(fake: FakeNakama, extension?: Extension) {
  const { matchmakerMatched } = await vm(extension);
  matchmakerMatched(ctx, fake.logger, fake.nk, entries);
  const started = fake.events.flatMap((event) => (event.kind === 'match' ? [event.params['allocation']] : []));
  return {
    started: started.map((text) => JSON.parse(text as string) as Allocation)[0],
    reasons: fake.sent().map((one) => one.content['reason']),
  };
}

describe('configure', () => {
  it('names every mistake at once', async () => {
    const wrong = {
      onMatched: 1,
      extras: 'x',
      onResult: {},
      onEnded: 1,
      callbacks: { a: { notify: false } },
      onCreate: () => undefined,
    };
    const { configure } = await vm();
    const act = () => configure(wrong as unknown as Extension);
    for (const name of ['onMatched', 'extras', 'onResult', 'onEnded', '"a"', '"onCreate"']) expect(act).toThrow(name);
  });
  it('is missed where only InitModule called it: players are told misconfigured, and the log says what to do', async () => {
    const fake = fakeNakama();
    const initModule = await vm({ onMatched: () => false });
    initModule.initialize(ctx, fake.logger, fake.nk);
    vi.resetModules();
    const { started, reasons } = await matched(fake);
    expect(started).toBeUndefined();
    expect(reasons).toEqual(['misconfigured', 'misconfigured']);
    expect(fake.log.at(-1)).toMatchObject({ level: 'error', message: expect.stringContaining('top level') });
  });
});

describe('onMatched', () => {
  it('gets the entries of the match, and changes nothing when it answers nothing', async () => {
    for (const nothing of [undefined, null, {}]) {
      vi.resetModules();
      const onMatched = vi.fn(() => nothing as undefined);
      const { started } = await matched(fakeNakama(), { onMatched });
      expect(onMatched).toHaveBeenCalledWith(ctx, expect.anything(), expect.anything(), entries);
      expect(started?.request).toEqual({ user_ids: [USER, OTHER], max_players: 2, latencies: [], metadata: {} });
    }
  });
  it('leaves a match to Nakama when it answers false', async () => {
    const fake = fakeNakama();
    expect(await matched(fake, { onMatched: () => false })).toEqual({ started: undefined, reasons: [] });
    expect(fake.events).toEqual([]);
  });
  it('decides what is asked of Gameye', async () => {
    const shape = {
      regions: ['ap-1'],
      image: 'other-game',
      version: '2.0',
      env: { MODE: 'duel' },
      metadata: { map: 'dust', 'gameye.env': { MODE: 'x', MAP: 'dust' } },
      maxPlayers: 8,
      callback: 'ended',
    };
    const fake = fakeNakama();
    const { started } = await matched(fake, { onMatched: () => shape, callbacks: { ended: () => undefined } });
    expect(started?.regions).toEqual(['ap-1']);
    expect(started?.request).toEqual({
      user_ids: [USER, OTHER],
      max_players: 8,
      latencies: [],
      regions: ['ap-1'],
      image: 'other-game',
      version: '2.0',
      metadata: {
        map: 'dust',
        'gameye.env': { MODE: 'duel', MAP: 'dust' },
      },
      callback: 'ended',
    });
  });
  it.each([
    [{ region: ['eu'] }, '"region"'],
    [{ regions: [] }, '"regions"'],
    [{ regions: 'eu' }, '"regions"'],
    [{ image: '' }, '"image"'],
    [{ version: 'a b' }, '"version"'],
    [{ env: { MODE: 1 } }, '"env"'],
    [{ env: { 'A=B': 'x' } }, '"env"'],
    [{ metadata: { env: 'x' } }, '"env"'],
    [{ maxPlayers: 1 }, '"maxPlayers" must be a whole number from 2'],
    [{ callback: 'toString' }, '"callback"'],
    [{ callback: 'endet' }, 'There are: ended.'],
    [{ callback: { toString: 1 } }, 'There are: ended.'],
    [true, 'object'],
    [Promise.resolve({ regions: ['eu'] }), 'async'],
    [Promise.resolve(false), 'async'],
    ['eu', 'object'],
    [[], 'object'],
  ])('may not answer %j: it is logged, and the players are told misconfigured', async (shape, words) => {
    const fake = fakeNakama();
    const extension = { onMatched: () => shape, callbacks: { ended: () => undefined } } as unknown as Extension;
    const { started, reasons } = await matched(fake, extension);
    expect(started).toBeUndefined();
    expect(reasons).toEqual(['misconfigured', 'misconfigured']);
    expect(fake.log.at(-1)).toMatchObject({ level: 'error', fields: { problem: expect.stringContaining(words) } });
  });
  it('cannot put more players into a session than GAMEYE_MAX_PLAYERS, unless it says how many it takes', async () => {
    const crowd = context({ env: { ...FIVE, GAMEYE_MAX_PLAYERS: '1' } });
    const ask = async (extension: Extension) => {
      vi.resetModules();
      const fake = fakeNakama();
      const { matchmakerMatched } = await vm(extension);
      matchmakerMatched(crowd, fake.logger, fake.nk, entries);
      return { fake, reasons: fake.sent().map(({ content }) => content['reason']) };
    };
    const { fake, reasons } = await ask({});
    expect(reasons).toEqual(['misconfigured', 'misconfigured']);
    expect(fake.events.some(({ kind }) => kind === 'match')).toBe(false);
    expect(fake.log).toMatchObject([{ level: 'error', fields: { players: '2', max_players: '1' } }]);
    const own = await ask({ onMatched: () => ({ maxPlayers: 2 }) });
    expect(own.reasons).toEqual([]);
    expect(own.fake.events.some(({ kind }) => kind === 'match')).toBe(true);
  });
  it.each<[string, unknown, string]>([
    ['an error', new TypeError('party is undefined'), 'party is undefined'],
    ['a text', 'no party', 'no party'],
    ['what has no text', { message: { toString: 1 } }, 'something that has no text'],
  ])('may throw %s: nothing reaches Nakama, the players are told error', async (_sentence, thrown, error) => {
    const fake = fakeNakama();
    const onMatched = () => {
      throw thrown;
    };
    expect(await matched(fake, { onMatched })).toEqual({ started: undefined, reasons: ['error', 'error'] });
    expect(fake.log).toMatchObject([{ level: 'error', fields: { error } }]);
  });
});

describe('extras', () => {
  async function told(fake: FakeNakama, extras: Extension['extras']) {
    await vm({ ...(extras ? { extras } : {}) });
    const { notifyMatch } = await import('../../src/told/notify');
    const config = configWith();
    const instance: Instance = {
      ...{ id: 's1', status: 'running', region: 'eu', image: 'my-game', version: '', metadata: { map: 'dust' } },
      ...{ player_count: 2, max_players: 2, open_seats: 0, unseated: 0, seats: {}, ports: { '7777/udp': 1 } },
      connection_info: { ip_address: '1.2.3.4', dns_name: '', port: 1 },
      create_time: '2026-11-27T10:00:00.000Z',
    };
    notifyMatch({ ctx, logger: fake.logger, nk: fake.nk, config }, instance, [USER, OTHER]);
    return fake.sent().map(({ content }) => content);
  }
  const plain = {
    ...{ host: '1.2.3.4', port: 1, session_id: 's1', map: 'dust' },
    seat_token: expect.stringMatching(/^v1\./) as string,
    exp: expect.any(Number) as number,
  };

  it('reach each player, and come before the metadata', async () => {
    const extras: Extension['extras'] = (_ctx, _logger, _nk, instance, userId) => ({ map: instance.id, team: userId });
    expect(await told(fakeNakama(), extras)).toEqual([
      { ...plain, map: 's1', team: USER },
      { ...plain, map: 's1', team: OTHER },
    ]);
  });
  it('cannot replace what the module says, nor say it where the module says nothing', async () => {
    const relay = { relay_url: 'wss://evil', relay_token: 'x' };
    const reserved = { host: 'evil', port: 9, session_id: 'x', ports: {}, seat_token: 'x', exp: 1, ...relay };
    const contents = await told(fakeNakama(), () => reserved);
    expect(contents).toEqual([plain, plain]);
    for (const { exp } of contents) expect(exp).not.toBe(1);
  });
  it.each([
    ['an exception', () => JSON.parse('{') as object],
    ['a text', () => 'red'],
    ['a list', () => ['red']],
    ['what JSON cannot say', () => ({ big: { toJSON: () => JSON.parse('{') as object } })],
    ['a promise', () => Promise.resolve({ team: 'red' })],
  ])('that are %s are logged, and the player is not sent to the session', async (_name, extras) => {
    const fake = fakeNakama();
    expect(await told(fake, extras as unknown as Extension['extras'])).toEqual([]);
    expect(fake.log.map(({ level, fields }) => [level, fields['user_id']])).toEqual([
      ['error', USER],
      ['error', OTHER],
    ]);
  });
});
