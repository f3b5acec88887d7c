import { Linter } from 'eslint';
import { describe, expect, it } from 'vitest';
import { nameOf, nodesOf, program, source, type Tree } from './support/bundle.ts';

const nodes = [...nodesOf(program.body)];
const found = (test: (node: Tree) => boolean): string[] =>
  nodes.filter(test).map((node) => source.slice(node.start, Math.min(node.end, node.start + 80)));

describe('the built file', () => {
  it('is a script that does not import or export anything', () => {
    const words = ['ImportDeclaration', 'ImportExpression', 'MetaProperty', 'ExportNamedDeclaration'];
    expect(found((node) => words.includes(node.type))).toEqual([]);
    const calls = (node: Tree) => node.type === 'CallExpression' && nameOf(node['callee']) === 'require';
    expect(found(calls)).toEqual([]);
    // CommonJS would assign to these, which do not exist (the check of every name sees free ones).
    expect(source).not.toMatch(/\bmodule\.exports\b|\b__esModule\b/);
  });
  it('has no source map comment: Nakama looks for the file and refuses to compile', () => {
    expect(source).not.toMatch(/[#@]\s*sourceMappingURL/);
  });
  it('has few globals, because every VM freezes each of them', () => {
    const names = program.body.flatMap((statement) => {
      if (statement.type === 'VariableDeclaration') {
        return (statement['declarations'] as Tree[]).map((one) => nameOf(one['id']));
      }
      return statement.type === 'FunctionDeclaration' ? [nameOf(statement['id'])] : [];
    });
    expect(names.length).toBeLessThanOrEqual(60);
    expect(names).toContain('InitModule');
    // Everything that is no function declaration is the library: no work at the top level.
    const others = program.body.filter((one) => one.type !== 'FunctionDeclaration');
    expect(others.filter((one) => one.type === 'VariableDeclaration')).toHaveLength(2);
    expect(names).toEqual(expect.arrayContaining(['library', 'allocator']));
  });
  it('stays small: every VM parses it, and there is one for each match', () => {
    // 778 KB when this was written, comments and all, for a worker's part stands in it twice; and a sixth on top.
    expect(Buffer.byteLength(source)).toBeLessThan(910_000);
    expect(Buffer.byteLength(source)).toBeGreaterThan(30_000);
  });
  it('holds no path of the machine that built it', () =>
    expect(source).not.toMatch(/\/(home|Users|work|node_modules)\//));
});

describe('the built file uses none of what Nakama’s JavaScript engine lacks:', () => {
  it('async functions and promises, for which nothing waits', () => {
    expect(
      found((node) => node['async'] === true || node.type === 'AwaitExpression' || node['await'] === true),
    ).toEqual([]);
    expect(found((node) => nameOf(node) === 'Promise')).toEqual([]);
  });
  it('BigInt, which is missing before 3.25', () => {
    expect(found((node) => node.type === 'Literal' && typeof node['bigint'] === 'string')).toEqual([]);
  });
  it('numeric separators, which are missing before 3.25', () => {
    expect(
      found((node) => node.type === 'Literal' && typeof node['value'] === 'number' && /_/.test(String(node['raw']))),
    ).toEqual([]);
  });
  it('regular expressions with the flags s, d or v, named groups or \\p', () => {
    const regexes = nodes.flatMap((node) =>
      node['regex'] ? [node['regex'] as { flags: string; pattern: string }] : [],
    );
    expect(regexes.length).toBeGreaterThan(5);
    for (const { flags, pattern } of regexes) {
      expect(flags).not.toMatch(/[sdv]/);
      expect(pattern).not.toMatch(/\(\?<[A-Za-z]|\\[pP]\{/);
    }
  });
  it('methods that are missing in a supported version', () => {
    const missing = [
      ...[
        'toSorted',
        'toReversed',
        'toSpliced',
        'groupBy',
        'withResolvers',
        'isWellFormed',
        'toWellFormed',
        'fromAsync',
      ],
      ...['union', 'intersection', 'difference', 'isSubsetOf', 'hasIndices', 'transfer', 'captureStackTrace'],
    ];
    expect(
      found((node) => node.type === 'MemberExpression' && missing.includes(nameOf(node['property']) ?? '')),
    ).toEqual([]);
  });
  it('the cause of an Error', () => {
    const errors = (node: Tree) => node.type === 'NewExpression' && /Error$/.test(nameOf(node['callee']) ?? '');
    expect(found((node) => errors(node) && (node['arguments'] as Tree[]).length > 1)).toEqual([]);
  });
  it('notificationSend, whose database error ends the server process, and logging without a text', () => {
    const calls = (node: Tree, name: RegExp) =>
      node.type === 'CallExpression' && name.test(nameOf((node['callee'] as Tree)['property']) ?? '');
    expect(found((node) => calls(node, /^notificationSend(All)?$/))).toEqual([]);
    const log = /^(debug|info|warn|error)$/;
    expect(found((node) => calls(node, log) && (node['arguments'] as Tree[])[0]?.type !== 'Literal')).toEqual([]);
    expect(found((node) => calls(node, log)).length).toBeGreaterThan(8);
  });
});

describe('every name in the built file', () => {
  // What goja has in all versions, without those that nothing here should use.
  const builtIns = [
    ...['Object', 'Function', 'Array', 'String', 'Boolean', 'Number', 'Symbol', 'Math', 'Date', 'RegExp', 'JSON'],
    ...['Error', 'TypeError', 'RangeError', 'SyntaxError', 'Map', 'Set', 'WeakMap', 'WeakSet', 'Proxy', 'Reflect'],
    ...['ArrayBuffer', 'DataView', 'Uint8Array', 'parseInt', 'parseFloat', 'isNaN', 'isFinite', 'undefined', 'NaN'],
    ...['encodeURIComponent', 'decodeURIComponent', 'encodeURI', 'decodeURI', 'Infinity'],
  ];
  // The linter knows these as part of the language: missing in some version of Nakama, or of no use there.
  const unwanted = [
    ...['BigInt', 'BigInt64Array', 'BigUint64Array', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry'],
    ...['Promise', 'globalThis', 'eval', 'escape', 'unescape', 'Intl', 'WebAssembly'],
  ];
  const undefinedNames = (code: string): string[] =>
    new Linter()
      .verify(code, {
        languageOptions: {
          ecmaVersion: 2020,
          sourceType: 'script',
          globals: Object.fromEntries([
            ...builtIns.map((name) => [name, 'readonly']),
            ...unwanted.map((name) => [name, 'off']),
          ]) as Record<string, 'readonly' | 'off'>,
        },
        // The compiler keeps comments that silence rules of the source.
        linterOptions: { noInlineConfig: true },
        rules: { 'no-undef': ['error', { typeof: true }], 'no-global-assign': 'error' },
      })
      .filter((problem) => problem.severity === 2)
      .map((problem) => problem.message);

  it('is declared in the file or part of the language', () => expect(undefinedNames(source)).toEqual([]));
  it('is checked: a name that Nakama lacks is found', () => {
    const code = 'function f(a) { return typeof setTimeout + console.log(BigInt(a), globalThis.x, Object.keys(a)) }';
    const missing = ['setTimeout', 'console', 'BigInt', 'globalThis'].map((name) => `'${name}' is not defined.`);
    expect(undefinedNames(code)).toEqual(missing);
  });
});
