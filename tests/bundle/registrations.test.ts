import { describe, expect, it } from 'vitest';
import { nameOf, program, source, type Tree } from './support/bundle.ts';

/*
 * Nakama finds what a module registers by parsing the file (runtime_javascript_init.go). These are its rules, written anew
 * from that file: breaking one of them is not a failed registration but, on some versions, the end of the server process.
 */
const functions = new Map(
  program.body.filter((one) => one.type === 'FunctionDeclaration').map((one) => [nameOf(one['id']), one]),
);
const initModule = functions.get('InitModule');
const statements = ((initModule?.['body'] as Tree | undefined)?.['body'] ?? []) as Tree[];
const initializer = nameOf((initModule?.['params'] as Tree[] | undefined)?.[3]);

interface Registration {
  method: string;
  args: Tree[];
}
/** The direct statements `initializer.registerX(…)`, which are the only ones that Nakama sees. */
const registrations: Registration[] = statements.flatMap((statement) => {
  const call = statement['expression'] as Tree | undefined;
  const callee = call?.['callee'] as Tree | undefined;
  if (statement.type !== 'ExpressionStatement' || call?.type !== 'CallExpression') return [];
  if (callee?.type !== 'MemberExpression' || callee['computed'] || nameOf(callee['object']) !== initializer) return [];
  return [{ method: nameOf(callee['property'])!, args: call['arguments'] as Tree[] }];
});
const named = (method: string) => registrations.filter((one) => one.method === method);

describe('InitModule', () => {
  it('is a function declaration with four plain parameters', () => {
    const params = initModule?.['params'] as Tree[];
    expect(params.map(nameOf)).toEqual(['ctx', 'logger', 'nk', 'initializer']);
    expect(initModule).toMatchObject({ async: false, generator: false });
  });
  it('has flat statements only: calls of `name()` or `name.method()`, whose callee Nakama can look at', () => {
    for (const statement of statements) {
      const call = statement['expression'] as Tree;
      expect([statement.type, call?.type]).toEqual(['ExpressionStatement', 'CallExpression']);
      const callee = call['callee'] as Tree;
      const left = callee.type === 'MemberExpression' ? callee['object'] : callee;
      expect(nameOf(left)).toBeTypeOf('string');
    }
  });
  it('mentions every registration of the file in such a statement', () => {
    // A registration in a helper or an `if` works in the first VM and is missing in all others.
    const anywhere =
      source.match(/\binitializer\.register(Rpc|Match|MatchmakerMatched|Shutdown|Req\w+|Rt\w+)\(/g) ?? [];
    const direct = registrations.filter((one) => one.method !== 'registerStorageIndex');
    expect(direct.length).toBe(anywhere.length);
    expect(direct.length).toBeGreaterThan(12);
  });
});

describe('a registered function', () => {
  it('has a name that is a plain text, used once, in lower case', () => {
    const names = [...named('registerRpc'), ...named('registerMatch')].map(({ args }) => {
      expect(args[0]).toMatchObject({ type: 'Literal', value: expect.any(String) });
      return args[0]!['value'] as string;
    });
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toBe(name.toLowerCase());
    expect(names).toEqual(
      expect.arrayContaining([
        ...['fleet_create', 'fleet_get', 'fleet_list', 'fleet_join', 'fleet_leave', 'fleet_update', 'fleet_delete'],
        ...[
          'fleet_find_or_create',
          'update_instance_info',
          'delete_instance_info',
          'gameye_server_join',
          'gameye_server_leave',
        ],
        'gameye_allocator',
      ]),
    );
  });
  it('is a function declaration at the top level, registered by its name', () => {
    const handlers = registrations
      .filter((one) => one.method !== 'registerMatch' && one.method !== 'registerStorageIndex')
      .map(({ args }) => nameOf(args[args.length - 1]));
    expect(handlers.length).toBeGreaterThan(11);
    for (const handler of handlers) {
      expect(functions.get(handler), handler).toBeDefined();
      expect(functions.get(handler)).toMatchObject({ async: false, generator: false });
    }
    // The same function under two names is a slip, but for the hook before both kinds of tickets.
    expect(handlers.filter((handler, i) => handlers.indexOf(handler) !== i)).toEqual(['gameyeBeforeMatchmakerAdd']);
  });
  it('is registered once for the matchmaker', () => {
    expect(named('registerMatchmakerMatched').map(({ args }) => args.length)).toEqual([1]);
  });
});

describe('the hook before tickets', () => {
  it('is registered for those of players and of parties, by names that are plain texts', () => {
    const names = named('registerRtBefore').map(({ args }) => args[0]);
    expect(names).toMatchObject(['MatchmakerAdd', 'PartyMatchmakerAdd'].map((value) => ({ type: 'Literal', value })));
  });
});

describe('a registered match', () => {
  const keys = [
    'matchInit',
    'matchJoinAttempt',
    'matchJoin',
    'matchLeave',
    'matchLoop',
    'matchTerminate',
    'matchSignal',
  ];
  const matches = named('registerMatch');
  it('exists', () => expect(matches.length).toBeGreaterThan(0));
  it.each(matches.map(({ args }) => [args[0]!['value'], args[1]!] as const))(
    '%s has the seven functions under unquoted names, without shorthand',
    (_name, handler) => {
      expect(handler.type).toBe('ObjectExpression');
      const properties = handler['properties'] as Tree[];
      expect(properties.map((one) => nameOf(one['key'])).sort()).toEqual(keys.slice().sort());
      for (const one of properties) {
        expect(one).toMatchObject({ type: 'Property', shorthand: false, computed: false, method: false, kind: 'init' });
        expect(functions.has(nameOf(one['value']))).toBe(true);
      }
    },
  );
});
