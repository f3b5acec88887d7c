import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RpcError } from '../../src/refusal.ts';
import { serverToken } from '../../src/credentials/server-token.ts';
import { fieldsFrom, payloadFor, strangersIn } from '../helpers/payloads.ts';
import { configWith, FIVE, SEAT_SECRET, TOKEN } from '../unit/support/config';
import { answer } from '../unit/support/gameye';
import { context, fakeNakama, type FakeNakama } from '../unit/support/nakama';
import { putAllocation, putInstance } from '../unit/support/records';
import { nakamaVm } from './support/vm.ts';

// Enough to meet every field and kind of value; set FC_RUNS to search for longer.
const RUNS = Number(process.env['FC_RUNS'] ?? 8);
const PLAYER = '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6';
const STRANGER = '00000000-0000-4000-8000-000000000001';
const SESSION = '0a0a0a0a-0000-4000-8000-00000000000a';
const OTHER_SESSION = '0a0a0a0a-0000-4000-8000-00000000000b';
const STARTING = '0a0a0a0a-0000-4000-8000-00000000000c';
const variables = { GAMEYE_SEAT_SECRET: SEAT_SECRET, GAMEYE_NAKAMA_URL: 'http://nakama:7350' };
const config = configWith(variables);
const known = {
  sessions: [SESSION, OTHER_SESSION, STARTING],
  users: [PLAYER, STRANGER],
  regions: ['eu-central-1', 'us-east-1'],
};

/** Two sessions run, one is being started, and the Session API agrees. */
function world(): FakeNakama {
  const fake = fakeNakama();
  const common = { region: 'eu-central-1', max_players: 3, metadata: { map: 'ice' } };
  putInstance(fake, { id: SESSION, ...common }, { [STRANGER]: 'joined' });
  putInstance(fake, { id: OTHER_SESSION, ...common });
  putAllocation(fake, { max_players: 2 }, {}, STARTING);
  fake.events.length = 0;
  fake.http = ({ method, url }) => {
    const path = url.replace(/^https?:\/\/[^/]+/, '');
    const id = [SESSION, OTHER_SESSION].find((one) => path === `/session/${one}`);
    const labels = { tags: '{"nakama_fleet":"default"}' };
    const port = { '7777/udp': 1 };
    if (method === 'get' && id !== undefined) {
      return answer(200, {
        id,
        status: 'running',
        host: '1.2.3.4',
        port,
        location: 'eu-central-1',
        image: 'i',
        labels,
      });
    }
    if (path.startsWith('/session?')) return answer(200, { sessions: [] });
    if (path.startsWith('/available-location/')) return answer(200, { locations: [] });
    if (path.startsWith('/session/player/')) return answer(200, {});
    if (path.startsWith('/tag/')) return answer(200, { exists: path.endsWith('/1.2.3') });
    if (method === 'post') return answer(422, { message: 'no location' });
    return method === 'delete' && id !== undefined ? answer(204, {}) : answer(404, {});
  };
  return fake;
}

function serverUser(): { userId: string; vars: { [name: string]: string } } {
  return JSON.parse(serverToken(fakeNakama().nk, config, SESSION, SESSION, Date.now())!) as never;
}

const env = { ...FIVE, ...variables };
const { userId, vars } = serverUser();
const CALLERS = {
  'another server': context({ env }),
  'a player': context({ env, userId: PLAYER, vars: {} }),
  'a player who pretends to be a game server': context({ env, userId: PLAYER, vars }),
  'a game server': context({ env, userId, vars }),
};

/** The functions of the built file, by RPC id: one that is added is fuzzed without a change here. */
function registeredRpcs(): Map<string, string> {
  const rpcs = new Map<string, string>();
  const registerRpc = (id: string, fn: { name: string }): void => void rpcs.set(id, fn.name);
  const initializer = new Proxy(
    {},
    { get: (_target, name) => (name === 'registerRpc' ? registerRpc : () => undefined) },
  );
  const fake = fakeNakama();
  nakamaVm(false).global('InitModule')(CALLERS['another server'], fake.logger, fake.nk, initializer);
  return rpcs;
}

