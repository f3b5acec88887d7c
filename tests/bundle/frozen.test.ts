import { describe, expect, it } from 'vitest';
import { CALM, type Turn } from '../unit/support/gameye';
import { fakeNakama, type FakeNakama } from '../unit/support/nakama';
import { rowsIn } from '../unit/support/records';
import { ctx, initModule, playMatch } from './support/module.ts';
import { nakamaVm } from './support/vm.ts';

const USER = '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6';
const OTHER = '00000000-0000-4000-8000-000000000001';
// Names that objects inherit: assigning to them throws when the prototype is frozen.
const INHERITED = '{"toString":"a","constructor":"b","valueOf":"c","hasOwnProperty":"d"}';

describe('the freezing of these tests', () => {
  it('freezes what Nakama freezes', () => {
    const { run } = nakamaVm(true);
    for (const code of [
      'Error.prototype.x = 1',
      'Object.prototype.x = 1',
      'Array.prototype.x = 1',
      'Math.x = 1',
      'globalThis.x = 1',
      'const o = {}; o.toString = 1',
      'class E extends Error { constructor(m) { super(m); this.name = "E"; } } new E("m")',
      'InitModule = 1',
    ]) {
      expect(() => run(`(function () { 'use strict'; ${code} })()`), code).toThrow(/read only|not extensible/);
    }
    expect(run('typeof console + typeof setTimeout + typeof process + typeof BigInt')).toBe('undefined'.repeat(4));
  });
});

describe('InitModule', () => {
  it('registers, checks the configuration, and says that it is ready', () => {
    const fake = fakeNakama();
    const { calls } = initModule(fake);
    expect(calls).toContain('registerMatchmakerMatched');
    expect(fake.log.map((line) => line.level)).not.toContain('error');
    expect(fake.log.map((line) => line.message)).toContain('Gameye: fleet manager ready.');
  });
});

describe('in a frozen VM', () => {
  const payloads: { [rpc: string]: object } = {
    fleet_create: { max_players: 4, user_ids: [USER], metadata: JSON.parse(INHERITED) as object, regions: ['eu'] },
    fleet_find_or_create: { user_ids: [OTHER], query: '*' },
    fleet_get: { id: 's1' },
    fleet_list: { query: '*' },
    fleet_join: { id: 's1', user_ids: [OTHER] },
    fleet_leave: { id: 's1', user_ids: [OTHER] },
    fleet_update: { id: 's1', player_count: 1, metadata: JSON.parse(INHERITED) as object },
    fleet_delete: { id: 's1' },
    update_instance_info: { id: 's1', player_count: 1, metadata: JSON.parse(INHERITED) as object },
    delete_instance_info: { id: 's1' },
    gameye_server_join: { id: 's1', user_ids: [USER] },
    gameye_server_leave: { id: 's1', user_ids: [USER] },
  };
  const registered = initModule(fakeNakama());
  const { rpcs, match } = registered;

  /** A server on which session s1 runs, with labels that have every inherited name. */
  function serverWithSession(): FakeNakama {
    const fake = fakeNakama();
    const labels = { tags: `{"nakama_fleet":"default",${INHERITED.slice(1)}` };
    const view = {
      id: 's1',
      status: 'running',
      host: 'h',
      port: { '7777/udp': 1 },
      location: 'eu',
      image: 'i',
      labels,
    };
    fake.http = ({ method }) => ({ code: 200, headers: {}, body: method === 'get' ? JSON.stringify(view) : '' });
    nakamaVm(true).global(rpcs.get('fleet_get')!)(ctx, fake.logger, fake.nk, '{"id":"s1"}');
    return fake;
  }

  it.each([...rpcs.keys()])('%s answers at its first call', (rpc) => {
    const fake = serverWithSession();
    const { global } = nakamaVm(true);
    const payload = payloads[rpc];
    try {
      const text = global(rpcs.get(rpc)!)(ctx, fake.logger, fake.nk, JSON.stringify(payload ?? {}));
      expect(JSON.parse(text as string)).toBeTypeOf('object');
    } catch (error) {
      // An RPC without a line above may want something else, but it says so.
      if (payload) throw error;
      expect(error).toMatchObject({ code: expect.any(Number), message: expect.any(String) });
    }
    expect(fake.log.filter((line) => line.level === 'error')).toEqual([]);
  });

  it.each([...rpcs.keys()])('%s refuses nonsense with a plain object, not an Error', (rpc) => {
    const fake = fakeNakama();
    const { global } = nakamaVm(true);
    let thrown: unknown;
    try {
      global(rpcs.get(rpc)!)(ctx, fake.logger, fake.nk, '[1');
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ message: expect.any(String) });
    // Invalid, or (where there has to be a user) not allowed.
    expect([3, 7, 16]).toContain((thrown as { code: unknown }).code);
    expect(Object.keys(thrown as object).sort()).toEqual(['code', 'message']);
  });

  it('a match gets its server: hook, allocator and notification, each in its own VM', () => {
    for (const turns of [[], [{ ...CALM, fault: 'reply-lost' }], [{ ...CALM, full: true }]] as Turn[][]) {
      const fake = playMatch(registered, turns, [USER, OTHER]);
      const told = fake.sent().map((one) => [one.userId, one.code]);
      expect(new Map(told as [string, number][])).toEqual(new Map([USER, OTHER].map((userId) => [userId, 7300])));
      expect(told).toHaveLength(2);
      expect(rowsIn(fake, 'instance')).toBe(1);
      expect(fake.log.filter((line) => line.level === 'error')).toEqual([]);
    }
  });

  it('an allocator refuses everybody who joins, and its other functions keep its state', () => {
    const { global } = nakamaVm(true);
    const fake = fakeNakama();
    const state = { allocation: '{}', wake_at_ms: 0 };
    const call = (key: string) => global(match[key]!)(ctx, fake.logger, fake.nk, {}, 1, state, []);
    expect(call('matchJoinAttempt')).toMatchObject({ accept: false, state });
    for (const key of ['matchJoin', 'matchLeave', 'matchSignal']) expect(call(key)).toEqual({ state });
    expect(call('matchTerminate')).toEqual({ state: { ...state, ending: true } });
  });
});