const vm = nakamaVm(true);
const rpcs = registeredRpcs();

/** Calls an RPC of the built file; answers its JSON, or what it refused with. Fails when it throws anything else. */
function ask(rpc: string, caller: keyof typeof CALLERS, payload: string, fake: FakeNakama): string | RpcError {
  try {
    return vm.global(rpcs.get(rpc)!)(CALLERS[caller], fake.logger, fake.nk, payload) as string;
  } catch (error) {
    // An Error of the VM is none of ours: looked at by what it has.
    if (typeof error === 'object' && error !== null && !('stack' in error) && 'code' in error) return error as RpcError;
    throw error;
  }
}

function fieldsOf(rpc: string): string[] {
  for (const caller of ['another server', 'a player'] as const) {
    const refused = ask(rpc, caller, '{"surely not a field":1}', world());
    const fields = typeof refused === 'string' ? undefined : fieldsFrom(refused.message);
    if (fields) return fields;
  }
  throw new Error(`${rpc} does not say which fields it knows`);
}

/** Everything that is stored. */
const dump = (fake: FakeNakama): string => {
  const rows = (table: string): string => `(SELECT json_agg(to_jsonb(t) ORDER BY to_jsonb(t)) FROM gameye_${table} t)`;
  const all = ['allocation', 'instance', 'seat', 'control'].map(rows).join(', ');
  return JSON.stringify(fake.query(`SELECT json_build_array(${all}) AS rows`));
};

/** The instances in a dump. */
const instancesOf = (dumped: string): unknown => (JSON.parse(dumped) as { rows: unknown[] }[])[0]?.rows[1];

it('the built file has RPCs to fuzz, and they say which fields they know', () => {
  expect(rpcs.size).toBeGreaterThan(15);
  expect(fieldsOf('fleet_join')).toEqual(['id', 'user_ids', 'partial', 'notify']);
});

describe.each([...rpcs.keys()])('%s', (rpc) => {
  const fields = fieldsOf(rpc);

  it.each(Object.keys(CALLERS) as (keyof typeof CALLERS)[])(
    'withstands whatever %s sends',
    (caller) => {
      let fake = world();
      let before = dump(fake);
      fc.assert(
        fc.property(payloadFor(fields, known), (payload) => {
          for (const list of [fake.events, fake.log, fake.requests]) list.length = 0;
          const result = ask(rpc, caller, payload, fake);
          const after = dump(fake);
          if (typeof result === 'string') {
            expect(JSON.parse(result)).toBeTypeOf('object');
          } else {
            expect([3, 5, 7, 8, 9, 10, 16], result.message).toContain(result.code);
            expect(Object.keys(result).sort()).toEqual(['code', 'message']);
            expect(result.message.length).toBeLessThan(2_000);
            expect(after).toBe(before);
            expect(fake.events.filter(({ kind }) => kind === 'match' || kind === 'notify')).toEqual([]);
            expect(
              fake.requests.filter(({ method, body }) => method !== 'get' && JSON.stringify(body) !== '{}'),
            ).toEqual([]);
            const strangers = strangersIn(payload, fields) ?? [];
            if (strangers.length > 0 && result.code !== 7 && result.code !== 16) {
              expect(result.code).toBe(3);
              for (const name of strangers.slice(0, 10))
                expect(result.message).toContain(JSON.stringify(name.slice(0, 50)));
            }
          }
          expect(fake.log.filter(({ level }) => level === 'error')).toEqual([]);
          const said = `${JSON.stringify(result)} ${JSON.stringify(fake.log)} ${after}`;
          for (const secret of [TOKEN, SEAT_SECRET]) expect(said).not.toContain(secret);
          if (caller === 'a player who pretends to be a game server' || caller === 'a player') {
            expect(instancesOf(after)).toEqual(instancesOf(before));
          }
          // A world that this payload has changed is of no use to the next.
          if (after !== before) {
            fake = world();
            before = dump(fake);
          }
        }),
        { numRuns: RUNS },
      );
    },
    60_000,
  );
});
